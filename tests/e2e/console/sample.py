"""Answers of the APIs for pages to show, with names that try to be scripts."""

from __future__ import annotations

from typing import Any

from tests.support import mail_sample
from tests.support.console_answers import IMPORT_ID, INVOICE_ID, KEY_ID, check, invoice, key, source, total
from tests.support.fake_api import FakeApi

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
FILE = "f" * 24
COMPUTED = "2024-05-31T10:00:00.000Z"


def an_import(number: int, key: str, state: str = "done", rejected: int = 0, error: str = "") -> dict[str, Any]:
    counts = {
        "inserted": 1234 - rejected,
        "updated": 0,
        "unchanged": 0,
        "stale": 0,
        "rejected": rejected,
        "setApart": 0,
    }
    return {
        "id": f"{number:024x}",
        "state": state,
        "bucket": "invoices",
        "key": key,
        "versionId": "v1",
        "counts": {"rows": 1234, **counts},
        "progress": {"bytesRead": 10, "bytesTotal": 10},
        "error": {"code": "file.unreadable", "message": error} if error else None,
        "rejects": None,
        "dryRun": number == 3,
        "dialect": None,
        "preset": None,
        "createdAt": f"2024-05-{number:02}T08:30:00.000Z",
        "startedAt": None,
        "finishedAt": None,
        "updatedAt": COMPUTED,
    }


IMPORTS = [
    an_import(1, "acme/rechnungen-mai.csv"),
    an_import(2, "acme/rechnungen-april.xlsx", rejected=17),
    an_import(3, "globex/2024/05/export_with_a_long_name_that_does_not_want_to_break_anywhere_at_all.csv", "running"),
    an_import(4, f"evil/{HOSTILE}.csv", "failed", error=f"the file is not a table: {HOSTILE}"),
    an_import(5, "acme/cancelled.csv", "cancelled"),
]


def fill(api: FakeApi) -> None:
    """Sets an answer for every call of the overview and the lists."""
    rows = {
        "rows": 48231,
        "inserted": 48000,
        "updated": 100,
        "unchanged": 100,
        "stale": 0,
        "rejected": 31,
        "setApart": 0,
    }
    figures = {"days": 30, "files": 128, "states": {"done": 127}, "rows": rows, "rejected": 31, "computedAt": COMPUTED}
    api.answer("GET invoices/figures/imports", figures)
    waiting = IMPORTS[2] | {
        "waitingFor": {"code": "worker", "text": f"A worker must become free {HOSTILE}.", "since": None}
    }
    api.answer("GET invoices/figures/waiting", {"waiting": 2, "oldest": waiting, "computedAt": COMPUTED})
    months = [
        {"month": f"2024-{month:02}", "currency": currency, "count": 40 * month, "total": f"{total * month}.50"}
        for month in range(1, 13)
        for currency, total in (("EUR", 8123), ("USD", 911))
    ]
    api.answer("GET invoices/figures/invoices", {"items": months, "computedAt": COMPUTED})
    counts = {"queued": 3, "sending": 0, "sent": 1204, "failed": 2, "unknown": 0}
    oldest = {
        "id": "a" * 24,
        "since": COMPUTED,
        "waitingFor": {"code": "relay", "text": "The relay is down.", "since": None},
    }
    api.answer(
        "GET notifications/figures/messages",
        {"counts": counts, "mostCounted": 1204, "oldestWaiting": oldest, "computedAt": COMPUTED},
    )
    api.answer("GET invoices/imports", {"items": IMPORTS, "nextCursor": "next"})
    mail = {"id": "b" * 24, "subject": HOSTILE, "status": "failed", "createdAt": COMPUTED, "error": None}
    api.answer("GET notifications", {"items": [mail], "nextCursor": None})
    fill_file(api)
    fill_invoices(api)
    fill_keys(api)


def fill_invoices(api: FakeApi) -> None:
    lines = [
        {"number": "1", "text": f"Schrauben {HOSTILE}", "quantity": "100", "net": "800.00", "rate": "19"},
        {"number": "", "text": "", "quantity": "", "net": None, "rate": ""},
    ]
    items = [
        invoice("RE-2024-0001"),
        invoice(HOSTILE, supplierName=f"Evil {HOSTILE}", status="", id="b" * 24),
        invoice("G-7", grossAmount="-1234567.89", currency="USD", status="paid", id="c" * 24),
    ]
    api.answer("GET invoices/", {"items": items, "nextCursor": "next"})
    totals = [total(month="2024-05"), total("USD", count=3, grossAmount="-1234567.89", month="2024-05")]
    api.answer("GET invoices/totals", {"items": totals, "nextCursor": None})
    one = invoice("RE-2024-0001", lines=lines, extra={"Kostenstelle": "4711", HOSTILE: HOSTILE})
    api.answer(f"GET invoices/{INVOICE_ID}", one, ETag='"seen"')
    api.answer("GET invoices/statuses", {"allowed": ["open", "paid", "disputed"]})
    api.answer(f"GET invoices/imports/{IMPORT_ID}", IMPORTS[0])
    api.answer(f"GET invoices/{INVOICE_ID}/source", source(f"RE-2024-0001;02.05.2024;1.190,00;{HOSTILE}"))


