"""Values with which the preview of a template begins: each name in brackets, as a gap that is to be filled."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from jinja2 import Environment, TemplateError, meta

_LANGUAGE = Environment(autoescape=True)  # parses only; the API renders


def sample_values(sources: Iterable[str | None]) -> str:
    """The names that these sources ask for, as a JSON object for a form; "" if there are none.

    A source that cannot be parsed asks for nothing: the API says what is wrong with it.
    """
    names = {name for source in sources if source for name in _names(source)}
    if not names:
        return ""
    values = msgspec.json.encode({name: f"[{name}]" for name in sorted(names)})
    return msgspec.json.format(values, indent=2).decode()


def _names(source: str) -> set[str]:
    try:
        return meta.find_undeclared_variables(_LANGUAGE.parse(source))
    except (TemplateError, RecursionError):
        return set()
