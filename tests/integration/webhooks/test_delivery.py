"""Webhooks arrive, signed, at least once, with the same id each time."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from mailroom.webhooks.model import EventType
from tests.integration.webhooks.child import POINTS
from tests.integration.webhooks.conftest import Hooks, MakeReceiver, later
from tests.support.commands import RECORDER
from tests.support.processes import ROOT, running
from tests.support.waiting import eventually
from tests.support.webhook_receiver import SECRET

OTHER = "whsec_" + base64.b64encode(b"another secret of an endpoint").decode()


def test_an_event_arrives_as_the_public_library_wants_it(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    hooks.endpoint(receiver.url)
    [id_] = hooks.announce()

    assert hooks.work() == 1

    [event] = receiver.verified()
    assert (event["type"], event["data"]["status"], event["data"]["emailTo"]) == (
        "notification.sent",
        "sent",
        "0@example.com",
    )
    assert receiver.ids == [id_]
    assert (hooks.states(), hooks.left()) == (["delivered"], 0)
    assert hooks.work() == 0


def test_a_changed_body_does_not_verify(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    hooks.endpoint(receiver.url)
    hooks.announce()
    hooks.work()
    receiver.received = [(headers, body + b" ") for headers, body in receiver.received]
    with pytest.raises(WebhookVerificationError):
        receiver.verified()


def test_each_endpoint_gets_only_what_it_wants(hooks: Hooks, make_receiver: MakeReceiver):
    all_, bounces, disabled = make_receiver(), make_receiver(), make_receiver()
    hooks.endpoint(all_.url)
    hooks.endpoint(bounces.url, EventType.NOTIFICATION_BOUNCED)
    hooks.endpoint(disabled.url, enabled=False)
    hooks.announce()
    hooks.announce(type_=EventType.NOTIFICATION_BOUNCED)

    hooks.work()

    assert (len(all_.ids), len(bounces.ids), len(disabled.ids)) == (2, 1, 0)
    assert bounces.verified()[0]["type"] == "notification.bounced"


def test_during_a_rotation_both_secrets_verify_and_then_only_the_new_one(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    now = later()
    secrets = [
        {"key": OTHER, "createdAt": now, "expiresAt": later(hours=1)},
        {"key": SECRET, "createdAt": now, "expiresAt": None},
    ]
    endpoint = hooks.endpoint(receiver.url, secrets=secrets)
    hooks.announce()
    hooks.work()
    assert receiver.verified() == receiver.verified(OTHER)

    hooks.endpoints.update_one({"_id": endpoint}, {"$set": {"secrets.0.expiresAt": later(hours=-1)}})
    hooks.announce()
    hooks.work()
    with pytest.raises(WebhookVerificationError):
        receiver.verified(OTHER)
    assert len(receiver.verified()) == 2


def test_a_call_to_an_address_inside_is_refused_and_says_so(
    make_hooks: Callable[..., Hooks], make_receiver: MakeReceiver
):
    hooks = make_hooks(webhook_allow_private="no")
    receiver = make_receiver()
    hooks.endpoint(receiver.url)
    hooks.announce()
    hooks.work()
    [delivery] = hooks.deliveries.find()
    assert receiver.ids == []
    assert delivery["attempts"][0]["error"] == "127.0.0.1 is not an address of the internet"


def test_old_deliveries_that_have_ended_are_removed(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    endpoint = hooks.endpoint(receiver.url)
    hooks.announce(3)
    hooks.work()
    hooks.endpoints.update_one({"_id": endpoint}, {"$set": {"url": "http://127.0.0.1:1/"}})
    hooks.announce()
    hooks.let_time_pass(hours=31 * 24)
    hooks.work()
    assert hooks.states() == ["pending"]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_step_loses_nothing_and_keeps_the_id(point: str, hooks: Hooks, make_receiver: MakeReceiver):
    receivers = [make_receiver(), make_receiver()]
    for receiver in receivers:
        hooks.endpoint(receiver.url)
    ids = hooks.announce(3)

    with worker_process(hooks, point) as process:
        assert process.wait(60) == -signal.SIGKILL
    for _ in range(3):
        hooks.let_time_pass()
        hooks.work()

    for receiver in receivers:
        assert {*receiver.ids} == {*ids}
        assert len(receiver.verified()) <= len(ids) + 2
    assert (hooks.states(), hooks.left()) == (["delivered"] * 6, 0)


def test_a_kill_before_the_answer_sends_it_again_with_the_same_id(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    receiver.gate.clear()
    hooks.endpoint(receiver.url)
    [id_] = hooks.announce()
    with worker_process(hooks, "recorded") as process:
        eventually(lambda: receiver.ids == [id_])
        process.kill()
        process.wait(60)
    receiver.gate.set()
    assert hooks.work() == 0  # the lease of the killed worker holds
    hooks.let_time_pass()
    hooks.work()
    assert receiver.ids == [id_, id_]
    assert len(receiver.verified()) == 2
    assert hooks.states() == ["delivered"]


def worker_process(hooks: Hooks, point: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """The function in its own process, which dies at this point."""
    settings = hooks.services.settings
    environment = {name.upper(): str(getattr(settings, name)) for name in type(settings).__dataclass_fields__}
    environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return running(Path(__file__).with_name("child.py"), point, env=environment)


def test_two_workers_at_once_deliver_once(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    hooks.endpoint(receiver.url)
    ids = hooks.announce(40)
    workers = [threading.Thread(target=hooks.work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    eventually(lambda: hooks.states() == ["delivered"] * 40)
    assert sorted(receiver.ids) == sorted(ids)


def test_webhook_sender_may_do_its_work_and_nothing_else(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    gone = make_receiver()
    gone.status = 410
    hooks.endpoint(receiver.url)
    hooks.endpoint(gone.url)
    hooks.announce()
    with RECORDER.of("webhook-sender") as used:
        hooks.work()
    receiver.status = 500
    hooks.announce()
    hooks.let_time_pass(hours=24 * 31)
    with RECORDER.of("webhook-sender") as later_used:
        hooks.work()
    changed = {("notifications", "update"), ("webhooks", "update"), ("webhookDeliveries", "insert")}
    assert {*changed, ("webhookDeliveries", "update"), ("webhookDeliveries", "remove")} <= used | later_used
