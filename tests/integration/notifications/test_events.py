"""Reports of providers, from the call to the message that the API shows: who is believed, and what a repeat changes."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from mailroom.errors import Unavailable
from mailroom.notifications.app import create_app
from mailroom.notifications.feedback.adapters.adapter import Call
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Received, Relay
from tests.support import provider_calls as calls
from tests.support.client import Answer, Client
from tests.support.commands import RECORDER

SECRETS = {
    "mailroom-events-postmark": "the-password",
    "mailroom-events-mailgun": "the-key",
    "mailroom-events-generic": "whsec_" + base64.b64encode(b"k" * 32).decode(),
    "mailroom-signing-key": "s" * 40,
}
ADAPTERS = ("ses", "postmark", "mailgun", "generic")
GONE = "550 5.1.1 no such user"


class Provider:
    """Mailroom with every adapter set up, and its provider of mail."""

    def __init__(self, mail: Mail, relay: Relay) -> None:
        self.mail, self.relay = mail, relay
        for name, content in SECRETS.items():
            self.put_secret(name, content)
        self.fetched: list[str] = []
        self.away = False
        self.app = create_app(mail.services, self._fetch)

    def put_secret(self, name: str, content: str) -> None:
        Path(self.mail.services.settings.secrets_dir, name).write_text(content)

    def _fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.away:
            raise Unavailable("away")
        return calls.certificate()

    def send(self, *recipients: str, **more: Any) -> tuple[str, Received]:
        """Sends a mail. Its id, and what the relay got."""
        body = {"emailTo": list(recipients or ["ada@example.com"]), "subject": "Hello", "message": "<p>Hi</p>", **more}
        answer = self.mail.client.post(body)
        assert answer.body["status"] == "sent", answer
        return answer.body["id"], self.relay.taken[-1]

    def call(self, adapter: str, call: Call) -> Answer:
        return Client(self.app, "").call("POST", f"/events/{adapter}", call.body, headers=dict(call.headers))

    def delivery(self, message: str, address: str = "ada@example.com") -> Any:
        recipients = self.mail.client.get(f"/{message}").body["recipients"]
        [found] = [each["delivery"] for each in recipients if each["address"] == address]
        return found and (found["status"], found["code"])


@pytest.fixture
def provider(make_mail: Callable[..., Mail], relay: Relay) -> Provider:
    return Provider(make_mail(ses_topics=f"other, {calls.TOPIC}"), relay)


def bounce(adapter: str, mail: Received, recipient: str = "ada@example.com", **more: Any) -> Call:
    """The provider's report that the address does not exist, about a mail as it got it."""
    message_id = str(mail.parsed["Message-ID"])
    match adapter:
        case "ses":
            bounced = {"emailAddress": recipient, "status": "5.1.1", "diagnosticCode": f"smtp; {GONE}"}
            headers = [{"name": name, "value": str(value)} for name, value in mail.parsed.items()]
            details = {"bounceType": "Permanent", "bouncedRecipients": [bounced]}
            return calls.sns(calls.ses("Bounce", details, headers=headers), **more)
        case "mailgun":
            status = {"code": 550, "enhanced-code": "5.1.1", "message": GONE}
            named = {"headers": {"message-id": message_id.strip("<>")}}
            event = calls.mailgun_event(
                "failed", severity="permanent", recipient=recipient, message=named, **{"delivery-status": status}
            )
            return calls.mailgun(SECRETS["mailroom-events-mailgun"], event, **more)
        case "postmark":
            token = {"mailroom-message": str(mail.parsed["Mailroom-Message"])}
            body = {"RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "Email": recipient, "Details": GONE}
            return calls.postmark({**body, "Metadata": token}, SECRETS["mailroom-events-postmark"])
        case _:
            data = {"message": message_id, "recipient": recipient, "code": "5.1.1", "text": GONE}
            body = {"type": "bounced", "data": data}
            return calls.generic(body, SECRETS["mailroom-events-generic"], **more)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_bounce_is_shown_and_the_address_gets_no_more_mail(provider: Provider, adapter: str):
    message, mail = provider.send("ada@example.com", "bob@example.com")
    report = bounce(adapter, mail, "ADA@example.com")
    answer = provider.call(adapter, report)
    assert (answer.status, answer.json()) == (200, {"applied": 1, "repeated": 0, "ignored": 0})
    assert provider.delivery(message) == ("bounced", "5.1.1")
    assert provider.delivery(message, "bob@example.com") is None
    assert provider.mail.suppressed() == ["ada@example.com"]

    assert provider.call(adapter, report).json() == {"applied": 0, "repeated": 1, "ignored": 0}
    provider.mail.client.call("DELETE", "/suppressions/ada@example.com")
    assert provider.call(adapter, report).json() == {"applied": 0, "repeated": 1, "ignored": 0}
    assert provider.mail.suppressed() == []  # a person took it off: a replay does not put it on again


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_report_about_mail_that_never_went_to_that_address_changes_nothing(provider: Provider, adapter: str):
    message, mail = provider.send()
    stranger = provider.call(adapter, bounce(adapter, mail, "eve@example.com"))
    assert (stranger.status, stranger.json()) == (200, {"applied": 0, "repeated": 0, "ignored": 1})
    provider.mail.collection.delete_one({"_id": ObjectId(message)})
    unknown = provider.call(
        adapter, bounce(adapter, mail, "ada@example.com", **({"token": "b" * 50} if adapter == "mailgun" else {}))
    )
    assert (unknown.status, unknown.json()) == (200, {"applied": 0, "repeated": 0, "ignored": 1})
    assert provider.mail.suppressed() == []


def test_the_adapters_tell_of_deliveries_and_complaints(provider: Provider):
    message, mail = provider.send("ada@example.com", "bob@example.com")
    headers = [{"name": "Message-ID", "value": str(mail.parsed["Message-ID"])}]
    delivered = calls.ses("Delivery", {"recipients": ["ada@example.com", "bob@example.com"]}, headers=headers)
    assert provider.call("ses", calls.sns(delivered, version="2")).json()["applied"] == 2
    assert provider.delivery(message) == ("delivered", "")
    complaint = calls.mailgun_event("complained", message={"headers": {"message-id": str(mail.parsed["Message-ID"])}})
    assert provider.call("mailgun", calls.mailgun("the-key", complaint)).json()["applied"] == 1
    assert provider.delivery(message) == ("complained", "")
    assert provider.delivery(message, "bob@example.com") == ("delivered", "")
    assert provider.mail.suppressed() == ["ada@example.com"]


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("ses", "X-SES-MESSAGE-TAGS", "mailroom-message={}"),
        ("postmark", "X-PM-Metadata-mailroom-message", "{}"),
        ("mailgun", "X-Mailgun-Variables", '{{"mailroom-message": "{}"}}'),
    ],
)
def test_the_provider_is_given_a_token_that_its_reports_bring_back(
    make_mail: Callable[..., Mail], relay: Relay, name: str, header: str, value: str
):
    provider = Provider(make_mail(mail_provider=name, mail_headers=f"{header},X-*", ses_topics=calls.TOPIC), relay)
    message, mail = provider.send()
    token = str(mail.parsed["Mailroom-Message"])
    assert mail.parsed[header] == value.format(token)
    report = {
        "ses": lambda: calls.sns(
            calls.ses("Delivery", {"recipients": ["ada@example.com"]}, tags={"mailroom-message": [token]})
        ),
        "postmark": lambda: calls.postmark(
            {"RecordType": "Delivery", "Recipient": "ada@example.com", "Metadata": {"mailroom-message": token}},
            "the-password",
        ),
        "mailgun": lambda: calls.mailgun(
            "the-key",
            calls.mailgun_event(
                "delivered", **{"user-variables": json.loads(value.format(token) if name == "mailgun" else "{}")}
            ),
        ),
    }[name]()
    assert provider.call(name, report).json() == {"applied": 1, "repeated": 0, "ignored": 0}
    assert provider.delivery(message) == ("delivered", "")

    _, mail = provider.send(headers={header: "my=own"})
    assert mail.parsed.get_all(header) == ["my=own"]  # the request's own header stays alone


