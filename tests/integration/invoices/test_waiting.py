"""Why an import waits, told by the API: each situation is made, and nothing of it is pretended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailroom.invoices import app as serving
from mailroom.invoices import worker as working
from mailroom.platform.kick import IMPORTER
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, bucket_with, csv, line
from tests.support.client import Client
from tests.support.commands import RECORDER
from tests.support.ports import free_port

Make = Callable[..., Services]


def client_of(bucket: Bucket) -> Client:
    return Client(serving.create_app(bucket.services), bucket.services.keys.create("read", ["invoices:read"]).text)


def waiting_for(bucket: Bucket, import_id: str) -> Any:
    answer = client_of(bucket).get(f"/imports/{import_id}")
    assert answer.status == 200, answer.body
    return answer.json()["waitingFor"]


def of_object(bucket: Bucket, key: str, **query: str) -> Any:
    answer = client_of(bucket).get("/imports", bucket=bucket.name, key=key, **query)
    assert answer.status == 200, answer.body
    return answer.json().get("waitingFor")


def let_the_importer_be_silent(bucket: Bucket) -> None:
    """As if no call came for ten minutes."""
    workers = bucket.services.database["workers"]
    workers.update_one({"_id": IMPORTER}, [{"$set": {"calledAt": {"$subtract": ["$calledAt", 600_000]}}}])


def test_without_a_worker_an_import_waits_for_one(bucket: Bucket):
    import_id = bucket.submit("may.csv", csv(line(1)))
    waiting = waiting_for(bucket, import_id)
    assert (waiting["code"], waiting["since"]) == ("worker", None)
    assert "invoice-importer was never called" in waiting["text"]

    bucket.run()
    assert waiting_for(bucket, import_id) is None

    let_the_importer_be_silent(bucket)
    waiting = waiting_for(bucket, bucket.submit("june.csv", csv(line(2))))
    assert waiting["code"] == "worker"
    assert waiting["text"].startswith("No invoice-importer was called since 20")
    assert waiting["since"]


def test_an_import_waits_for_its_turn(bucket: Bucket):
    bucket.run()
    imports = [bucket.submit(f"{number}.csv", csv(line(number))) for number in range(3)]
    told = [waiting_for(bucket, each) for each in imports]
    assert [each["code"] for each in told] == ["turn"] * 3
    assert "the next import" in told[0]["text"]
    assert "behind 2 other imports" in told[2]["text"]


def test_an_import_that_a_worker_has_tells_until_when(bucket: Bucket):
    import_id = bucket.submit("may.csv", csv(line(1)))
    job = bucket.ledger.claim()
    assert job is not None
    waiting = waiting_for(bucket, import_id)
    assert waiting["code"] == "lease"
    assert f"{job.leased_at + bucket.ledger.lease:%H:%M:%S} UTC" in waiting["text"]


def test_a_missing_secret_is_named(bucket: Bucket):
    import_id, behind = bucket.submit("may.csv", csv(line(1))), bucket.submit("june.csv", csv(line(2)))
    (bucket.services.settings.secrets_dir / "mailroom-s3-secret-key").write_text("")
    assert working.create_worker(Services(bucket.services.settings))()["statusCode"] == 503
    waiting = waiting_for(bucket, import_id)
    assert waiting["code"] == "secret"
    assert "the secret mailroom-s3-secret-key is missing or empty;" in waiting["text"]
    assert str(bucket.services.settings.secrets_dir) not in waiting["text"]

    also = waiting_for(bucket, behind)
    assert (also["code"], "failed: the secret mailroom-s3-secret-key" in also["text"]) == ("secret", True)


def test_an_object_store_that_is_down_is_named_until_it_is_back(bucket: Bucket, make_services: Make):
    import_id = bucket.submit("may.csv", csv(line(1)))
    away = make_services(s3_endpoint=f"http://127.0.0.1:{free_port()}", s3_timeout_seconds=0.5)
    importer = working.create_worker(away)
    assert importer()["statusCode"] == 503
    waiting = waiting_for(bucket, import_id)
    assert waiting["code"] == "server"
    assert "The last attempt was put off: the object store" in waiting["text"]

    assert [each["_id"] for each in bucket.services.database["workers"].find({"failure.code": "server"})] == [IMPORTER]
    bucket.services.database["imports"].update_many({}, {"$unset": {"dueAt": ""}})
    importer()
    noted = bucket.services.database["workers"].find_one({"_id": IMPORTER})
    assert noted is not None
    assert "failure" not in noted


def test_a_set_up_that_is_older_than_the_code_is_told(bucket: Bucket):
    bucket.run()
    import_id = bucket.submit("may.csv", csv(line(1)))
    workers = bucket.services.database["workers"]
    workers.update_one({"_id": "setup"}, {"$pull": {"indexes.imports": "due"}})
    waiting = waiting_for(bucket, import_id)
    assert (waiting["code"], "python -m mailroom setup" in waiting["text"]) == ("setup", True)
    assert waiting["since"]

    workers.delete_one({"_id": "setup"})  # a set-up of a version that made no note
    waiting = waiting_for(bucket, import_id)
    assert (waiting["code"], waiting["since"]) == ("setup", None)


@pytest.mark.minio
def test_an_object_whose_event_never_came_is_told_by_its_name(bucket: Bucket):
    bucket.run()
    version = bucket.put("may.csv", csv(line(1)))
    told = of_object(bucket, "may.csv")
    assert (told["code"], "its event is still under way" in told["text"]) == ("event", True)
    assert of_object(bucket, "may.csv", versionId=version)["code"] == "event"

    assert of_object(bucket, "gone.csv") == {"code": "object", "text": "The bucket has no such object.", "since": None}
    bucket.compare()
    assert of_object(bucket, "may.csv", versionId=version) is None
    assert of_object(bucket, "may.csv", state="failed") is None  # what is asked for is not the object


def test_without_events_an_object_waits_for_the_list(make_services: Make):
    bucket = bucket_with(make_services, events="poll")
    bucket.put("may.csv", csv(line(1)))
    told = of_object(bucket, "may.csv")
    assert (told["code"], "EVENTS=poll" in told["text"]) == ("event", True)
    assert told["since"]


def test_without_the_object_store_the_list_still_answers(bucket: Bucket, make_services: Make):
    away = make_services(s3_endpoint=f"http://127.0.0.1:{free_port()}", s3_timeout_seconds=0.5)
    client = Client(serving.create_app(away), bucket.services.keys.create("read", ["invoices:read"]).text)
    told = client.get("/imports", bucket=bucket.name, key="may.csv").json()
    assert (told["items"], told["waitingFor"]["code"]) == ([], "server")


def test_other_lists_cost_no_question_to_the_object_store(bucket: Bucket):
    bucket.submit("may.csv", csv(line(1)))
    client = client_of(bucket)
    for query in ({}, {"key": "may.csv"}, {"state": "done"}, {"bucket": "another", "key": "x.csv"}):
        assert "waitingFor" not in client.get("/imports", **query).json(), query


def test_to_ask_costs_few_queries(bucket: Bucket):
    ended = str(bucket.import_("may.csv", csv(line(1)))["_id"])
    client, import_id = client_of(bucket), bucket.submit("june.csv", csv(line(2)))
    with RECORDER.of("invoices") as used:
        assert client.get(f"/imports/{import_id}").json()["waitingFor"]["code"] == "turn"
    assert used - {("apiKeys", "find")} == {("imports", "find"), ("workers", "find")}
    with RECORDER.of("invoices") as used:
        assert client.get(f"/imports/{ended}").json()["waitingFor"] is None
    assert ("workers", "find") not in used


def test_a_cancelled_import_waits_for_nothing(bucket: Bucket):
    import_id = bucket.submit("may.csv", csv(line(1)))
    [job] = bucket.services.database["imports"].find()
    serving._context(bucket.services).actions.cancel(job["_id"])
    assert waiting_for(bucket, import_id) is None
