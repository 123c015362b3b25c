"""What the adapters make of the providers' events, and whom they believe."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailroom.notifications.feedback.adapters.adapter import Adapter, Call, Event, SharedSecret, Unverified
from mailroom.notifications.feedback.adapters.mailgun import Mailgun
from mailroom.notifications.feedback.adapters.postmark import Postmark
from mailroom.notifications.feedback.adapters.ses import Ses
from mailroom.notifications.feedback.adapters.sns import Sns
from mailroom.notifications.feedback.adapters.standard import StandardWebhooks
from mailroom.notifications.model.reports import Delivery
from tests.support import provider_calls as calls

NOW = datetime.now(UTC)
KEYS = ("whsec_" + base64.b64encode(b"k" * 24).decode(), "whsec_" + base64.b64encode(b"old" * 8).decode())


class Tokens:
    """The tokens that were used, in memory."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def is_first(self, token: str, body: bytes) -> bool:
        return self.bodies.setdefault(token, body) == body


def secret(text: str = "\n".join(KEYS)) -> SharedSecret:
    return SharedSecret(lambda: text)


def ses() -> Ses:
    key = calls.rsa_key().public_key()
    return Ses(Sns([calls.TOPIC], lambda url, now: key, lambda url: None))


def mailgun(shared: SharedSecret | None = None) -> Mailgun:
    return Mailgun(shared or secret(), Tokens().is_first)


def refuses(adapter: Adapter, call: Call, now: datetime = NOW) -> str:
    with pytest.raises(Unverified) as refused:
        adapter.events(call, now)
    return str(refused.value)


def of_ses(kind: str, details: dict[str, Any], **mail: Any) -> list[Event]:
    events: list[Event] = []
    for published in (True, False):  # both forms say the same
        found = list(ses().events(calls.sns(calls.ses(kind, details, published=published, **mail)), NOW))
        assert not events or found == events
        events = found
    return events


def of_mailgun(event: str, **changed: Any) -> list[Event]:
    return list(mailgun().events(calls.mailgun(KEYS[0], calls.mailgun_event(event, **changed)), NOW))


def of_postmark(**body: Any) -> list[Event]:
    return list(Postmark(secret()).events(calls.postmark(body, KEYS[0]), NOW))


def of_generic(body: Any) -> list[Event]:
    return list(StandardWebhooks(secret()).events(calls.generic(body, KEYS[0]), NOW))


# Amazon SES


def test_ses_tells_of_a_bounce_with_its_code():
    bounced = {
        "emailAddress": "ada@example.com",
        "action": "failed",
        "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 user unknown",
    }
    [event] = of_ses("Bounce", {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [bounced]})
    assert (event.id, event.recipient) == ("ses:01000157c44f053b-000000:ada@example.com", "ada@example.com")
    assert (event.delivery, event.permanent, event.code) == (Delivery.BOUNCED, True, "5.1.1")
    assert event.text == "smtp; 550 5.1.1 user unknown"
    assert event.at == datetime(2017, 8, 5, 0, 41, 2, 669000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "subtype", "permanent", "code"),
    [
        ("Permanent", "General", True, ""),
        ("Permanent", "NoEmail", True, ""),
        ("Permanent", "Suppressed", True, ""),
        ("Permanent", "OnAccountSuppressionList", True, ""),
        ("Permanent", "UnsubscribedRecipient", False, "5.7.0"),
        ("Transient", "General", False, ""),
        ("Transient", "MailboxFull", False, ""),
        ("Transient", "ContentRejected", False, "5.7.0"),
        ("Undetermined", "Undetermined", False, ""),
        (None, None, False, ""),
    ],
)
def test_ses_says_whether_a_bounce_is_permanent(kind: Any, subtype: Any, permanent: bool, code: str):
    details = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [{"emailAddress": "ada@example.com"}]}
    [event] = of_ses("Bounce", details)
    assert (event.delivery, event.permanent, event.code) == (Delivery.BOUNCED, permanent, code)


