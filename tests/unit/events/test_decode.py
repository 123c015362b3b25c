"""Bucket notifications as MinIO posts them: golden files, and malformed ones."""

import json
from pathlib import Path

import pytest

from mailroom.events.s3_event import Ignored, NotAnEvent, decode
from mailroom.platform.objects import ObjectVersion

GOLDEN = Path(__file__).parent / "golden"


def put() -> dict:
    return json.loads((GOLDEN / "put.json").read_text())


def test_a_put_is_an_object_version():
    assert decode((GOLDEN / "put.json").read_bytes(), "invoices") == [
        ObjectVersion(
            bucket="invoices",
            key="2024/größe 1+1.csv",
            version_id="b5f7f2b3-8d2b-4a0c-9d5c-3f2f9c1f8a11",
            etag="9b2cf535f27731c974343645a3985328",  # pragma: allowlist secret
            size=312,
            modified_ms=0x17F1C8A5D2B3A7F0 // 1_000_000,
        )
    ]


@pytest.mark.parametrize("name", ["s3:ObjectCreated:PutTagging", "s3:ObjectRemoved:Delete", "s3:ObjectAccessed:Get"])
def test_events_without_new_bytes_are_ignored(name):
    event = put()
    event["Records"][0]["eventName"] = name
    assert decode(json.dumps(event).encode(), "invoices") == [
        Ignored(f"{name.removeprefix('s3:')} brings no new bytes")
    ]


def test_other_buckets_are_ignored():
    assert decode((GOLDEN / "put.json").read_bytes(), "other") == [Ignored("the bucket invoices is not imported")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.pop("s3"),
        lambda record: record["s3"]["object"].update(key=None),
        lambda record: record["s3"]["object"].update(key="%ff"),
        lambda record: record["s3"]["object"].update(sequencer="xyz"),
        lambda record: record["s3"].update(bucket=[]),
        lambda record: record.clear(),
    ],
)
def test_a_record_that_cannot_be_understood_is_ignored_and_the_next_one_is_not(spoil):
    event = put()
    event["Records"].append(json.loads(json.dumps(event["Records"][0])))
    spoil(event["Records"][0])
    bad, good = decode(json.dumps(event).encode(), "invoices")
    assert isinstance(bad, Ignored)
    assert isinstance(good, ObjectVersion)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"Records": 1}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_notification_is_refused(body):
    with pytest.raises(NotAnEvent):
        decode(body, "invoices")
