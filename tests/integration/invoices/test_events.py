"""MinIO's webhook: the token, one effect for any number of deliveries, and nothing that blocks the queue."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.invoices.files import Bucket, counts, csv, line

GOLDEN = Path(__file__).parents[2] / "unit" / "events" / "golden" / "put.json"


def event(bucket: Bucket, key: str, version_id: str) -> bytes:
    """The event that MinIO sends for that version."""
    version = bucket.services.objects.find(bucket.name, key, version_id)
    document = json.loads(GOLDEN.read_text())
    (record,) = document["Records"]
    record["s3"]["bucket"]["name"] = bucket.name
    record["s3"]["object"] |= {
        "key": key,
        "size": version.size,
        "eTag": version.etag,
        "versionId": version_id,
        "sequencer": f"{version.modified_ms * 1_000_000:X}",
    }
    return json.dumps(document).encode()


def test_an_event_delivered_32_times_at_once_has_one_effect(bucket: Bucket):
    body = event(bucket, "may.csv", bucket.put("may.csv", csv(line(1), line(2))))

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: bucket.webhook(body), range(32)))

    assert {answer["statusCode"] for answer in answers} == {200}
    told = [answer["body"]["imports"][0] for answer in answers]
    assert len({each["id"] for each in told}) == 1
    assert sum(each["new"] for each in told) == 1
    bucket.run()
    assert counts(bucket.job(told[0]["id"])) == (2, 2, 0, 0, 0, 0)
    bucket.webhook(body)
    assert bucket.run()["body"] == {"done": 0}


def test_the_job_is_written_before_the_answer(bucket: Bucket):
    answer = bucket.webhook(event(bucket, "may.csv", bucket.put("may.csv", csv(line(1)))))
    import_id = answer["body"]["imports"][0]["id"]
    assert bucket.job(import_id)["state"] == "pending"


@pytest.mark.parametrize("token", ["", "wrong", "the-toke"])
def test_a_wrong_token_is_refused(bucket: Bucket, token: str):
    answer = bucket.webhook(b"{}", token)
    assert answer["statusCode"] == 401
    assert answer["body"]["code"] == "auth.webhook_token"


def test_two_tokens_are_valid_while_they_are_rotated(bucket: Bucket):
    (bucket.services.settings.secrets_dir / "mailroom-webhook-token").write_text("new-token\nthe-token\n")
    for token in ("the-token", "new-token"):
        assert bucket.webhook(b'{"Records": []}', token)["statusCode"] == 200
    assert bucket.webhook(b'{"Records": []}', "other")["statusCode"] == 401


def test_a_body_that_is_not_json_is_a_clear_error(bucket: Bucket):
    answer = bucket.webhook(b"no json")
    assert answer["statusCode"] == 400
    assert answer["body"]["code"] == "event.invalid"


def test_a_record_that_is_not_understood_does_not_block_the_queue(bucket: Bucket):
    answer = bucket.webhook(b'{"Records": [{"eventName": "s3:ObjectCreated:Put"}]}')
    assert answer["statusCode"] == 200
    assert answer["body"]["imports"] == []
    assert len(answer["body"]["ignored"]) == 1


@pytest.mark.parametrize(
    "changes",
    [{"key": ".."}, {"key": "2024/../may.csv"}, {"key": "./may.csv"}, {"key": " "}, {"versionId": ".."}],
    ids=str,
)
def test_a_version_that_no_object_can_have_is_a_failed_import(bucket: Bucket, changes: dict[str, str]):
    answer = bucket.webhook(notification(bucket, record(**changes)))
    assert answer["statusCode"] == 200
    (accepted,) = answer["body"]["imports"]
    assert bucket.run()["statusCode"] == 200
    job = bucket.job(accepted["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "object.not_found")


NUMBERS = st.integers() | st.integers(min_value=10**15, max_value=10**25) | st.floats()
TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(  # also lone surrogates
    ["", " ", ".", "..", "a/../b", "%2E%2E", "%00", "%FF", "\ud800", "null", "-17C0FFFFFFFFFFFFFFFFFFFFFF"]
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
# Mostly of the right type: what is of another one is ignored before it is looked at.
OBJECTS = st.one_of(
    st.fixed_dictionaries({"key": TEXTS}),
    st.fixed_dictionaries({"versionId": TEXTS}),
    st.fixed_dictionaries({"versionId": st.none(), "eTag": TEXTS}),
    st.fixed_dictionaries({"size": NUMBERS}),
    st.fixed_dictionaries({"sequencer": TEXTS | st.integers().map(lambda n: f"{n:X}")}),
    st.dictionaries(st.sampled_from(["key", "size", "eTag", "versionId", "sequencer"]), JSON),
)
RECORDS = (
    OBJECTS.map(lambda changes: record(**changes))
    | st.dictionaries(st.sampled_from(["eventName", "eventTime", "s3"]), JSON).map(lambda changes: record() | changes)
    | JSON
)


def record(**changes: Any) -> dict[str, Any]:
    """The record of an upload, with these fields of its object changed."""
    (found,) = json.loads(GOLDEN.read_text())["Records"]
    found["s3"]["object"] |= changes
    return found


def notification(bucket: Bucket, *records: Any) -> bytes:
    for each in records:
        if isinstance(each, dict) and isinstance(s3 := each.get("s3"), dict) and isinstance(s3.get("bucket"), dict):
            s3["bucket"]["name"] = bucket.name
    return json.dumps({"Records": records}).encode()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Without the thousands of warnings that the records bring."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS)
def test_whatever_a_record_holds_it_is_ignored_or_an_import_that_ends(bucket: Bucket, hostile: Any):
    good = record(key="good.csv")

    answer = bucket.webhook(notification(bucket, hostile, good))

    assert answer["statusCode"] == 200
    json.dumps(answer["body"]).encode()
    assert len(answer["body"]["imports"]) + len(answer["body"]["ignored"]) == 2
    assert answer["body"]["imports"][-1]["key"] == "good.csv"
    assert bucket.run()["statusCode"] == 200
    for accepted in answer["body"]["imports"]:
        assert bucket.job(accepted["id"])["state"] == "failed"  # no such object was uploaded