def test_ses_tells_of_mail_that_it_sent_to_nobody():
    destination = ["a@example.com", "b@example.com"]
    events = of_ses("Reject", {"reason": "Bad content"}, destination=destination)
    assert [(event.recipient, event.delivery, event.permanent) for event in events] == [
        ("a@example.com", Delivery.BOUNCED, False),
        ("b@example.com", Delivery.BOUNCED, False),
    ]
    assert {(event.code, event.text) for event in events} == {("5.7.0", "Bad content")}


def test_ses_tells_of_several_recipients_at_once():
    codes = {"a@example.com": "5.1.1", "b@example.com": "4.2.2"}
    recipients = [{"emailAddress": address, "status": code} for address, code in codes.items()]
    events = of_ses("Bounce", {"bounceType": "Permanent", "bouncedRecipients": recipients})
    assert [(event.recipient, event.code) for event in events] == [
        ("a@example.com", "5.1.1"),
        ("b@example.com", "4.2.2"),
    ]
    assert len({event.id for event in events}) == 2
    delivered = of_ses("Delivery", {"recipients": ["a@example.com", "b@example.com"], "smtpResponse": "250 2.6.0 ok"})
    assert [(each.recipient, each.delivery, each.code) for each in delivered] == [
        ("a@example.com", Delivery.DELIVERED, "2.6.0"),
        ("b@example.com", Delivery.DELIVERED, "2.6.0"),
    ]
    assert len(of_ses("Delivery", {"recipients": ["a@example.com"] * 100})) == 50


def test_a_complaint_that_may_be_anybody_s_is_nobody_s():
    one, other = {"emailAddress": "a@example.com"}, {"emailAddress": "b@example.com"}
    [event] = of_ses("Complaint", {"complainedRecipients": [one], "complaintFeedbackType": "abuse"})
    assert (event.recipient, event.delivery, event.text) == ("a@example.com", Delivery.COMPLAINED, "abuse")
    assert of_ses("Complaint", {"complainedRecipients": [one, other]}) == []
    assert of_ses("Complaint", {"complainedRecipients": []}) == []
    assert of_ses("Complaint", {"complainedRecipients": [one], "complaintFeedbackType": "not-spam"}) == []


def test_ses_names_the_message_in_headers_tags_and_the_return_path():
    headers = [{"name": "Message-ID", "value": "<65b9d7f0c2a4e81f3b6d9a10@ours.example.com>"}]
    details = {"recipients": ["ada@example.com"]}
    [event] = of_ses("Delivery", details, headers=[*headers, {"name": "Mailroom-Message", "value": "token-1"}])
    assert event.message_ids == ["<65b9d7f0c2a4e81f3b6d9a10@ours.example.com>", "EXAMPLE7c191be45"]
    assert event.tokens == ["token-1", ""]
    [event] = of_ses(
        "Delivery", details, tags={"mailroom-message": ["token-2"]}, source="bounces+abcd2345@ours.example.com"
    )
    assert event.tokens == ["", "token-2", "abcd2345"]
    assert event.id == "ses:EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000:delivery:ada@example.com"


@pytest.mark.parametrize("kind", ["Send", "Open", "Click", "Rendering Failure", "DeliveryDelay", "Subscription", "x"])
def test_what_ses_says_of_other_things_is_left_out(kind: str):
    assert of_ses(kind, {"bouncedRecipients": [{"emailAddress": "ada@example.com"}]}) == []


def test_the_message_with_which_ses_tries_a_topic_is_left_out():
    text = "Successfully validated SNS topic for Amazon SES event publishing."
    assert list(ses().events(calls.sns(text), NOW)) == []
    assert list(ses().events(calls.subscription(), NOW)) == []


# Mailgun


def test_mailgun_tells_of_a_bounce():
    status = {"code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 user unknown", "bounce-type": "hard"}
    [event] = of_mailgun("failed", severity="permanent", reason="bounce", **{"delivery-status": status})
    assert (event.id, event.recipient) == ("mailgun:G9Bn5sl1TC6nu79C8C0bwg:ada@example.com", "ada@example.com")
    assert (event.delivery, event.permanent, event.code) == (Delivery.BOUNCED, True, "5.1.1")
    assert event.text == "5.1.1 user unknown"
    assert event.at is not None
    assert event.at.timestamp() == pytest.approx(1521233195.375624)
    assert event.message_ids == ["20130503182626.18666.16540@ours.example.com"]


