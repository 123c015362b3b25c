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
        lambda record: record["s3"]["object"].update(key=""),
        lambda record: record["s3"]["object"].update(key="k" * 1025),
        lambda record: record["s3"]["object"].update(key="\ud800"),
        lambda record: record["s3"]["object"].update(versionId="\ud800"),
        lambda record: record["s3"]["object"].update(versionId="v" * 1025),
        lambda record: record["s3"]["object"].update(eTag="\ud800"),
        lambda record: record["s3"]["object"].update(eTag="a\r\nHost: b"),
        lambda record: record["s3"]["object"].update(size=1 << 63),
        lambda record: record["s3"]["object"].update(size=-1),
        lambda record: record.update(eventTime="1969-01-01T00:00:00Z") or record["s3"]["object"].pop("sequencer"),
    ],
)
def test_a_record_that_cannot_be_understood_is_ignored_and_the_next_one_is_not(spoil):
    event = put()
    event["Records"].append(json.loads(json.dumps(event["Records"][0])))
    spoil(event["Records"][0])
    bad, good = decode(json.dumps(event).encode(), "invoices")
    assert isinstance(bad, Ignored)
    assert isinstance(good, ObjectVersion)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"Records": 1}', b"\xff"])
def test_a_body_that_is_no_notification_is_refused(body):
    with pytest.raises(NotAnEvent):
        decode(body, "invoices")


@pytest.mark.parametrize("sequencer", ["-17C0FFFFFFFFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFFFFFF"])
def test_a_sequencer_that_is_no_time_gives_way_to_the_time_of_the_event(sequencer):
    event = put()
    event["Records"][0] |= {"eventTime": "2026-01-01T00:00:00Z"}
    event["Records"][0]["s3"]["object"] |= {"sequencer": sequencer}
    (version,) = decode(json.dumps(event).encode(), "invoices")
    assert isinstance(version, ObjectVersion)
    assert version.modified_ms == 1_767_225_600_000


def test_a_number_of_any_length_spoils_its_own_record_only():
    good = json.dumps(put()["Records"][0])
    bad = good.replace('"size": 312', f'"size": {"9" * 5000}')
    ignored, version = decode(f'{{"Records": [{bad}, {good}]}}'.encode(), "invoices")
    assert isinstance(ignored, Ignored)
    assert isinstance(version, ObjectVersion)


def test_a_notification_that_is_nested_too_deeply_is_ignored():
    body = b'{"Records": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    assert decode(body, "invoices") == [Ignored("the notification cannot be read: it is nested too deeply")]


def test_a_reason_is_short_and_can_be_written_anywhere():
    event = put()
    event["Records"][0]["s3"]["bucket"]["name"] = "\ud800" * 1000
    (ignored,) = decode(json.dumps(event).encode(), "invoices")
    assert ignored.reason.isascii()
    assert len(ignored.reason) == 200
