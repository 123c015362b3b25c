"""The return path and the header by which a report finds its message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.errors import InvalidSetting
from mailroom.notifications.feedback.tokens import HEADER, VALID, MessageTokens, message_of
from mailroom.platform.secrets import SIGNING_KEY
from mailroom.platform.signing import Signer
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply

HELLO = {"emailTo": ["anna@example.com", "bert@example.com"], "subject": "Hello", "message": "<p>x</p>"}
RETURN_PATH = "bounces@shop.example"


def put_key(mail: Mail, text: str = "k" * 40) -> None:
    Path(mail.services.settings.secrets_dir, SIGNING_KEY).write_text(text + "\n")


def tokens(mail: Mail) -> MessageTokens:
    return MessageTokens(Signer(mail.services.secrets))


@pytest.fixture
def traced(make_mail: Any) -> Mail:
    mail: Mail = make_mail(mail_return_path=RETURN_PATH)
    put_key(mail)
    return mail


def test_the_return_path_and_the_header_name_the_message(traced: Mail, relay: Relay) -> None:
    message = traced.client.post(HELLO).body["id"]

    [taken] = relay.taken
    local, _, domain = taken.sender.partition("@")
    assert domain == "shop.example"
    assert len(local) <= 64
    name, _, token = local.partition("+")
    assert name == "bounces"
    assert taken.parsed[HEADER] == token
    assert str(tokens(traced).message(token.upper(), datetime.now(UTC))) == message
    assert taken.parsed["From"] == "Mailroom <mailroom@ours.example.com>"
    assert str(message_of(taken.parsed["Message-ID"])) == message


def test_the_token_expires(traced: Mail, relay: Relay) -> None:
    traced.client.post(HELLO)
    token = relay.taken[0].parsed[HEADER]
    now = datetime.now(UTC)
    assert tokens(traced).message(token, now + VALID - timedelta(hours=1)) is not None
    assert tokens(traced).message(token, now + VALID + timedelta(hours=1)) is None


def test_every_attempt_sends_the_same_bytes(traced: Mail, relay: Relay) -> None:
    relay.on("content", reply("451 later"))
    traced.client.post(HELLO)
    traced.let_time_pass()
    traced.drain()

    first, second = relay.received
    assert second.taken
    assert (first.sender, first.content) == (second.sender, second.content)


def test_the_old_key_is_valid_until_it_is_removed(traced: Mail, relay: Relay) -> None:
    message = traced.client.post(HELLO).body["id"]
    token = relay.taken[0].parsed[HEADER]
    now = datetime.now(UTC)
    put_key(traced, "n" * 40 + "\n" + "k" * 40)
    assert str(tokens(traced).message(token, now)) == message
    put_key(traced, "n" * 40)
    assert tokens(traced).message(token, now) is None


def test_without_a_key_mail_is_as_before(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(mail_return_path=RETURN_PATH)
    mail.client.post(HELLO)
    [taken] = relay.taken
    assert taken.sender == "mailroom@ours.example.com"
    assert HEADER not in taken.parsed


def test_without_a_return_path_only_the_header_has_the_token(mail: Mail, relay: Relay) -> None:
    put_key(mail)
    message = mail.client.post(HELLO).body["id"]
    [taken] = relay.taken
    assert taken.sender == "mailroom@ours.example.com"
    assert str(tokens(mail).message(taken.parsed[HEADER], datetime.now(UTC))) == message


def test_a_request_cannot_set_the_header(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(mail_headers="M*")
    answer = mail.client.post(HELLO | {"headers": {HEADER: "x"}})
    assert (answer.status, answer.body["code"]) == (422, "header.not_allowed")


@pytest.mark.parametrize(
    "setting", ["bounces", "a+b@shop.example", "bounces-of-our-shop@shop.example", "jörg@shop.example", "a@b\r\nc"]
)
def test_a_return_path_without_room_for_a_token_is_refused_at_start(make_mail: Any, setting: str) -> None:
    with pytest.raises(InvalidSetting, match="MAIL_RETURN_PATH"):
        make_mail(mail_return_path=setting)


ID = "6" * 24


@pytest.mark.parametrize("text", ["", "x", "<>", f"<{ID}>", f"<{ID}0@a.example>", f"<{ID}@a b>", "@" * 10_000])
def test_a_message_id_of_others_names_no_message(text: str) -> None:
    assert message_of(text) is None