@pytest.mark.parametrize(
    ("reason", "status", "permanent", "code"),
    [
        ("suppress-bounce", {"code": 605, "description": "Not delivering to previously bounced address"}, True, ""),
        (
            "suppress-unsubscribe",
            {"code": 606, "description": "Not delivering to unsubscribed address"},
            False,
            "5.7.0",
        ),
        ("generic", {"code": 550, "message": "550 5.7.1 blocked", "bounce-type": "soft"}, False, "5.7.1"),
        ("generic", {"code": 498, "message": "No MX for nowhere.example"}, False, ""),
        ("old", None, False, ""),
    ],
)
def test_mailgun_says_whether_a_bounce_is_permanent(reason: str, status: Any, permanent: bool, code: str):
    [event] = of_mailgun("failed", severity="permanent", reason=reason, **{"delivery-status": status})
    assert (event.permanent, event.code) == (permanent, code)


def test_mailgun_tells_of_deliveries_and_complaints():
    [event] = of_mailgun("delivered", **{"user-variables": {"mailroom-message": "token"}})
    assert (event.delivery, event.tokens) == (Delivery.DELIVERED, ["token"])
    [event] = of_mailgun("complained", **{"user-variables": []})
    assert (event.delivery, event.tokens) == (Delivery.COMPLAINED, [""])


def test_what_mailgun_says_of_other_things_is_left_out():
    assert of_mailgun("failed", severity="temporary") == []
    for event in ("accepted", "opened", "clicked", "unsubscribed", "stored", "x"):
        assert of_mailgun(event) == []


def test_mailgun_is_believed_for_its_key_its_time_and_its_token_only():
    data = calls.mailgun_event("delivered")
    assert refuses(mailgun(), calls.mailgun("other", data)) == "its signature is wrong"
    for minutes in (-6, 6):
        late = calls.mailgun(KEYS[0], data, now=NOW + timedelta(minutes=minutes))
        assert refuses(mailgun(), late).startswith("its time is ")
    assert mailgun().events(calls.mailgun(KEYS[1], data, now=NOW - timedelta(minutes=4)), NOW)  # the key of before

    number = json.loads(calls.mailgun(KEYS[0], data).body)
    number["signature"]["timestamp"] = int(number["signature"]["timestamp"])
    assert mailgun().events(Call({}, json.dumps(number).encode()), NOW)

    adapter = mailgun()
    first = calls.mailgun(KEYS[0], data)
    assert adapter.events(first, NOW)
    assert adapter.events(first, NOW)  # Mailgun got no answer and sends it again
    signed = json.loads(first.body)
    signed["event-data"]["recipient"] = "eve@example.com"  # the signature does not cover it
    assert "another body" in refuses(adapter, Call({}, json.dumps(signed).encode()))


@pytest.mark.parametrize(
    "signature",
    [
        None,
        [],
        {},
        {"timestamp": 1, "token": "x", "signature": "x"},
        {"timestamp": "1", "token": "", "signature": "é"},
    ],
)
def test_a_body_without_a_signature_of_mailgun_is_refused(signature: Any):
    body = json.dumps({"signature": signature, "event-data": calls.mailgun_event("delivered")}).encode()
    assert refuses(mailgun(), Call({}, body)) == "its signature is wrong"


# Postmark


