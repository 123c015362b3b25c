"""MongoDB's primary steps down in the middle of a write of many documents. It reports that for each document."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay
from tests.support.mongo_proxy import Command, MongoProxy, Reply

HELLO = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>x</p>"}
NOT_PRIMARY, SHUTTING_DOWN = 10107, 11600


@pytest.fixture
def distant(mail: Mail, make_mail: Callable[..., Mail], mongo_proxy: MongoProxy) -> Mail:
    """The application of `mail`, with its own connections through the proxy."""
    return make_mail(mongodb_secret="by-proxy")  # pragma: allowlist secret


class StepDown:
    """Refuses each document of the first writes for which `hit` is true."""

    def __init__(self, hit: Callable[[Command], bool], code: int, times: int) -> None:
        self._hit = hit
        self._code = code
        self._left = times
        self.refused = 0

    def __call__(self, command: Command) -> Reply | None:
        if not self._left or not self._hit(command):
            return None
        self._left -= 1
        writes = command.get("documents") or command["updates"]
        self.refused += len(writes)
        errors = [{"index": at, "code": self._code, "errmsg": "stepped down"} for at in range(len(writes))]
        return {"ok": 1.0, "n": 0, "nModified": 0, "writeErrors": errors}


def is_result(command: Command) -> bool:
    """Whether the command writes the results of attempts."""
    return command.get("update") == "notifications" and isinstance(command["updates"][0]["u"], list)


@pytest.mark.parametrize("code", [NOT_PRIMARY, SHUTTING_DOWN])
def test_the_result_of_a_sent_message_is_written_again(
    mail: Mail,
    distant: Mail,
    mongo_proxy: MongoProxy,
    relay: Relay,
    code: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail.client.post({"messages": [HELLO, HELLO | {"emailTo": "b@example.com"}]}, "/batch", Prefer="respond-async")
    down = mongo_proxy.intercept = StepDown(is_result, code, times=4)

    distant.drain()

    assert down.refused >= 4
    assert "MongoDB does not answer" in caplog.text
    assert HELLO["emailTo"] not in caplog.text
    assert mail.states() == ["sent", "sent"]
    mail.let_time_pass()
    mail.drain()
    assert len(relay.taken) == 2


def test_a_batch_that_is_not_stored_is_503_and_can_be_sent_again(
    mail: Mail, distant: Mail, mongo_proxy: MongoProxy, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"messages": [HELLO for _ in range(3)]}
    down = mongo_proxy.intercept = StepDown(
        lambda command: command.get("insert") == "notifications", NOT_PRIMARY, times=1
    )

    assert distant.client.post(body, "/batch", Idempotency_Key="k").status == 503
    assert down.refused == 3
    assert "stepped down" in caplog.text
    assert HELLO["message"] not in caplog.text
    assert distant.client.post(body, "/batch", Idempotency_Key="k").status in (200, 202)
    mail.drain()
    assert len(relay.taken) == 3
