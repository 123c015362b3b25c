"""Answers of the APIs about invoices and keys, as the console gets them."""

from __future__ import annotations

from typing import Any

INVOICE_ID, IMPORT_ID, OTHER_IMPORT_ID, KEY_ID = "a" * 24, "1" * 24, "2" * 24, "c" * 24
AT = "2024-05-31T10:00:00.000Z"


def invoice(number: str = "RE-1", **members: Any) -> dict[str, Any]:
    return {
        "id": INVOICE_ID,
        "invoiceNumber": number,
        "invoiceDate": "2024-05-02",
        "grossAmount": "1190.00",
        "netAmount": "1000.00",
        "vatAmount": "190.00",
        "supplierName": "Acme GmbH",
        "supplierAddress": "Hauptstraße 1, 10115 Berlin",
        "currency": "EUR",
        "status": "open",
        "extra": {},
        "derived": ["vatAmount"],
        "lines": [],
        "source": {"importId": IMPORT_ID, "row": 12, "offset": 800, "outcome": "inserted"},
        "edited": None,
        "insertedBy": IMPORT_ID,
        "changedBy": IMPORT_ID,
        "createdAt": AT,
        "updatedAt": AT,
    } | members


def total(currency: str = "EUR", **members: Any) -> dict[str, Any]:
    amounts = {"grossAmount": "12345.60", "netAmount": "10374.45", "vatAmount": "1971.15"}
    return {"currency": currency, "count": 1042, **amounts} | members


def source(text: str = "RE-1;02.05.2024;1.190,00", **members: Any) -> dict[str, Any]:
    return {
        "importId": IMPORT_ID,
        "bucket": "invoices",
        "key": "acme/mai.csv",
        "versionId": "v1",
        "row": 12,
        "text": text,
        "columns": [
            {"key": "Nr", "name": "Nr", "target": "invoiceNumber"},
            {"key": "Filiale", "name": "Filiale", "target": None},
        ],
        "cells": {"Nr": "RE-1", "Filiale": "Nord"},
    } | members


def key(name: str = "ledger", **members: Any) -> dict[str, Any]:
    return {
        "id": KEY_ID,
        "name": name,
        "scopes": ["invoices:read", "keys:manage"],
        "senders": [],
        "state": "valid",
        "createdAt": AT,
        "createdBy": None,
        "expiresAt": None,
        "revokedAt": None,
        "parent": None,
        "idleExpiresAt": None,
    } | members


def check(name: str, healthy: bool = True, **members: Any) -> dict[str, Any]:
    return {"name": name, "healthy": healthy, "code": None, "text": f"{name} is well.", "since": None} | members