def test_postmark_tells_of_a_bounce():
    [event] = of_postmark(
        RecordType="Bounce",
        ID=4323372036854775807,
        Type="HardBounce",
        TypeCode=1,
        MessageID="883953f4-6105-42a2-a16a-77a8eac79483",
        Metadata={"mailroom-message": "token"},
        Description="The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        Details="smtp;550 5.1.1 The email account that you tried to reach does not exist.",
        Email="john@example.com",
        BouncedAt="2019-11-05T16:33:54.9070259Z",
    )
    assert (event.id, event.recipient) == ("postmark:4323372036854775807:john@example.com", "john@example.com")
    assert (event.delivery, event.permanent, event.code) == (Delivery.BOUNCED, True, "5.1.1")
    assert event.text.startswith("smtp;550 5.1.1")
    assert event.at == datetime(2019, 11, 5, 16, 33, 54, 907025, tzinfo=UTC)
    assert event.tokens == ["token"]


@pytest.mark.parametrize(
    ("kind", "permanent", "code"),
    [
        ("BadEmailAddress", True, ""),
        ("SoftBounce", False, ""),
        ("DnsError", False, ""),
        ("Blocked", False, "5.7.0"),
        ("DMARCPolicy", False, "5.7.0"),
    ],
)
def test_postmark_says_whether_a_bounce_is_permanent(kind: str, permanent: bool, code: str):
    [event] = of_postmark(RecordType="Bounce", ID=1, Type=kind, Email="john@example.com")
    assert (event.delivery, event.permanent, event.code, event.at) == (Delivery.BOUNCED, permanent, code, None)


def test_postmark_tells_of_deliveries_and_complaints():
    [event] = of_postmark(
        RecordType="Delivery",
        MessageID="883953f4",
        Recipient="john@example.com",
        DeliveredAt="2019-11-05T16:33:54.9070259Z",
        Details="250 2.0.0 Ok",
    )
    assert (event.id, event.delivery) == ("postmark:883953f4:delivery:john@example.com", Delivery.DELIVERED)
    [event] = of_postmark(RecordType="SpamComplaint", ID=42, Type="SpamComplaint", Email="john@example.com")
    assert (event.id, event.delivery) == ("postmark:42:john@example.com", Delivery.COMPLAINED)


def test_what_postmark_says_of_other_things_is_left_out():
    for kind in ("Transient", "AutoResponder", "AddressChange", "ManuallyDeactivated", "Unsubscribe", "Unknown", None):
        assert of_postmark(RecordType="Bounce", ID=1, Type=kind, Email="john@example.com") == []
    for kind in ("Open", "Click", "SubscriptionChange", "Inbound", None):
        assert of_postmark(RecordType=kind, Email="john@example.com") == []


def test_postmark_is_believed_for_its_password_only():
    adapter = Postmark(secret("right\nold"))
    body = {"RecordType": "Delivery", "Recipient": "john@example.com"}
    assert adapter.events(calls.postmark(body, "right"), NOW)
    assert adapter.events(calls.postmark(body, "old"), NOW)
    assert adapter.events(Call({"x-mailroom-token": "right"}, json.dumps(body).encode()), NOW)
    for password in ("", "righ", "right\nold", "rightx", "é"):
        refuses(adapter, calls.postmark(body, password))
        refuses(adapter, Call({"x-mailroom-token": password}, b"{}"))
    for header in (
        "",
        "Basic",
        "Basic ?",
        "Basic /w==",
        "Bearer right",
        "Basic " + base64.b64encode(b"right").decode(),
    ):
        refuses(adapter, Call({"authorization": header}, b"{}"))


# Standard Webhooks


def test_the_generic_form_is_signed_after_standard_webhooks():
    [event] = of_generic(
        {
            "type": "bounced",
            "timestamp": "2024-05-06T07:08:09+02:00",
            "data": {"message": "a" * 24, "recipient": "ada@example.com", "permanent": True,
                     "code": "5.2.1", "text": "closed"},
        }
    )  # fmt: skip
    assert (event.id, event.recipient) == ("generic:msg_1:ada@example.com", "ada@example.com")
    assert (event.delivery, event.permanent, event.code, event.text) == (Delivery.BOUNCED, True, "5.2.1", "closed")
    assert event.at == datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert event.message == "a" * 24
    for body in ({"type": "opened", "data": {}}, {"type": 7}, [], "null", "x"):
        assert of_generic(body) == []


