"""Fills stored templates with the parameters of a request, and checks new templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from mailroom.errors import Invalid, NotFound
from mailroom.notifications.model.messages import LONGEST_BODY, LONGEST_SUBJECT
from mailroom.notifications.templates.store import Content, Templates
from mailroom.platform.mongo import Document

Version = Annotated[int, Meta(ge=1, le=1_000_000_000)]
NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
LONGEST_PARAMETERS = 100_000  # bytes as JSON
DEEPEST_PARAMETERS = 10


class Use(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The template of a request. Without `version` it is the newest."""

    name: str
    version: Version | None = None
    parameters: dict[str, Any] = {}


class Rendered(msgspec.Struct, frozen=True):
    """A filled template. `html` and `text` are None if the template has none."""

    name: str
    version: int
    subject: str
    html: str | None
    text: str | None


def render(templates: Templates, use: Use) -> Rendered:
    """Fills the template of a request. Raises `Invalid` for the field of `template` at fault."""
    try:
        found = templates.find(use.name, use.version)
    except NotFound as unknown:
        field = "template.version" if use.version is not None else "template.name"
        raise Invalid(field, unknown.code, unknown.message) from None
    return fill(found, use.parameters, "template.parameters")


def fill(template: Document, parameters: Mapping[str, Any], field: str) -> Rendered:
    """Fills a version of a template. Raises `Invalid`. `field` is the field of the request that has the parameters."""
    from mailroom.notifications.templates import language  # Jinja2 takes 50 ms, and the sender does not need it

    if _is_deeper(parameters, DEEPEST_PARAMETERS) or len(msgspec.json.encode(parameters)) > LONGEST_PARAMETERS:
        detail = f"parameters have at most {LONGEST_PARAMETERS} bytes and {DEEPEST_PARAMETERS} levels"
        raise Invalid(field, "template.parameters", detail)

    def part(name: str, longest: int) -> str | None:
        source: str | None = template["content"][name]
        try:
            return source and language.render(source, parameters, longest, html=name == "html")
        except language.MissingParameter as error:
            raise Invalid(f"{field}.{error.name}", "template.parameter_missing", str(error)) from None
        # A template that was stored before a rule of the language may break it.
        except (language.CannotRender, language.InvalidTemplate) as error:
            raise Invalid(field, "template.failed", f"the {name} of the template: {error}") from None

    return Rendered(
        template["name"],
        template["version"],
        part("subject", LONGEST_SUBJECT) or "",
        part("html", LONGEST_BODY),
        part("text", LONGEST_BODY),
    )


def check(name: str, content: Content) -> None:
    """Raises `Invalid` for the first field at fault."""
    from mailroom.notifications.templates import language

    if not re.fullmatch(NAME, name):
        detail = "a name has up to 64 small letters, digits and . _ -, and begins with a letter or a digit"
        raise Invalid("name", "template.name", detail)
    if not content.subject.strip() or "\n" in content.subject:
        raise Invalid("subject", "template.invalid", "subject must be one line of text")
    if not (content.html or content.text):
        raise Invalid("html", "template.invalid", "a template has html, or text, or both")
    for field, source in asdict(content).items():
        try:
            language.check(source or "", html=field == "html")
        except language.InvalidTemplate as error:
            raise Invalid(field, "template.invalid", f"{field}: {error}") from None


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested in more than `levels` levels, counting the values in them."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)
