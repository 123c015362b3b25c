"""Endpoints that fail: what they get later, when they are given up, and that no other endpoint waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mailroom.webhooks.courier import AT_ONCE
from tests.integration.webhooks.conftest import Hooks, MakeReceiver, later
from tests.support.waiting import eventually


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


@pytest.mark.slow
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