def test_a_token_of_another_deployment_or_one_that_expired_names_no_message(provider: Provider):
    _, mail = provider.send()
    report = bounce("postmark", mail)
    provider.put_secret("mailroom-signing-key", "t" * 40)
    assert provider.call("postmark", report).json() == {"applied": 0, "repeated": 0, "ignored": 1}
    assert provider.mail.suppressed() == []


def changed(call: Call) -> Call:
    return Call(call.headers, call.body.replace(b"ada@example.com", b"bob@example.com"))


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_forged_call_changes_nothing_and_the_caller_learns_nothing(
    provider: Provider, adapter: str, caplog: pytest.LogCaptureFixture
):
    message, mail = provider.send("ada@example.com", "bob@example.com")
    good = bounce(adapter, mail)
    forged = [Call(good.headers, b""), Call({}, b""), Call({}, b"[" * 10_000), Call(good.headers, b"\xff")]
    if adapter == "postmark":
        forged = [calls.postmark({}, "wrong"), Call({}, good.body), Call({"X-Mailroom-Token": "wrong"}, good.body)]
    elif adapter == "ses":
        forged += [changed(good), bounce(adapter, mail, TopicArn="arn:aws:sns:eu-central-1:9:mail")]
        forged += [
            bounce(adapter, mail, key=calls.rsa_key(2048, 1)),
            bounce(adapter, mail, now=datetime.now(UTC) + timedelta(minutes=6)),
        ]
    elif adapter == "mailgun":
        assert provider.call(adapter, calls.mailgun("the-key", {"event": "opened"})).status == 200
        reused = json.loads(calls.mailgun("the-key", {}).body) | {"event-data": json.loads(good.body)["event-data"]}
        forged += [
            Call({}, json.dumps(reused).encode()),
            bounce(adapter, mail, now=datetime.now(UTC) - timedelta(minutes=6)),
        ]
    else:
        forged += [changed(good), bounce(adapter, mail, now=datetime.now(UTC) - timedelta(minutes=6))]
    unset = provider.call("nobody", good)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for call in forged:
            answer = provider.call(adapter, call)
            assert (answer.status, answer.json()) == (401, unset.json()), call
            assert answer.json()["code"] == "events.not_believed"
    assert caplog.text.count("is not believed") == len(forged)
    assert provider.delivery(message) is None
    assert provider.mail.suppressed() == []


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_that_is_not_set_up_answers_like_one_that_does_not_exist(mail: Mail, adapter: str):
    app = create_app(mail.services)
    good = {
        "ses": lambda: calls.sns("{}"),
        "postmark": lambda: calls.postmark({}, ""),
        "mailgun": lambda: calls.mailgun("", {}),
        "generic": lambda: calls.generic({}, SECRETS["mailroom-events-generic"]),
    }[adapter]()
    answers = [
        Client(app, "").call("POST", f"/events/{name}", good.body, headers=dict(good.headers))
        for name in (adapter, "nobody", "a" * 3000, "é", "..")
    ]
    assert [answer.status for answer in answers] == [401] * 5
    assert all(answer.body == answers[0].body for answer in answers[:4])


