"""What Amazon SES says. Whether SNS itself is believed is in `test_sns.py`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mailroom.notifications.model.reports import Delivery
from tests.support import provider_calls as calls
from tests.unit.notifications.adapters.events import NOW, of_ses, ses


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
