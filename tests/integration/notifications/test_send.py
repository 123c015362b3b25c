"""Accepting a message and delivering it while the caller waits."""

from __future__ import annotations

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>Good <b>morning</b></p>"}


def test_a_message_is_sent_while_the_caller_waits(mail: Mail, relay: Relay) -> None:
    answer = mail.client.post(HELLO)

    assert answer.status == 200
    assert answer.body == {
        "result": "OK",
        "message": "The notification was sent",
        "id": answer.body["id"],
        "status": "sent",
    }
    [received] = relay.taken
    assert received.sender == "mailroom@ours.example.com"
    assert received.recipients == ("anna@example.com",)
    parsed = received.parsed
    assert (parsed["To"], parsed["Subject"]) == ("anna@example.com", "Hello")
    assert parsed["From"] == "Mailroom <mailroom@ours.example.com>"
    html, text = parsed.get_body(("html",)), parsed.get_body(("plain",))
    assert html is not None and html.get_content().strip() == "<p>Good <b>morning</b></p>"
    assert text is not None and text.get_content().strip() == "Good morning"
