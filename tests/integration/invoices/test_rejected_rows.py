"""Rejected rows as JSON, and their file through the API."""

from __future__ import annotations

import pytest

from mailroom.invoices.app import create_app
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, csv, line
from tests.support.client import Client

BAD = line(2).replace("119.00", "oops")


@pytest.fixture
def client(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


def test_rejected_rows_are_listed_cell_by_cell_with_their_reasons(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD, line(3).replace("EUR", "EUX")))

    found = client.get(f"/imports/{job['_id']}/rejects").json()

    assert [each["key"] for each in found["columns"]] == HEADER.strip().split(",")
    assert found["columns"][0] == {"key": "invoiceNumber", "name": "invoiceNumber", "target": "invoiceNumber"}
    first, second = found["items"]
    assert (first["row"], first["invoiceRow"], first["text"]) == (2, 2, BAD.strip())
    assert first["cells"]["grossAmount"] == "oops"
    assert [(each["column"], each["code"]) for each in first["errors"]] == [("grossAmount", "amount.not_a_number")]
    assert (second["row"], second["cells"]["currency"]) == (3, "EUX")
    assert (found["rejected"], found["omitted"], found["nextCursor"]) == (2, 0, None)


def test_pages_of_rejected_rows_hold_each_row_once(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(0), *(line(n, gross="x") for n in range(1, 8))))
    path, cursor, rows = f"/imports/{job['_id']}/rejects", "", []
    for count in (3, 3, 1):
        page = client.get(path, limit="3", **({"cursor": cursor} if cursor else {})).json()
        assert len(page["items"]) == count
        rows += [each["row"] for each in page["items"]]
        cursor = page["nextCursor"]
    assert rows == list(range(2, 9))
    assert cursor is None
    assert client.get(path, cursor="x").json()["code"] == "cursor.invalid"


def test_a_page_of_long_rows_ends_early(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(0), *(line(n, gross="x", supplier="y" * 100_000) for n in range(1, 41))))
    page = client.get(f"/imports/{job['_id']}/rejects").json()
    assert 1 <= len(page["items"]) < 40
    rest = client.get(f"/imports/{job['_id']}/rejects", cursor=page["nextCursor"]).json()
    assert rest["items"][0]["row"] == page["items"][-1]["row"] + 1


def test_a_row_of_which_no_cell_is_sure_has_no_cells(bucket: Bucket, client: Client) -> None:
    short = line(2).replace(",EUR,open", "")
    job = bucket.import_("may.csv", csv(line(1), short, '"A"b,c\n'))
    items = client.get(f"/imports/{job['_id']}/rejects").json()["items"]
    assert [each["cells"] for each in items] == [None, None]
    assert items[0]["text"] == short.strip()


def test_repeated_and_missing_names_of_columns_have_keys_of_their_own(bucket: Bucket, client: Client) -> None:
    header = HEADER.strip() + ",Note,Note,,Note (2)\n"
    job = bucket.import_("may.csv", (header + line(1).strip() + ",a,b,,c\n" + BAD.strip() + ",a,b,,c\n").encode())
    found = client.get(f"/imports/{job['_id']}/rejects").json()
    keys = [each["key"] for each in found["columns"]]
    assert len(set(keys)) == len(keys) == 13
    assert [found["items"][0]["cells"][key] for key in keys[9:]] == ["a", "b", "", "c"]


def test_a_corrected_rejects_file_that_is_rejected_again_shows_no_columns_of_ours(
    bucket: Bucket, client: Client
) -> None:
    first = bucket.import_("may.csv", csv(line(1), BAD))
    again = bucket.import_("again.csv", bucket.rejects(first["rejects"]["key"]) + b"")
    found = client.get(f"/imports/{again['_id']}/rejects").json()
    assert [each["key"] for each in found["columns"]] == HEADER.strip().split(",")
    assert found["items"][0]["cells"]["grossAmount"] == "oops"


def test_rows_that_are_not_kept_are_counted(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD, line(3, gross="x")))
    bucket.services.database["rejects"].delete_one({"importId": job["_id"]})
    found = client.get(f"/imports/{job['_id']}/rejects").json()
    assert (len(found["items"]), found["rejected"], found["omitted"]) == (1, 2, 1)


def test_an_import_of_which_nothing_was_read_has_none(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", b"")
    assert client.get(f"/imports/{job['_id']}/rejects").json()["items"] == []
    assert client.get(f"/imports/{'a' * 24}/rejects").json()["code"] == "import.not_found"


def test_the_file_of_rejected_rows_is_downloaded_as_it_is(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    answer = client.get(f"/imports/{job['_id']}/rejects.csv")
    assert answer.status == 200
    assert answer.body == bucket.rejects(job["rejects"]["key"])
    assert "attachment" in answer.headers["Content-Disposition"]
    good = bucket.import_("june.csv", csv(line(9)))
    assert client.get(f"/imports/{good['_id']}/rejects.csv").json()["code"] == "rejects.none"
    bucket.services.objects.client.remove_object(job["rejects"]["bucket"], job["rejects"]["key"])
    assert client.get(f"/imports/{job['_id']}/rejects.csv").json()["code"] == "rejects.none"
