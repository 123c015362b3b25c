"""The view of previews: what an import would make of a file. It stores nothing."""

from __future__ import annotations

from flask import Blueprint, Response
from msgspec.structs import asdict, replace

from mailroom.errors import Invalid
from mailroom.invoices.api import operations, schemas
from mailroom.invoices.api.context import InvoicesContext, context
from mailroom.invoices.api.imports import version_of
from mailroom.invoices.api.invoices import WRITE
from mailroom.invoices.api.presets import check_preset_is_there
from mailroom.invoices.files import FileRejected, Rules
from mailroom.invoices.presets.preset import Preset, check_preset
from mailroom.invoices.presets.selection import Selected
from mailroom.invoices.preview.examination import Examination, PreviewFault, PreviewTask
from mailroom.invoices.preview.runner import beginning
from mailroom.platform.objects import ObjectGone, ObjectVersion
from mailroom.web.endpoints import endpoint, json_body
from mailroom.web.representation import json_response

blueprint = Blueprint("previews", __name__)


@blueprint.post("/preview")
@endpoint(operations.PREVIEW, WRITE)
def preview() -> Response:
    of, body = context(), json_body(operations.PreviewFile)
    if isinstance(body.preset, Preset):
        check_preset(body.preset)
    elif body.preset:
        check_preset_is_there(body.preset)
    version = version_of(of, body.bucket, body.key, body.version_id)
    try:
        refusal, selected = _select(of, version, body.preset)
        with of.previewer.limit.slot():
            found = _examine(of, version, selected.rules)
    except ObjectGone as error:
        raise Invalid("key", "object.not_found", str(error)) from error
    if refusal is not None:
        found = replace(found, error=PreviewFault(refusal.code, refusal.message), rows=[])
    return json_response(
        schemas.FilePreview(
            bucket=version.bucket,
            key=version.key,
            version_id=version.version_id,
            preset=schemas.UsedPreset(**asdict(selected.version)) if selected.version else None,
            **asdict(found),
        )
    )


def _examine(of: InvoicesContext, version: ObjectVersion, rules: Rules) -> Examination:
    with of.objects.read(version) as stream:
        data = beginning(stream)
    return of.previewer.examine(PreviewTask(rules, version.size, len(data) >= version.size), data)


def _select(of: InvoicesContext, version: ObjectVersion, preset: str | Preset) -> tuple[FileRejected | None, Selected]:
    """What an import that began now would read the file with; if its metadata are wrong, the error about them too."""
    metadata = of.objects.metadata(version)
    try:
        if isinstance(preset, Preset):
            return None, of.selection.of_preset(preset, metadata)
        return None, of.selection.select(version.key, metadata, preset, of.ledger.now())
    except FileRejected as error:
        return error, of.selection.of_dialect(version.key, None)
