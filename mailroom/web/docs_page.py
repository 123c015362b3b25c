"""An OpenAPI document as one page for people. It loads nothing: no script, no font, no other address."""

from __future__ import annotations

from html import escape
from typing import Any

Schema = dict[str, Any]


def page(document: dict[str, Any]) -> str:
    """The whole page, as HTML."""
    info = document["info"]
    base = document["servers"][0]["url"]
    calls = "".join(
        _call(f"{base}{'' if path == '/' else path}", method, operation, document)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    shapes = "".join(
        f'<h3 id="{escape(name)}">{escape(name)}</h3>{_fields(schema)}'
        for name, schema in document["components"]["schemas"].items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>{_text(info['description'])}"
        f'<p><a href="openapi.json">openapi.json</a></p><h2>Calls</h2>{calls}<h2>Shapes</h2>{shapes}</html>'
    )


def _call(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{escape(each['in'])}<td>{_kind(each['schema'])}"
        f"<td>{'required. ' if each['required'] else ''}{_inline(each.get('description', ''))}"
        for each in operation.get("parameters", ())
    )
    answers = "".join(
        f"<tr><td><code>{status}</code><td>{escape(each['description'])}<td>{_content(each)}"
        for status, each in operation["responses"].items()
    )
    body = operation.get("requestBody")
    return (
        f'<section><h3><code><b>{method.upper()}</b> {escape(path)}</code></h3><p class="summary">'
        f"{_inline(operation['summary'])}</p>{_text(operation['description'])}"
        + (f"<table>{parameters}</table>" if parameters else "")
        + (f"<p>Body: {_content(body)}</p>" if body else "")
        + f"<table>{answers}</table></section>"
    )


def _content(part: dict[str, Any]) -> str:
    content: dict[str, Any] = part.get("content", {})
    return ", ".join(f"{escape(media)}: {_kind(each['schema'])}" for media, each in content.items())


def _fields(schema: Schema) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{_kind(each)}"
        f"<td>{'' if name in required else 'optional. '}{_inline(each.get('description', ''))}"
        for name, each in schema.get("properties", {}).items()
    )
    return f"{_text(schema.get('description', ''))}<table>{rows}</table>"


def _kind(schema: Schema) -> str:
    """A schema in a few words, with a link to the shape it refers to."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = "".join(
        f" {word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("minLength", "from"), ("maxLength", "up to"))
        if key in schema
    )
    return escape(f"{schema.get('format') or schema.get('type', 'anything')}{bounds}")


def _text(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part)


def _inline(text: str) -> str:
    """Text with its `code` marked."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid #8886; margin-top: 1.5rem; }
table { border-collapse: collapse; margin: .5rem 0; }
td { border-bottom: 1px solid #8884; padding: .2rem .8rem .2rem 0; vertical-align: top; }
code { font: .9em ui-monospace, monospace; }
small { font-weight: normal; opacity: .7; }
.summary { font-weight: 600; }
"""
