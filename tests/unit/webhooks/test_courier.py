"""The courier: nothing that it claims is left lying."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from bson import ObjectId

from mailroom.platform.clock import Budget
from mailroom.platform.outgoing import HttpAnswer, Outgoing
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks.courier import Courier
from mailroom.webhooks.deliveries import Deliveries

ENDPOINT = ObjectId()


class Slow:
    """Deliveries without end, an endpoint that takes them, and a clock: a claim takes a second of it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.claimed = 0
        self.recorded: list[int] = []

    def now(self) -> datetime:
        return datetime(2024, 1, 31, tzinfo=UTC)

    def endpoints(self) -> dict[ObjectId, dict[str, Any]]:
        return {ENDPOINT: {"_id": ENDPOINT, "url": "https://example.com/", "secrets": []}}

    def claim(self, endpoint: ObjectId) -> dict[str, Any]:
        self.seconds += 1
        self.claimed += 1
        return {"_id": self.claimed, "endpointId": endpoint, "announcementId": "id", "payload": "{}"}

    def call(self, *_: object) -> HttpAnswer:
        return HttpAnswer(204, b"")

    def record(self, delivery: dict[str, Any], *_: object) -> None:
        self.recorded.append(delivery["_id"])


def test_what_is_claimed_is_tried_although_the_budget_ends() -> None:
    slow = Slow()
    courier = Courier(cast(Deliveries, slow), cast(Outgoing, slow), cast(ServerClock, slow))

    tried = courier.run(Budget(3.0, lambda: slow.seconds), lambda: 0, lambda: None)

    assert tried == slow.claimed == 3
    assert sorted(slow.recorded) == [1, 2, 3]
