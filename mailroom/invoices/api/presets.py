"""The views of presets: putting them, reading them, ending them."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.errors import Invalid, NotFound
from mailroom.invoices.api import operations, schemas
from mailroom.invoices.api.context import context
from mailroom.invoices.api.invoices import WRITE
from mailroom.invoices.presets.preset import Preset, check_name, check_preset
from mailroom.platform.mongo import Document
from mailroom.web.endpoints import caller, endpoint, json_body, query
from mailroom.web.paging import after_name, before_version, limit_of, to_cursor, version_parameter
from mailroom.web.representation import json_response

blueprint = Blueprint("presets", __name__, url_prefix="/presets")


@blueprint.get("")
@endpoint(operations.LIST_PRESETS, WRITE)
def list_presets() -> Response:
    items, last = context().presets.page(limit_of(query()), after_name(query()))
    heads = [schemas.PresetHead.of(each, prefix=each["content"].get("prefix")) for each in items]
    return json_response(schemas.PresetPage(items=heads, next_cursor=_cursor(last)))


@blueprint.get("/<name>/versions")
@endpoint(operations.LIST_PRESET_VERSIONS, WRITE)
def versions(name: str) -> Response:
    """Newest first; a deletion is one of them."""
    items, last = context().presets.versions(name, limit_of(query()), before_version(query()))
    if not items and "cursor" not in query():
        raise context().presets.unknown(name)
    listed = [schemas.ListedPresetVersion.of(each, deleted=each["content"] is None) for each in items]
    return json_response(schemas.PresetVersions(items=listed, next_cursor=_cursor(last)))


@blueprint.get("/<name>")
@endpoint(operations.GET_PRESET, WRITE)
def get_preset(name: str) -> Response:
    return json_response(_stored(context().presets.find(name, version_parameter(query()))))


@blueprint.put("/<name>")
@endpoint(operations.PUT_PRESET, WRITE)
def put_preset(name: str) -> Response:
    preset = json_body(Preset)
    check_name(name)
    check_preset(preset)
    document, first = context().presets.save(name, preset, caller().id)
    return json_response(_stored(document), 201 if first else 200)


@blueprint.delete("/<name>")
@endpoint(operations.DELETE_PRESET, WRITE)
def delete_preset(name: str) -> Response:
    version = context().presets.delete(name, caller().id)
    return json_response(schemas.DeletedPreset(deleted=name, version=version))


def check_preset_is_there(name: str) -> None:
    """Raises `Invalid` for the name of a preset that is not there."""
    try:
        context().presets.find(name)
    except NotFound as error:
        raise Invalid("preset", error.code, error.message) from error


def _cursor(last: str | int | None) -> str | None:
    return None if last is None else to_cursor([last])


def _stored(document: Document) -> schemas.StoredPreset:
    return schemas.StoredPreset.of(document, preset=document["content"])
