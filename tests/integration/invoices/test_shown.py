"""What the importer writes, lists show from its bytes: decoding takes twice as long, and nobody would notice."""

from __future__ import annotations

import pytest

from mailroom.invoices.api import schemas as shapes
from mailroom.invoices.views import layout
from mailroom.invoices.views.lists import Queries
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, csv, line


@pytest.mark.parametrize("more", [0, 300], ids=["few", "many"])
def test_whatever_was_imported(bucket: Bucket, services: Services, monkeypatch: pytest.MonkeyPatch, more: int):
    lines = [line(number) for number in range(10 + more)]
    further = HEADER.replace("\n", ",Cost Centre\n") + line("further").replace("\n", ",47 ü\n")
    for key, content in (
        ("new.csv", csv(*lines)),
        ("repeated.csv", csv(*lines)),
        ("changed.csv", csv(line(0, gross="-1190.00"), line(1, status="paid"), line(2, supplier='"Says ""Hi"", Ltd"'))),
        ("further.csv", further.encode()),
    ):
        bucket.submit(key, content)
        bucket.run()
    queries = Queries.of(services.database)
    documents, _ = queries.list_invoices({"limit": "1000"})
    decoded = {
        id_: shapes.invoice(found)
        for id_ in (str(each["_id"]) for each in documents)
        if (found := queries.invoice(id_))
    }
    assert len(decoded) == 12 + more

    monkeypatch.setattr(shapes, "invoice", None)
    assert {one.id: one for one in map(layout.invoice, documents)} == decoded
