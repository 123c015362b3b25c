"""Webhooks arrive, signed, at least once, with the same id each time."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from mailroom.webhooks.courier import AT_ONCE
from mailroom.webhooks.model import EventType
from tests.integration.webhooks.child import POINTS
from tests.integration.webhooks.conftest import SECRET, Hooks, Receiver, later
from tests.support.commands import RECORDER
from tests.support.processes import ROOT, running
from tests.support.waiting import eventually

MakeReceiver = Callable[[], Receiver]
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


def test_what_is_not_taken_is_tried_again_with_the_same_id(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    receiver.status = 500
    hooks.endpoint(receiver.url)
    [id_] = hooks.announce()
    hooks.work()
    assert hooks.work() == 0  # it waits
    assert hooks.states() == ["pending"]

    receiver.status = 200
    hooks.let_time_pass()
    hooks.work()

    assert receiver.ids == [id_, id_]
    [delivery] = hooks.deliveries.find()
    assert (delivery["state"], [each["status"] for each in delivery["attempts"]]) == ("delivered", [500, 200])
    assert delivery["deliveredAt"] is not None


def test_after_the_give_up_age_it_is_dead(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    receiver.status = 503
    hooks.endpoint(receiver.url)
    hooks.announce()
    hooks.work()
    hooks.let_time_pass(hours=100)
    hooks.work()
    assert hooks.states() == ["dead"]
    hooks.let_time_pass(hours=100)
    assert hooks.work() == 0


def test_an_endpoint_that_is_gone_is_disabled(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    receiver.status = 410
    hooks.endpoint(receiver.url)
    hooks.announce()
    hooks.work()
    assert hooks.states() == ["dead"]
    [endpoint] = hooks.endpoints.find()
    assert (endpoint["enabled"], endpoint["disabledReason"]) == (False, "the endpoint answered 410 Gone")


def test_what_waits_for_a_disabled_endpoint_is_delivered_when_it_is_enabled_and_given_up_else(
    hooks: Hooks, make_receiver: MakeReceiver
):
    receiver = make_receiver()
    receiver.status = 500
    endpoint = hooks.endpoint(receiver.url)
    hooks.announce()
    hooks.work()
    receiver.status = 200
    hooks.endpoints.update_one({"_id": endpoint}, {"$set": {"enabled": False}})
    hooks.let_time_pass()
    assert (hooks.work(), hooks.states()) == (0, ["pending"])
    hooks.endpoints.update_one({"_id": endpoint}, {"$set": {"enabled": True}})
    assert (hooks.work(), hooks.states()) == (1, ["delivered"])

    hooks.endpoints.delete_one({"_id": endpoint})
    hooks.deliveries.update_one({}, {"$set": {"state": "pending", "dueAt": later(), "dueSince": later()}})
    hooks.let_time_pass(hours=100)
    assert (hooks.work(), hooks.states()) == (0, ["dead"])


def test_an_endpoint_that_hangs_keeps_no_other_waiting(make_hooks: Callable[..., Hooks], make_receiver: MakeReceiver):
    hooks = make_hooks(webhook_timeout_seconds=2.0)
    slow, quick = make_receiver(), make_receiver()
    slow.gate.clear()
    hooks.endpoint(slow.url)
    hooks.endpoint(quick.url)
    hooks.announce(30)

    hooks.work()

    assert len(quick.ids) == 30
    assert 1 <= len(slow.ids) <= 6  # the worker looks for work twice
    assert hooks.states() == ["delivered"] * 30 + ["pending"] * 30


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


def test_an_event_that_comes_while_an_endpoint_hangs_is_delivered_at_once(hooks: Hooks, make_receiver: MakeReceiver):
    slow, quick = make_receiver(), make_receiver()
    slow.gate.clear()
    hooks.endpoint(slow.url)
    hooks.endpoint(quick.url)
    [first] = hooks.announce()
    with calling(hooks):
        eventually(lambda: slow.ids == [first] and quick.ids == [first])
        [second] = hooks.announce()
        eventually(lambda: quick.ids == [first, second], seconds=15)
        assert hooks.states().count("delivered") < 3
        slow.gate.set()
    assert (hooks.states(), slow.ids) == (["delivered"] * 4, [first, second])


def test_endpoints_that_are_known_to_fail_leave_half_of_the_connections(hooks: Hooks, make_receiver: MakeReceiver):
    slow, quick = make_receiver(), make_receiver()
    slow.gate.clear()
    for _ in range(2 * AT_ONCE):
        hooks.endpoint(slow.url, failingSince=later(hours=-1))
    hooks.announce()
    with calling(hooks):
        eventually(lambda: len(slow.ids) == AT_ONCE // 2)
        hooks.endpoint(quick.url)
        [id_] = hooks.announce()
        eventually(lambda: quick.ids == [id_], seconds=15)
        assert len(slow.ids) == AT_ONCE // 2
        slow.gate.set()


def test_an_endpoint_that_has_failed_for_days_is_disabled_when_a_delivery_dies(
    make_hooks: Callable[..., Hooks], make_receiver: MakeReceiver
):
    hooks = make_hooks(webhook_disable_days=5.0)
    receiver = make_receiver()
    receiver.status = 500
    endpoint = hooks.endpoint(receiver.url)
    hooks.announce()
    hooks.work()
    [found] = hooks.endpoints.find()
    assert found["failingSince"] is not None

    hooks.let_time_pass(hours=73)
    hooks.work()
    assert (hooks.states(), hooks.endpoints.find_one()["enabled"]) == (["dead"], True)  # type: ignore[index]

    hooks.endpoints.update_one({"_id": endpoint}, {"$set": {"failingSince": later(days=-6)}})
    hooks.announce()
    hooks.work()
    assert hooks.endpoints.find_one()["enabled"]  # type: ignore[index]  # this delivery is tried again
    hooks.let_time_pass(hours=73)
    hooks.work()
    [found] = hooks.endpoints.find()
    assert (found["enabled"], found["disabledReason"][:26]) == (False, "no delivery has succeeded ")


def test_a_delivery_that_succeeds_ends_the_days_of_failure(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    hooks.endpoint(receiver.url, failingSince=later(days=-9))
    hooks.announce()
    hooks.work()
    [found] = hooks.endpoints.find()
    assert found["enabled"]
    assert "failingSince" not in found


def test_what_a_killed_worker_left_for_a_removed_endpoint_is_given_up(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    receiver.status = 500
    endpoint = hooks.endpoint(receiver.url)
    hooks.announce()
    hooks.work()
    hooks.endpoints.delete_one({"_id": endpoint})
    ended = later(hours=-1)
    hooks.deliveries.update_one({}, {"$set": {"dueAt": ended, "leaseUntil": ended, "dueSince": later(hours=-100)}})
    hooks.work()
    assert hooks.states() == ["dead"]


def test_what_has_waited_too_long_for_an_endpoint_that_fails_is_given_up_untried(
    hooks: Hooks, make_receiver: MakeReceiver
):
    receiver = make_receiver()
    receiver.status = 500
    hooks.endpoint(receiver.url, failingSince=later(hours=-100))
    hooks.endpoint(make_receiver().url)
    hooks.announce(30)
    hooks.work()
    hooks.let_time_pass(hours=73)
    hooks.work()
    assert hooks.states() == ["dead"] * 30 + ["delivered"] * 30
    assert len(receiver.ids) < 15  # a few in each call


def test_what_has_waited_while_no_worker_ran_is_tried(hooks: Hooks, make_receiver: MakeReceiver):
    receiver = make_receiver()
    endpoint = hooks.endpoint(receiver.url, enabled=False)
    ids = hooks.announce(3)
    hooks.endpoints.update_one({"_id": endpoint}, {"$set": {"url": "http://127.0.0.1:1/", "enabled": True}})
    hooks.work()
    hooks.endpoints.update_one({"_id": endpoint}, {"$set": {"url": receiver.url}})
    hooks.let_time_pass(hours=100)
    hooks.work()
    assert sorted(receiver.ids) == sorted(ids)
    assert hooks.states() == ["delivered"] * 3


def test_a_secret_that_cannot_be_used_harms_its_own_endpoint_only(hooks: Hooks, make_receiver: MakeReceiver):
    receivers = [make_receiver(), make_receiver()]
    hooks.endpoint(receivers[0].url, secrets=[{"key": "whsec_?", "createdAt": later(), "expiresAt": None}])
    hooks.endpoint(receivers[1].url)
    hooks.announce(10)
    hooks.work()
    assert [len(each.ids) for each in receivers] == [0, 10]
    assert hooks.states() == ["delivered"] * 10 + ["pending"] * 10


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


@contextmanager
def calling(hooks: Hooks) -> Iterator[None]:
    """A call of the function is under way in the block, and has ended after it."""
    call = threading.Thread(target=hooks.work)
    call.start()
    try:
        yield
    finally:
        call.join(60)
    assert not call.is_alive()
