"""Many messages at once: claims, releases, results and rates."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from mailroom.notifications.model.messages import RecipientStatus, Result, State
from mailroom.notifications.outbox.changes import FinishedAttempt
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outcomes import Decision
from mailroom.platform import mongo
from tests.integration.invoices.api.test_indexes import named
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Peer, Relay, reply, slow
from tests.support.waiting import eventually


def queue(mail: Mail, count: int) -> None:
    """Queues messages 0, 1, … to 0@example.com, 1@example.com, …"""
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        messages = [{"emailTo": f"{n}@example.com", "subject": str(n), "message": "<p>x</p>"} for n in numbers]
        assert mail.client.post({"messages": messages}, "/batch").status == 202


def sent(claim: ClaimedMessage) -> FinishedAttempt:
    return FinishedAttempt(claim, Decision(State.SENT, (), None, ""), Result({}))


def test_each_message_of_a_group_has_its_own_result(mail: Mail, relay: Relay) -> None:
    queue(mail, 30)
    for number in range(30):
        if number % 3:
            code = "450 4.2.0" if number % 3 == 1 else "550 5.7.1"
            relay.on("rcpt", reply(f"{code} not {number}"), recipient=f"{number}@example.com")

    assert mail.drain() == 30

    for document in mail.collection.find():
        number = int(document["subject"])
        state, fate = [
            ("sent", RecipientStatus.SENT),
            ("queued", RecipientStatus.PENDING),
            ("failed", RecipientStatus.FAILED),
        ][number % 3]
        [recipient], [attempt] = document["recipients"], document["attempts"]
        assert (document["state"], recipient["fate"], attempt["outcome"]) == (state, fate, state)
        if number % 3:
            assert recipient["text"].endswith(f"not {number}")
            assert f"{number}@example.com" in [step.get("recipient") for step in attempt["steps"]]
    assert sorted(int(each.parsed["Subject"]) for each in relay.taken) == list(range(0, 30, 3))


def test_a_claimed_message_that_was_not_begun_is_released(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_connections=1)
    relay.stop()
    queue(mail, 12)

    tried = mail.drain()

    assert 1 <= tried <= 2
    documents = list(mail.collection.find())
    untouched = [each for each in documents if not each["attempts"]]
    assert len(untouched) == 12 - tried
    assert {(each["state"], each["attemptCount"]) for each in untouched} == {("queued", 0)}
    assert len(mail.outbox().due(100)) == len(untouched)


def test_a_drain_holds_no_more_than_its_bound_however_deep_the_queue(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_connections=2, smtp_data_timeout_seconds=20.0)
    queue(mail, 60)
    go = threading.Event()
    relay.on("content", slow(go), times=2)

    with ThreadPoolExecutor(1) as pool:
        drain = pool.submit(mail.drain)
        eventually(lambda: len(relay.received) == 2)
        # Two in delivery, and two claims of 4 for each connection.
        claimed = [message for each in mail.services.database["claims"].find() for message in each["messages"]]
        assert 2 <= len(claimed) <= 2 + 2 * 8
        go.set()
        assert drain.result() == 60
    assert mail.states() == ["sent"] * 60


def test_no_more_messages_at_once_than_connections(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_connections=3, smtp_data_timeout_seconds=20.0)
    queue(mail, 12)
    open_now, most, all_open = 0, 0, asyncio.Event()

    async def counted(peer: Peer) -> str | None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        if open_now == 3:
            all_open.set()
        await asyncio.wait_for(all_open.wait(), 15.0)  # the first three wait for one another
        await asyncio.sleep(0.005)
        open_now -= 1
        return ""

    relay.on("content", counted, times=12)

    assert mail.drain() == 12
    assert (most, relay.connections) == (3, 3)
    assert mail.states() == ["sent"] * 12


def test_the_relay_gets_no_more_messages_in_a_second_than_it_may(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_messages_per_second=20.0, smtp_connections=4)
    queue(mail, 8)
    started = time.monotonic()

    assert mail.drain() == 8

    assert time.monotonic() - started >= 7 / 20 - 0.02  # a timer may be early by its clock's step
    assert len(relay.taken) == 8


def test_a_message_whose_turn_is_too_far_away_is_left_to_the_schedule(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_messages_per_second=0.01, work_budget_seconds=5.0)
    queue(mail, 3)

    assert mail.drain() == 1
    assert mail.states() == ["queued", "queued", "sent"]
    assert mail.drain() == 0


def test_two_senders_that_claim_the_same_messages_share_them(mail: Mail) -> None:
    queue(mail, 60)
    due = mail.outbox().due(100)
    together = threading.Barrier(3)

    def claim(_: int) -> list[ClaimedMessage]:
        mine = mail.outbox()
        together.wait(10)
        return [claim for start in range(0, 60, 10) for claim in mine.claim(due[start : start + 10])]

    with ThreadPoolExecutor(3) as pool:
        claimed = [claim.id for claims in pool.map(claim, range(3)) for claim in claims]

    assert sorted(claimed) == sorted(each.id for each in due)


def test_one_lost_message_in_a_group_stops_only_itself(mail: Mail) -> None:
    queue(mail, 3)
    box = mail.outbox()
    claims = box.claim(box.due(10))
    assert mail.actions().cancel(claims[1].id)

    assert box.hand_over(claims) == [True, False, True]
    assert box.record([sent(each) for each in claims]) == [True, False, True]
    assert mail.states() == ["cancelled", "sent", "sent"]


def test_a_result_written_twice_changes_nothing(mail: Mail) -> None:
    queue(mail, 2)
    box = mail.outbox()
    claims = box.claim(box.due(10))
    assert box.record([sent(claims[0])]) == [True]
    before = mail.collection.find_one({"_id": claims[0].id})

    assert box.record([sent(each) for each in claims]) == [True, True]

    assert mail.collection.find_one({"_id": claims[0].id}) == before
    assert mail.states() == ["sent", "sent"]


def test_a_retried_message_is_claimed_with_the_others(mail: Mail, relay: Relay) -> None:
    queue(mail, 3)
    relay.on("rcpt", reply("450 4.2.0 later"), recipient="1@example.com", times=2)
    for _ in range(3):
        mail.drain()
        mail.let_time_pass()

    attempts = {each["subject"]: each["attemptCount"] for each in mail.collection.find()}
    assert attempts == {"0": 1, "1": 3, "2": 1}
    assert mail.states() == ["sent"] * 3


class Commands(CommandListener):
    """Records the commands on the collection `notifications`."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in ("find", "update") and event.command[event.command_name] == "notifications":
            self.seen.append({name: value for name, value in event.command.items() if name != "lsid"})

    def succeeded(self, event: object) -> None: ...
    def failed(self, event: object) -> None: ...


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Records the commands of clients made from now on."""
    commands = Commands()
    monkeypatch.setattr(mongo, "MongoClient", partial(MongoClient, event_listeners=[commands]))
    return commands


def test_every_query_of_a_drain_scans_an_index(commands: Commands, mail: Mail, relay: Relay) -> None:
    queue(mail, 25)
    relay.on("rcpt", reply("450 4.2.0 later"), recipient="1@example.com")
    box = mail.outbox()
    [lost] = box.claim(box.due(1))
    assert box.hand_over([lost]) == [True]
    mail.let_time_pass()
    commands.seen.clear()

    assert mail.drain() == 25

    assert {name for command in commands.seen for name in command} >= {"find", "update"}
    explained = 0
    for command in list(commands.seen):
        for asked in [command["filter"]] if "find" in command else [each["q"] for each in command["updates"]]:
            if "_id" in asked:
                continue  # found by the index that every collection has
            find = {"find": "notifications", "filter": asked, "sort": command["sort"], "limit": command["limit"]}
            plan = mail.services.database.command("explain", find | mail.hint_for(asked))
            found = named(plan["queryPlanner"]["winningPlan"], "stage")
            assert "IXSCAN" in found, (asked, plan)
            assert "COLLSCAN" not in found, (asked, plan)
            explained += 1
    assert explained >= 3  # what is due, of each priority


def test_a_message_for_later_is_not_claimed_though_somebody_names_it(mail: Mail) -> None:
    queue(mail, 2)
    [first, second] = mail.outbox().due(10)
    mail.collection.update_one({"_id": first.id}, [{"$set": {"dueAt": {"$add": ["$$NOW", 60_000]}}}])

    assert [claim.id for claim in mail.outbox().claim([first, second])] == [second.id]


def test_all_that_is_due_is_found_however_uneven_the_times(mail: Mail) -> None:
    queue(mail, 30)
    old = [each["_id"] for each in mail.collection.find().limit(10)]
    for number, message in enumerate(old):
        ago = 86_400_000 - number
        mail.collection.update_one({"_id": message}, [{"$set": {"dueAt": {"$subtract": ["$$NOW", ago]}}}])
    box = mail.outbox()
    eventually(lambda: len(box.due(100)) == 30)

    for count in (10, 25, 1, 30, 100):
        found = [each.id for each in box.due(count)]
        assert len(set(found)) == min(count, 30)
        assert set(found) <= set(old) if count <= 10 else set(found) >= set(old)


def test_a_sender_works_with_the_index_of_the_version_before(mail: Mail, relay: Relay) -> None:
    mail.collection.drop_index("waiting")
    mail.collection.create_index([("priority", 1), ("dueAt", 1)], name="due")
    queue(mail, 3)
    assert mail.drain() == 3
    assert len(relay.taken) == 3
