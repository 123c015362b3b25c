"""MinIO's webhook: the token, one effect for any number of deliveries, and nothing that blocks the queue."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
