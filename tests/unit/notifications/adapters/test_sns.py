"""Messages of Amazon SNS: which are believed, and which certificates are fetched for them."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailroom.errors import Busy, Unavailable
from mailroom.notifications.feedback.adapters.adapter import Call, Unverified
from mailroom.notifications.feedback.adapters.certificates import FetchedCertificates
from mailroom.notifications.feedback.adapters.sns import Sns
from tests.support import provider_calls as calls

NOW = datetime.now(UTC)


class World:
    """SNS as we see it: what it was asked for, and what it answers."""

    def __init__(self, pem: bytes | None = None) -> None:
        self.fetched: list[str] = []
        self.pem = calls.certificate() if pem is None else pem
        self.certificates = FetchedCertificates(self._certificate)
        self.subscribed: list[str] = []
        self.sns = Sns([calls.TOPIC], self.certificates.key, self.subscribed.append)

    def _certificate(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.pem

    def refuses(self, call: Call, now: datetime = NOW) -> str:
        with pytest.raises(Unverified) as refused:
            self.sns.notification(call, now)
        return str(refused.value)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["Hello", None])
def test_a_signed_message_of_our_topic_is_believed(world: World, version: str, subject: str | None):
    found = world.sns.notification(calls.sns("line\nline €", version=version, Subject=subject, now=NOW), NOW)
    assert found is not None
    assert (found.id, found.message) == ("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "line\nline €")


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"])
def test_a_message_that_was_changed_is_refused(name: str):
    world = World()
    world.sns = Sns([calls.TOPIC, "other"], world.certificates.key, world.subscribed.append)
    sent = json.loads(calls.sns("x", now=NOW).body)
    other = {
        "Timestamp": (NOW - timedelta(seconds=9)).isoformat(),
        "TopicArn": "other",
        "Type": "UnsubscribeConfirmation",
    }
    sent[name] = other.get(name, "changed")
    assert world.refuses(Call({}, json.dumps(sent).encode())) == "its signature is wrong"


def test_a_signature_of_somebody_else_is_refused(world: World):
    assert world.refuses(calls.sns("x", key=calls.rsa_key(2048, 1))) == "its signature is wrong"
    assert world.refuses(calls.sns("x", Signature="")) == "its signature is wrong"
    assert world.refuses(calls.sns("x", Signature="?")) == "its signature is no Base64"
    assert world.refuses(calls.sns("x", Signature="é")) == "its signature is no Base64"


@pytest.mark.parametrize("version", ["0", "3", "", None, 1])
def test_a_signature_of_another_version_is_refused(world: World, version: Any):
    message = calls.sns("x", SignatureVersion=version)
    assert world.refuses(message) == "its signature is of a version that we do not know"


def test_a_message_of_another_topic_is_refused_before_anything_is_fetched(world: World):
    assert (
        world.refuses(calls.sns("x", TopicArn=calls.TOPIC + "x")) == f"its topic is not in SES_TOPICS: '{calls.TOPIC}x'"
    )
    other = calls.subscription(TopicArn="arn:aws:sns:eu-central-1:999:mail")
    assert world.refuses(other).startswith("its topic is not in SES_TOPICS")
    assert (world.fetched, world.subscribed) == ([], [])
    nobody = Sns([], world.certificates.key, world.subscribed.append)
    with pytest.raises(Unverified, match="its topic is not in SES_TOPICS: ''"):
        nobody.notification(calls.sns("x", TopicArn=""), NOW)


@pytest.mark.parametrize(
    ("age", "believed"),
    [
        (timedelta(minutes=4), True),
        (timedelta(hours=6), True),  # SNS repeats for hours, with the first time
        (timedelta(hours=25), False),
        (timedelta(minutes=-4), True),
        (timedelta(minutes=-6), False),
    ],
)
def test_the_time_of_a_message_is_checked(world: World, age: timedelta, believed: bool):
    call = calls.sns("x", now=NOW - age)
    if believed:
        assert world.sns.notification(call, NOW)
    else:
        assert world.refuses(call).startswith("its time is ")
        assert world.fetched == []


@pytest.mark.parametrize("time", ["", "yesterday", "2024-05-06T07:08:09", "9999-99-99T00:00:00Z", None, 7])
def test_a_message_without_a_time_is_refused(world: World, time: Any):
    assert world.refuses(calls.sns("x", Timestamp=time)) == "it has no time"


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://evil.example#@sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://s3.eu-central-1.amazonaws.com/bucket/SimpleNotificationService-1.pem",
        "https://bucket.sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.evil.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/?Action=x&y=SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/../SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem?x=y",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem\n",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem#",
        "https://snsxeu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "HTTPS://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "file:///etc/passwd",
        "",
        None,
    ],
)
def test_a_certificate_from_elsewhere_is_never_fetched(world: World, url: Any):
    assert world.refuses(calls.sns("x", SigningCertURL=url)) == "its certificate is not one of SNS"
    assert world.fetched == []


@pytest.mark.parametrize(
    "host", ["sns.us-east-1.amazonaws.com", "sns.us-gov-west-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"]
)
def test_every_region_has_its_certificates(world: World, host: str):
    url = f"https://{host}/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem"
    assert world.sns.notification(calls.sns("x", SigningCertURL=url), NOW)
    assert world.fetched == [url]


def test_a_certificate_is_fetched_once_a_day(world: World):
    for _ in range(5):
        assert world.sns.notification(calls.sns("x"), NOW)
    assert world.fetched == [calls.CERTIFICATE_URL]
    assert world.certificates.key(calls.CERTIFICATE_URL, NOW + timedelta(hours=25))
    assert len(world.fetched) == 2


UNREADABLE = "its certificate cannot be read"
EXPIRED = "its certificate has expired, or is not valid yet"
WEAK = "its certificate has a key that we do not accept"


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (lambda: b"", UNREADABLE),
        (lambda: b"\xff" * 1000, UNREADABLE),
        (lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", UNREADABLE),
        (lambda: calls.certificate(start=NOW - timedelta(days=9), days=8), EXPIRED),
        (lambda: calls.certificate(start=NOW + timedelta(days=1)), EXPIRED),
        (lambda: calls.certificate(calls.rsa_key(1024)), WEAK),
        (calls.elliptic_certificate, WEAK),
    ],
)
def test_a_certificate_that_is_not_valid_is_refused(pem: Any, why: str):
    assert World(pem()).refuses(calls.sns("x")) == why


def test_a_failure_to_fetch_is_remembered_for_a_minute_and_is_no_refusal():
    fetched = []

    def fails(url: str) -> bytes:
        fetched.append(url)
        raise Unavailable("away")

    certificates = FetchedCertificates(fails)
    for later in (0, 59, 61):
        with pytest.raises(Unavailable):
            certificates.key(calls.CERTIFICATE_URL, NOW + timedelta(seconds=later))
    assert len(fetched) == 2


def test_a_call_does_not_wait_while_others_fetch():
    go, begun = threading.Event(), threading.Semaphore(0)

    def slow(url: str) -> bytes:
        begun.release()
        assert go.wait(20)
        return calls.certificate()

    certificates = FetchedCertificates(slow)
    urls = [f"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{number}.pem" for number in range(3)]
    threads = [threading.Thread(target=certificates.key, args=(url, NOW)) for url in urls[:2]]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=20)
    with pytest.raises(Busy):
        certificates.key(urls[2], NOW)
    go.set()
    for thread in threads:
        thread.join()
    assert certificates.key(urls[2], NOW)


def test_the_memory_does_not_grow_with_the_number_of_certificates(world: World):
    for number in range(200):
        url = f"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{number}.pem"
        world.certificates.key(url, NOW)
    assert len(world.certificates._entries) <= 64


def test_a_subscription_of_our_topic_is_confirmed(world: World):
    assert world.sns.notification(calls.subscription(version="2"), NOW) is None
    assert world.subscribed == [calls.SUBSCRIBE_URL]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription&TopicArn=x",
        "https://sns.eu-central-1.amazonaws.com/?Action=DeleteTopic&TopicArn=x",
        "http://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=a b",
        "",
        None,
    ],
)
def test_no_other_url_is_called(world: World, url: Any):
    assert world.refuses(calls.subscription(SubscribeURL=url)) == "its SubscribeURL is none of SNS"
    assert world.subscribed == []


def test_a_forged_subscription_is_not_confirmed(world: World):
    forged = calls.subscription(key=calls.rsa_key(2048, 1))
    assert world.refuses(forged) == "its signature is wrong"
    assert world.subscribed == []


def test_the_end_of_a_subscription_is_a_warning_and_is_not_undone(world: World, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assert world.sns.notification(calls.subscription("UnsubscribeConfirmation"), NOW) is None
    assert world.subscribed == []
    assert "ended" in caplog.text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"\xff\xfe", b"{" * 10_000, b'{"Type": {}}', b'{"TopicArn": []}']
)
def test_what_is_no_message_is_refused(world: World, body: bytes):
    world.refuses(Call({}, body))
    world.refuses(calls.sns("x", Type="Other"))
    assert world.fetched == []
