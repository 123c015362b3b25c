"""How the demo looks: live progress, and tables of what came of it."""

from __future__ import annotations

import csv
import io
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

COUNTS = ("rows", "inserted", "updated", "unchanged", "stale", "rejected")
_ENDED = ("done", "failed")


def progress(imports: list[dict[str, Any]]) -> Table:
    """The imports as they are now, each with a bar."""
    table = _table("Imports")
    for name in ("file", "state", "read"):
        table.add_column(name)
    for name in COUNTS:
        table.add_column(name, justify="right")
    for each in imports:
        done = each["progress"]
        bar = ProgressBar(max(done["bytesTotal"], 1), done["bytesRead"], width=16)
        colour = "green" if each["state"] == "done" else "yellow" if each["state"] not in _ENDED else "red"
        table.add_row(each["key"], f"[{colour}]{each['state']}", bar, *(f"{each['counts'][name]:,}" for name in COUNTS))
    return table


def invoices(items: list[dict[str, Any]]) -> Table:
    table = _table("Invoices: GET /function/invoices?limit=8")
    for name in ("invoiceNumber", "invoiceDate", "supplierName", "grossAmount", "currency", "status"):
        table.add_column(name, justify="right" if name == "grossAmount" else "left")
    for item in items:
        table.add_row(*(Text(item[column.header]) for column in table.columns))  # type: ignore[index]
    return table


def rejects(name: str, text: str) -> Table:
    """A rejects file: the reason of each row, and the row."""
    table = _table(f"Rejects file {name}: correct the rows, upload it again")
    for column in ("row", "column", "code", "message"):
        table.add_column(column)
    for row in csv.DictReader(io.StringIO(text)):
        table.add_row(*(Text(row[f"_{name}"] or "") for name in ("row", "column", "code", "message")))
    return table


def notifications(items: list[dict[str, Any]]) -> Table:
    table = _table("Notifications: GET /function/notifications")
    for column in ("id", "emailTo", "subject", "status"):
        table.add_column(column)
    for item in items:
        to = item["emailTo"]
        table.add_row(item["id"], to if isinstance(to, str) else ", ".join(to), Text(item["subject"]), item["status"])
    return table


def mail(message: dict[str, Any]) -> Panel:
    """A message as it arrived."""
    head = Text(f"From:    {message['from']}\nTo:      {message['to']}\nSubject: {message['subject']}\n\n")
    return Panel(Group(head, Text(message["text"].strip())), title="The mail, as it arrived in the inbox")


def console() -> Console:
    """Wide enough for the tables also where the output is no terminal."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=140)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
