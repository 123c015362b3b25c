"""What the tests of the APIs use: invoices that are simply there, and a caller with a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId

from mailroom.deploy.setup import INDEXES
from mailroom.invoices.api.invoices import InvoicesApi
from mailroom.invoices.files import Invoice
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.identity import order
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.views.lists import Queries
from mailroom.services import Services
from mailroom.web.api import Api, Policy
from tests.integration.invoices.files import Call

IMPORT = ObjectId("a" * 24)
UPLOADED_MS = 1_700_000_000_000  # when the file with the invoices was uploaded
CREATED = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """A program with a key. It speaks to the function's handler as the template does."""

    api: Api
    key: str
    key_id: str = ""

    def call(
        self,
        method: str,
        path: str = "/",
        body: Any = b"",
        query: Any = None,
        headers: dict[str, str] | None = None,
        context: object = None,
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = ({"Authorization": f"Bearer {self.key}"} if self.key else {}) | (headers or {})
        answer = self.api(Call(method, path, raw, query or {}, sent), context)
        content = answer["body"]
        return Answer(
            answer["statusCode"], answer["headers"], content if isinstance(content, bytes) else b"".join(content)
        )

    def get(self, path: str = "/", headers: dict[str, str] | None = None, **query: str) -> Answer:
        return self.call("GET", path, query=query, headers=headers)


@pytest.fixture
def indexed(make_services: Callable[..., Services]) -> Services:
    """Services whose collections have their indexes. No bucket is made."""
    services = make_services()
    for name, wanted in INDEXES.items():
        services.database[name].create_indexes(wanted)
    return services


@pytest.fixture
def make_client(indexed: Services) -> Callable[..., Client]:
    """Makes a client of `invoices` whose API has this policy and these statuses."""

    def make(
        policy: Policy | None = None, statuses: frozenset[str] = frozenset(), most_seconds: float = 40.0
    ) -> Client:
        key = indexed.keys.create("test", ["invoices:read", "invoices:write"])
        endpoints = InvoicesApi(
            queries=Queries.of(indexed.database),
            ledger=Ledger.of(indexed.database, indexed.settings),
            objects=indexed.objects,
            kicker=indexed.kicker,
            bucket=indexed.settings.invoices_bucket,
            most_seconds=most_seconds,
            statuses=Statuses(statuses),
        )
        return Client(endpoints.routes(indexed.keys.authenticate, policy), key.text, key.id)

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
    """An invoice as an import would have left it."""
    amount = Decimal(gross)
    content = content_of(
        Invoice(
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
    """Stores invoices; their ids."""

    def put(*documents: dict[str, Any]) -> list[str]:
        return [str(id_) for id_ in indexed.database["invoices"].insert_many(documents).inserted_ids]

    return put
