"""How the demo looks: live progress, and tables of what came of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group
from rich.json import JSON
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

COUNTS = ("rows", "inserted", "updated", "unchanged", "stale", "rejected", "setApart")


def progress(imports: list[dict[str, Any]]) -> Table:
    """The imports as they are now, each with a bar."""
    table = _table("Imports", "file", "state", "read")
    for name in COUNTS:
        table.add_column(name, justify="right")
    for each in imports:
        done = each["progress"]
        bar = ProgressBar(max(done["bytesTotal"], 1), done["bytesRead"], width=16)
        colour = {"done": "green", "failed": "red"}.get(each["state"], "yellow")
        table.add_row(each["key"], f"[{colour}]{each['state']}", bar, *(f"{each['counts'][name]:,}" for name in COUNTS))
    return table


def invoices(items: list[dict[str, Any]]) -> Table:
    names = ("invoiceNumber", "invoiceDate", "supplierName", "grossAmount", "currency", "status")
    return _filled(_table("Invoices: GET /function/invoices?limit=8", *names), items)


def rejects(name: str, text: str) -> Table:
    """A rejects file: the row, and why it was refused."""
    table = _table(f"Rejects file {name}: correct the rows, upload it again", "_row", "_column", "_code", "_message")
    return _filled(table, csv.DictReader(io.StringIO(text)))


def notifications(items: list[dict[str, Any]]) -> Table:
    return _filled(_table("Notifications: GET /function/notifications", "id", "emailTo", "subject", "status"), items)


def mail(message: dict[str, Any]) -> Panel:
    """A message as it arrived."""
    head = Text(f"From:    {message['from']}\nTo:      {message['to']}\nSubject: {message['subject']}\n\n")
    return Panel(Group(head, Text(message["text"].strip())), title="The mail, as it arrived in the inbox")


def webhook(event: dict[str, Any]) -> Panel:
    """A webhook as the receiver got it."""
    return Panel(JSON.from_data(event), title="A mail came back: the webhook that your program gets")


def console() -> Console:
    """Wide enough for the tables also where the output is no terminal."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=140)


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)


def _filled(table: Table, items: Iterable[dict[str, Any]]) -> Table:
    """The table with a row for each item. A column shows the field of its name."""
    for item in items:
        table.add_row(*(Text(item[str(column.header)] or "") for column in table.columns))
    return table
