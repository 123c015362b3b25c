"""The inbox as HTML. Everything of a message is escaped; its HTML part is shown in a sandbox."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .4rem .6rem; vertical-align: top; }
tr { border-bottom: 1px solid #ddd; } th { font-weight: 600; white-space: nowrap; } pre { white-space: pre-wrap; }
iframe { width: 100%; height: 24rem; border: 1px solid #ddd; background: #fff; } a { color: #0b57d0; }
td { overflow-wrap: anywhere; }
"""


def index(summaries: Sequence[Mapping[str, str]]) -> str:
    """The list, newest first."""
    rows = "".join(_row(summary) for summary in summaries)
    head = "<tr><th>Received</th><th>From</th><th>To</th><th>Subject</th></tr>"
    body = f"<table>{head}{rows}</table>" if rows else "<p>No mail has arrived yet.</p>"
    return _page("Inbox", f'<h1>Inbox</h1>{body}<p><a href="/messages">As JSON</a></p>')


def _row(summary: Mapping[str, str]) -> str:
    value = {name: escape(text) for name, text in summary.items()}
    subject = value["subject"] or "(no subject)"
    return (
        f"<tr><td>{value['received']}</td><td>{value['from']}</td><td>{value['to']}</td>"
        f'<td><a href="/read/{value["id"]}">{subject}</a></td></tr>'
    )


def message(full: Mapping[str, Any]) -> str:
    """One message: its headers, its text and its HTML."""
    name, subject = escape(full["id"]), escape(full["subject"]) or "(no subject)"
    headers = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in full["headers"])
    text = f"<h2>Text</h2><pre>{escape(full['text'])}</pre>" if full["text"] is not None else ""
    html = ""
    if full["html"] is not None:
        html = f'<h2>HTML</h2><iframe sandbox="" title="HTML part" srcdoc="{escape(full["html"])}"></iframe>'
    links = (
        f'<p><a href="/">Inbox</a> · <a href="/messages/{name}.eml">Raw</a> · <a href="/messages/{name}">JSON</a></p>'
    )
    return _page(subject, f"{links}<h1>{subject}</h1><table>{headers}</table>{text}{html}")


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>'
    )