def test_a_subscription_is_confirmed_for_the_topic_of_the_settings_only(provider: Provider):
    assert provider.call("ses", calls.subscription()).status == 200
    assert provider.fetched == [calls.CERTIFICATE_URL, calls.SUBSCRIBE_URL]
    assert provider.call("ses", calls.subscription(TopicArn="arn:aws:sns:eu-central-1:9:mail")).status == 401
    assert len(provider.fetched) == 2


def test_while_the_certificate_cannot_be_fetched_the_provider_is_to_come_again(provider: Provider):
    message, mail = provider.send()
    provider.away = True
    answer = provider.call("ses", bounce("ses", mail))
    assert (answer.status, answer.json()["code"]) == (503, "service.unavailable")
    assert "Retry-After" in answer.headers
    assert provider.delivery(message) is None


def test_a_body_that_is_too_large_is_refused(provider: Provider):
    for adapter in (*ADAPTERS, "nobody"):
        answer = provider.call(adapter, Call({}, b" " * (1 << 20) + b"x"))
        assert (answer.status, answer.json()["code"]) == (413, "body.too_large")


def test_a_crash_after_the_token_of_mailgun_was_noted_loses_no_report(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
):
    from mailroom.notifications.feedback.feedback import Feedback

    message, mail = provider.send()
    report = bounce("mailgun", mail)
    real = Feedback.apply

    def dies(self: Feedback, _: Any) -> Any:
        raise Unavailable("the process is killed here")

    monkeypatch.setattr(Feedback, "apply", dies)
    provider.app = create_app(provider.mail.services)
    assert provider.call("mailgun", report).status == 503
    monkeypatch.setattr(Feedback, "apply", real)
    provider.app = create_app(provider.mail.services)
    assert provider.call("mailgun", report).json()["applied"] == 1
    assert provider.delivery(message) == ("bounced", "5.1.1")


def test_the_rights_of_the_function_are_enough(provider: Provider):
    _, mail = provider.send("ada@example.com", "bob@example.com")
    with RECORDER.of("notifications") as used:
        for adapter in ADAPTERS:
            assert provider.call(adapter, bounce(adapter, mail)).status == 200
            assert provider.call(adapter, bounce(adapter, mail)).status == 200
    assert {("eventTokens", "insert"), ("eventTokens", "find"), ("suppressions", "insert")} <= used


def test_many_repeats_at_once_are_applied_once(provider: Provider):
    _, mail = provider.send()
    report = bounce("mailgun", mail)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: provider.call("mailgun", report).json(), range(48)))
    assert sum(answer["applied"] for answer in answers) == 1
    assert sum(answer["repeated"] for answer in answers) == 47
