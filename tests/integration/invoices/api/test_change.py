"""PATCH of an invoice: nothing is overwritten unseen, and older files do not undo it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from mailroom.invoices.model.edits import edit
from mailroom.invoices.model.identity import order
from mailroom.invoices.model.merge import Row, merge
from mailroom.platform.clock import to_milliseconds
from mailroom.services import Services
from tests.integration.conftest import CREATED, IMPORT, UPLOADED_MS, document
from tests.support.client import Answer, Client


def change(client: Client, id_: str, status: object, if_match: str | None) -> Answer:
    headers = {} if if_match is None else {"If-Match": if_match}
    return client.call("PATCH", f"/{id_}", {"status": status}, headers=headers)


def test_an_etag_allows_one_change(client: Client, put):
    [id_] = put(document("1"))
    tag = client.get(f"/{id_}").headers["ETag"]

    changed = change(client, id_, "paid", tag)

    assert changed.status == 200
    assert changed.json() == client.get(f"/{id_}").json()
    assert changed.headers["ETag"] == client.get(f"/{id_}").headers["ETag"] != tag
    assert change(client, id_, "open", tag).status == 412
    assert client.get(f"/{id_}").json()["status"] == "paid"


def test_a_change_is_listed_and_names_its_key(client: Client, put, indexed: Services):
    [id_] = put(document("1"))
    indexed.database["imports"].insert_one({"_id": IMPORT, "startedAt": CREATED})
    assert [each["id"] for each in client.get("/", importId=str(IMPORT)).json()["items"]] == [id_]
    change(client, id_, "paid", "*")
    invoice = client.get("/", status="paid").json()["items"][0]
    assert client.get("/", status="open").json()["items"] == []
    assert (invoice["changedBy"], invoice["edited"]["keyId"]) == (client.key_id, client.key_id)
    assert invoice["insertedBy"] == invoice["source"]["importId"] == str(IMPORT)
    assert invoice["updatedAt"] == invoice["edited"]["at"] > invoice["createdAt"]
    assert client.get("/", status="paid").json()["items"] == [client.get(f"/{id_}").json()]
    # Others changed the invoice too, so undoing the import leaves it.
    assert client.get("/", importId=str(IMPORT)).json()["items"] == []


def row(modified_ms: int, status: str) -> Row:
    return Row(0, 1, order(modified_ms, "v9", 0), document("1", status=status))


def test_a_file_from_before_does_not_change_it_back_and_one_from_after_does(client: Client, put, indexed: Services):
    [id_] = put(document("1"))
    change(client, id_, "paid", "*")
    stored = indexed.database["invoices"].find_one({"_id": ObjectId(id_)})
    now = datetime.now(UTC)

    older = merge(stored, [row(UPLOADED_MS + 1000, "open")], ObjectId(), 0, now)
    newer = merge(stored, [row(to_milliseconds(now) + 60_000, "open")], ObjectId(), 0, now)

    assert list(older.outcomes.values()) == ["stale"]
    assert list(newer.outcomes.values()) == ["updated"]
    assert newer.document is not None
    assert newer.document["status"] == "open"


def test_a_file_that_says_the_same_as_the_change_leaves_it_the_callers(client: Client, put, indexed: Services):
    [id_] = put(document("1"))
    change(client, id_, "paid", "*")
    stored = indexed.database["invoices"].find_one({"_id": ObjectId(id_)})
    now = datetime.now(UTC)

    merged = merge(stored, [row(to_milliseconds(now) + 60_000, "paid")], ObjectId(), 0, now)

    assert list(merged.outcomes.values()) == ["unchanged"]
    assert merged.document is not None
    assert merged.document["changedBy"] == ObjectId(client.key_id)


def test_the_order_advances_though_the_object_store_has_a_fast_clock(client: Client, put, indexed: Services):
    ahead = order(to_milliseconds(datetime.now(UTC)) + 3_600_000, "v1", 0)
    [id_] = put(document("1") | {"order": ahead})
    assert change(client, id_, "paid", "*").status == 200
    assert indexed.database["invoices"].find_one()["order"] > ahead


def test_two_invoices_that_one_key_changes_at_once_have_each_an_order_of_its_own():
    """With equal orders an import could take one change for the other and lose one."""
    key, now = ObjectId(), datetime.now(UTC)
    one, other = (document(number) | {"_id": ObjectId()} for number in ("1", "2"))
    assert edit(one, "paid", key, now)["order"] != edit(other, "paid", key, now)["order"]


def test_one_of_many_concurrent_changes_wins(client: Client, put):
    [id_] = put(document("1"))
    tag = client.get(f"/{id_}").headers["ETag"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: change(client, id_, f"by {n}", tag), range(16)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 15
    [won] = [answer for answer in answers if answer.status == 200]
    assert client.get(f"/{id_}").json() == won.json()


def test_the_etag_of_a_compressed_answer_is_accepted(client: Client, put):
    long_name = "A" * 300
    [id_] = put(document("1", supplier=long_name) | {"supplierAddress": "B" * 900})
    tag = client.get(f"/{id_}", headers={"Accept-Encoding": "gzip"}).headers["ETag"]
    assert tag.endswith('-gzip"')
    assert change(client, id_, "paid", tag).status == 200


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        (None, 428),
        ('"nonsense"', 412),
        ("", 412),
        ("W/{tag}", 412),  # a weak tag does not promise the same bytes
        ('"other", {tag}', 200),
        ("*", 200),
    ],
)
def test_a_change_without_or_with_an_old_etag_is_refused(client: Client, put, if_match: str | None, status: int):
    [id_] = put(document("1"))
    tag = client.get(f"/{id_}").headers["ETag"]
    assert change(client, id_, "paid", if_match and if_match.format(tag=tag)).status == status


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, None),
        ({}, 422, "status"),
        ({"status": 1}, 422, "status"),
        ({"status": {"$gt": ""}}, 422, "status"),
        ({"status": "x" * 51}, 422, "status"),
        ({"status": "a\x00b"}, 422, "status"),
        ({"status": ""}, 422, "status"),
        ({"status": " \u00a0"}, 422, "status"),
        ({"status": "pa\u202eid"}, 422, "status"),
        ({"status": "pa\u200bid"}, 422, "status"),
        ({"status": "paid", "grossAmount": "1.00"}, 422, "grossAmount"),
    ],
)
def test_a_wrong_body_is_refused_by_name(client: Client, put, body: object, status: int, field: str | None):
    [id_] = put(document("1"))
    answer = client.call("PATCH", f"/{id_}", body, headers={"If-Match": "*"})
    assert (answer.status, answer.json().get("field")) == (status, field)
    assert client.get(f"/{id_}").json()["status"] == "open"


def test_only_allowed_statuses_are_accepted_and_take_the_spelling_of_the_setting(make_client, put):
    client = make_client(import_statuses="Open,Paid")
    [id_] = put(document("1"))
    assert change(client, id_, "settled", "*").json()["code"] == "status.unknown"
    assert change(client, id_, " pAID ", "*").json()["status"] == "Paid"


def test_a_change_of_an_unknown_invoice_is_404(client: Client):
    assert change(client, "0" * 24, "paid", "*").status == 404
    assert change(client, "x", "paid", "*").status == 404


@pytest.mark.parametrize(("setting", "allowed"), [("", []), ("Paid, Open", ["Open", "Paid"])])
def test_the_statuses_to_choose_from_are_those_that_are_taken(
    make_client: Callable[..., Client], setting: str, allowed: list[str]
):
    assert make_client(import_statuses=setting).get("/statuses").json() == {"allowed": allowed}