def fill_keys(api: FakeApi) -> None:
    api.scopes += ["keys:manage", "operations:read", "templates:read"]
    items = [
        key("ledger of Acme", senders=["*@shop.example"], expiresAt="2031-01-31T12:00:00.000Z"),
        key(HOSTILE, state="revoked", revokedAt=COMPUTED),
        key("old", state="expired", expiresAt=COMPUTED, scopes=["invoices:read", "invoices:write", "templates:read"]),
    ]
    api.answer("GET invoices/keys", {"items": items, "nextCursor": None})
    api.answer(f"GET invoices/keys/{KEY_ID}", items[0] | {"openSessions": 2, "current": False})
    fault = {"code": "relay", "text": f"The relay does not answer {HOSTILE}.", "since": COMPUTED}
    names = ("setup", "invoice-importer", "webhook-sender", "imports", "bucket")
    checks = [check("notification-sender", False, **fault), *map(check, names)]
    api.answer("GET invoices/health", {"healthy": False, "checks": checks, "computedAt": COMPUTED})


def fill_mail(api: FakeApi) -> None:
    """Sets an answer for every call of the pages of mail."""
    api.scopes.append("notifications:erase")
    newest = [
        mail_sample.item("queued"),
        mail_sample.item("failed", HOSTILE, "c" * 24),
        mail_sample.item("sent", "A subject that is long and has many words, so that it needs a second line", "d" * 24),
    ]
    api.answer("GET notifications", {"items": newest, "nextCursor": "next"})
    html = "<h1>Hello Anna</h1><p>Here is your <b>invoice</b> of May.</p>"
    api.answer(f"GET notifications/{mail_sample.ID}", mail_sample.message(html=html))
    content = {"html": html, "source": "Subject: Your invoice\r\n\r\nHello Anna"}
    api.answer(f"GET notifications/{mail_sample.ID}/content", content)
    entry = {"address": "anna@example.com", "topic": "news", "reason": HOSTILE, "notificationId": mail_sample.ID}
    entries = [entry | {"createdAt": COMPUTED}, entry | {"topic": None, "createdAt": COMPUTED}]
    api.answer("GET notifications/suppressions", {"items": entries, "nextCursor": None})
    api.answer("GET notifications/templates", {"items": [{"name": "invoice"}, {"name": HOSTILE}], "nextCursor": None})


def fill_file(api: FakeApi) -> None:
    """Sets the answers for the pages of one file, whose cells and names try to be scripts."""
    dialect = {"encoding": "utf-8", "delimiter": ";", "decimalMark": ",", "dateOrder": "dmy", "hasHeader": True}
    found = IMPORTS[1] | {"key": f"evil/{HOSTILE}.csv", "waitingFor": None, "dialect": dialect}
    api.answer(f"GET invoices/imports/{FILE}", found | {"id": FILE})
    fault = {"column": "invoiceDate", "code": "date.invalid", "message": HOSTILE}
    columns = [{"key": HOSTILE, "name": HOSTILE, "target": "invoiceDate"}, {"key": "b", "name": "b", "target": None}]
    rows = [
        {"row": 1, "invoiceRow": 1, "text": HOSTILE, "cells": {HOSTILE: HOSTILE, "b": "a\nb"}, "errors": [fault]},
        {"row": 2, "invoiceRow": 2, "text": HOSTILE, "cells": None, "errors": [fault]},
    ]
    page = {"columns": columns, "items": rows, "nextCursor": "next", "rejected": 17, "omitted": 1}
    api.answer(f"GET invoices/imports/{FILE}/rejects", page)
    api.answer(f"GET invoices/imports/{FILE}/undo", {"deletes": 1217, "leaves": 17})
    version = {"versionId": "v1", "modifiedAt": COMPUTED, "size": 123456, "present": False, "imports": IMPORTS[:2]}
    api.answer(f"GET invoices/imports/{FILE}/versions", {"bucket": "invoices", "key": HOSTILE, "items": [version]})
    form = {"url": "http://127.0.0.1:9/invoices", "fields": {"policy": HOSTILE}, "keyPrefix": "", "expiresAt": COMPUTED}
    api.answer("POST invoices/uploads", form, 201)
    mapping = [{"name": HOSTILE, "target": "invoiceDate", "confidence": 0.6, "reason": "values"}]
    refused = {"row": 1, "invoice": None, "errors": [fault], "setApart": False}
    preview = {
        "bucket": "invoices",
        "key": HOSTILE,
        "versionId": "v1",
        "preset": {"name": "acme", "version": 2},
        "error": {"code": "header.missing_column", "message": HOSTILE, "column": None},
        "dialect": dialect,
        "header": None,
        "rows": [refused, refused | {"setApart": True}],
        "mapping": mapping,
        "missing": [{"column": "invoiceNumber", "advice": ""}],
        "estimated": {"rows": 20, "rejected": 1},
    }
    api.answer("POST invoices/preview", preview)
