"""For the tests of the APIs: stored invoices, and a caller with a key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId

from mailroom.deploy.setup import INDEXES
from mailroom.invoices.app import create_app
from mailroom.invoices.model.columns import ParsedInvoice
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.identity import order
from mailroom.services import Services
from mailroom.web.rate_limit import RateLimit
from tests.support.client import Client

IMPORT = ObjectId("a" * 24)
UPLOADED_MS = 1_700_000_000_000  # when the file with the invoices was uploaded
CREATED = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def indexed(make_services: Callable[..., Services]) -> Services:
    """Services whose collections have their indexes. No bucket is made."""
    services = make_services()
    for name, wanted in INDEXES.items():
        services.database[name].create_indexes(wanted)
    return services


@pytest.fixture
def make_client(indexed: Services, make_services: Callable[..., Services]) -> Callable[..., Client]:
    """Makes a client of `invoices` with these settings."""

    def make(rate_limit: RateLimit | None = None, **settings: object) -> Client:
        key = indexed.keys.create("test", ["invoices:read", "invoices:write"])
        services = make_services(**settings)
        return Client(create_app(services, rate_limit), key.text, key.id)

    return make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


def document(
    number: str,
    *,
    day: str = "2024-01-31",
    gross: str = "119.00",
    supplier: str = "Acme GmbH",
    currency: str = "EUR",
    status: str = "open",
) -> dict[str, Any]:
    """An invoice as an import stores it."""
    amount = Decimal(gross)
    content = content_of(
        ParsedInvoice(
            number, date.fromisoformat(day), amount, amount - 19, Decimal("19.00"), supplier, "1 Example Street",
            currency, status, {},
        )
    )  # fmt: skip
    return content | {
        "order": order(UPLOADED_MS, "v1", 100),
        "source": {"importId": IMPORT, "offset": 100, "row": 1, "outcome": "inserted"},
        "insertedBy": IMPORT,
        "changedBy": IMPORT,
        "createdAt": CREATED,
        "updatedAt": CREATED,
    }


@pytest.fixture
def put(indexed: Services) -> Callable[..., list[str]]:
    """Stores invoices. Returns their ids."""

    def put(*documents: dict[str, Any]) -> list[str]:
        return [str(id_) for id_ in indexed.database["invoices"].insert_many(documents).inserted_ids]

    return put
