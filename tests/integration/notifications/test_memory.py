"""Only a few large attachments are in memory at a time, and they delay no other mail."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable

import pytest

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, slow
from tests.support.waiting import eventually

BIG = {"filename": "a.bin", "content": base64.b64encode(bytes(500)).decode()}


def test_large_attachments_wait_for_memory_and_small_mail_passes_them(
    make_mail: Callable[..., Mail], relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailroom.notifications.sending.transmitter._ATTACHMENT_BYTES", 1000)
    mail = make_mail(smtp_connections=5, smtp_timeout_seconds=60.0)
    hello = {"subject": "Hello", "message": "<p>x</p>"}
    large = hello | {"emailTo": "large@example.com", "priority": "high", "attachments": [BIG]}
    small = hello | {"emailTo": "small@example.com"}
    mail.client.post({"messages": [large] * 4 + [small] * 30}, "/batch")
    go = threading.Event()
    relay.on("rcpt", slow(go), recipient="large@example.com", times=4)
    drain = threading.Thread(target=mail.drain)
    drain.start()
    try:
        eventually(lambda: sum("rcpt TO:<large" in each for each in list(relay.commands)) >= 2)
        eventually(lambda: len(relay.taken) == 30)
        assert sum("rcpt TO:<large" in each for each in list(relay.commands)) == 2
    finally:
        go.set()
        drain.join()
    assert len(relay.taken) == 34
    assert set(mail.states()) == {"sent"}