def test_the_generic_form_is_believed_for_its_signature_and_its_time_only():
    adapter, body = StandardWebhooks(secret()), {"type": "delivered", "data": {}}
    good = calls.generic(body, KEYS[0])
    assert adapter.events(good, NOW)
    assert adapter.events(calls.generic(body, KEYS[1]), NOW)  # the key of before
    two = {"webhook-signature": "v1,x v2,y " + good.headers["webhook-signature"]}
    assert adapter.events(Call({**good.headers, **two}, good.body), NOW)

    other = "whsec_" + base64.b64encode(b"x" * 24).decode()
    assert refuses(adapter, calls.generic(body, other)) == "its signature is wrong"
    assert refuses(adapter, Call(good.headers, good.body + b" ")) == "its signature is wrong"
    for name, value in (("webhook-id", "msg_2"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,")):
        assert refuses(adapter, Call({**good.headers, name: value}, good.body)) == "its signature is wrong"
        refuses(adapter, Call({key: each for key, each in good.headers.items() if key != name}, good.body))
    unversioned = {"webhook-signature": good.headers["webhook-signature"].replace("v1,", "v1a,")}
    assert refuses(adapter, Call({**good.headers, **unversioned}, good.body)) == "its signature is wrong"
    for minutes in (-6, 6):
        late = calls.generic(body, KEYS[0], now=NOW + timedelta(minutes=minutes))
        assert refuses(adapter, late).startswith("its time is ")


# All of them


@pytest.mark.parametrize("text", ["", " \n\n "])
def test_an_adapter_without_its_secret_believes_nobody(text: str):
    empty = secret(text)
    assert refuses(Postmark(empty), calls.postmark({}, "")) == "its secret is missing"
    assert refuses(mailgun(empty), calls.mailgun("", {})) == "its secret is missing"
    assert refuses(StandardWebhooks(empty), Call({"webhook-id": "x"}, b"")) == "its secret is missing"
    for weak in ("whsec_", "whsec_é", "whsec_?", "whsec_AAAA"):
        assert "our secret" in refuses(StandardWebhooks(secret(weak)), calls.generic({}, KEYS[0]))


HOSTILE: list[Any] = [None, 7, "x", [], [[]], {}, {"x": 1}, True, 1e308, "\x00", "é" * 1000]


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_no_form_of_a_believed_event_breaks_an_adapter(value: Any):
    for kind, name in (
        ("Bounce", "bouncedRecipients"),
        ("Complaint", "complainedRecipients"),
        ("Delivery", "recipients"),
    ):
        for details in ({name: value}, {name: [value]}, {name: [{"emailAddress": value, "status": value}]}):
            of_ses(kind, details, headers=value, tags=value, commonHeaders=value, source=value)
            of_ses(kind, details, headers=[{"name": value, "value": value}], tags={"mailroom-message": value})
        list(ses().events(calls.sns({"eventType": kind, kind.lower(): value, "mail": value}), NOW))
    for event in ("delivered", "complained", "failed"):
        of_mailgun(event, severity="permanent", recipient=value, message=value, timestamp=value, id=value)
        of_mailgun(event, severity="permanent", **{"delivery-status": value, "user-variables": value, "reason": value})
    list(mailgun().events(calls.mailgun(KEYS[0], value), NOW))
    for kind in ("Bounce", "Delivery", "SpamComplaint"):
        of_postmark(RecordType=kind, Type="HardBounce", ID=value, Email=value, Recipient=value, Metadata=value)
        of_postmark(RecordType=kind, Type=value, Details=value, BouncedAt=value, DeliveredAt=value)
    of_generic({"type": "bounced", "data": value, "timestamp": value})
    of_generic({"type": "bounced", "data": dict.fromkeys(("message", "recipient", "code", "text", "permanent"), value)})


@pytest.mark.parametrize("time", [1e300, -1e300, 10**400])
def test_a_time_that_cannot_be_is_none(time: Any):
    [event] = of_mailgun("delivered", timestamp=time)
    assert event.at is None
