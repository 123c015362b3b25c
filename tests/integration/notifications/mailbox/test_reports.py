"""What the mails in the mailbox report, on a real IMAP server."""

from __future__ import annotations

from bson import ObjectId

from mailroom.notifications.metrics import create_sender_metrics
from tests.integration.notifications.mailbox.returns import COMPLAINT, Returns, dsn
from tests.support.metrics import values


def test_a_bounce_to_the_return_path_is_told_and_suppresses_the_address(returns: Returns) -> None:
    sent = returns.send("anna@remote.example", "bert@remote.example")
    returns.dovecot.put(dsn(sent))

    assert returns.poll() == 1

    assert returns.deliveries(sent) == {"anna@remote.example": "bounced", "bert@remote.example": None}
    recipient = returns.mail.client.get(f"/{sent.id}").body["recipients"][0]
    assert recipient["delivery"]["code"] == "5.1.1"
    assert "the words of the server" in recipient["delivery"]["text"]
    assert recipient["delivery"]["at"] == "2026-11-29T08:00:00.000Z"
    assert returns.mail.suppressed() == ["anna@remote.example"]
    assert returns.dovecot.subjects() == []
    assert returns.dovecot.subjects("Processed") == ["Undelivered Mail"]
    assert returns.unclear() == []


def test_the_header_is_enough_where_a_relay_changes_the_return_path(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent, to="0102018b-0000@relay.example"))
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}


def test_a_soft_bounce_is_told_and_suppresses_nobody_at_first(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent, status="5.2.2"))
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}
    assert returns.mail.suppressed() == []


def test_a_success_report_is_told_and_a_delay_is_not(returns: Returns) -> None:
    sent = returns.send("anna@remote.example", "bert@remote.example")
    returns.dovecot.put(
        dsn(sent, "anna@remote.example", action="delivered", status="2.0.0"),
        dsn(sent, "bert@remote.example", action="delayed", status="4.4.1"),
    )
    assert returns.poll() == 2
    assert returns.deliveries(sent) == {"anna@remote.example": "delivered", "bert@remote.example": None}
    assert returns.mail.suppressed() == returns.unclear() == []


def test_a_complaint_that_hides_the_recipient_is_that_of_the_only_recipient(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(COMPLAINT.format(returned=sent.content).encode())
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "complained"}
    assert returns.mail.suppressed() == ["anna@remote.example"]


def test_a_complaint_that_hides_one_of_two_recipients_is_left_to_a_person(returns: Returns) -> None:
    sent = returns.send("anna@remote.example", "bert@remote.example")
    shown = sent.content.replace(",\n bert@remote.example", "")  # as with a blind copy
    returns.dovecot.put(COMPLAINT.format(returned=shown).encode())
    returns.poll()
    assert set(returns.deliveries(sent).values()) == {None}
    assert returns.mail.suppressed() == []
    assert returns.unclear() == ["complaint"]


def test_what_is_forged_expired_or_no_report_changes_nothing_and_is_left_to_a_person(returns: Returns) -> None:
    sent = returns.send()
    token = sent.return_path.partition("+")[2].partition("@")[0]
    forged = sent.return_path.replace(token, token[:-1] + ("a" if token[-1] != "a" else "b"))
    returns.dovecot.put(
        dsn(sent, subject="no token", to="bounces@ours.example.com", returned="Subject: Your order\n\nThanks"),
        dsn(sent, subject="forged", to=forged, returned=""),
        dsn(sent, "carol@remote.example", subject="another address"),
        b"Subject: Automatic reply\r\nFrom: anna@remote.example\r\nTo: "
        + sent.return_path.encode()
        + b"\r\nAuto-Submitted: auto-replied\r\n\r\nI could not read your message to\r\nanna@remote.example\r\n",
        b"Subject: a question\r\nTo: " + sent.return_path.encode() + b"\r\n\r\nWhere is my order?\r\n",
        b"\r\n\x00\xff\xfe",
    )

    assert returns.poll() == 6

    assert returns.deliveries(sent) == {"anna@remote.example": None}
    assert returns.mail.suppressed() == []
    assert len(returns.unclear()) == 6
    assert returns.dovecot.subjects() == []


def test_the_same_mail_twice_counts_once(returns: Returns) -> None:
    sent = returns.send()
    report = dsn(sent, status="5.2.2")
    returns.dovecot.put(report, b"Received: by another way\r\n" + report)
    assert returns.poll() == 2
    document = returns.mail.collection.find_one({"_id": ObjectId(sent.id)})
    assert document is not None
    assert len(document["reports"]) == 1


def test_more_mails_than_are_listed_at_once(returns: Returns) -> None:
    returns.dovecot.put(*(b"Subject: %d\r\n\r\nno report\r\n" % number for number in range(210)))
    assert returns.poll() == 210
    assert returns.dovecot.subjects() == []


def test_a_report_with_a_large_message_behind_it_is_read_in_part(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent, returned=sent.content + "line of a large attachment\n" * 200_000))
    returns.poll()
    assert returns.deliveries(sent) == {"anna@remote.example": "bounced"}


def test_the_metrics_tell_whether_the_mailbox_could_be_read(returns: Returns) -> None:
    services = returns.mail.services
    name = "mailroom_bounce_mailbox_up"
    assert name not in values(create_sender_metrics(services))
    returns.poll()
    assert values(create_sender_metrics(services))[name] == 1.0
    (services.settings.secrets_dir / "mailroom-imap-password").write_text("wrong")
    returns.poll()
    assert values(create_sender_metrics(services))[name] == 0.0
