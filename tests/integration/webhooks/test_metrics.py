"""What `webhook-sender` shows to Prometheus: it changes with what happens."""

from __future__ import annotations

from mailroom.webhooks.worker import create_metrics
from tests.integration.webhooks.conftest import Hooks, MakeReceiver
from tests.support.commands import RECORDER
from tests.support.metrics import values


def shown(hooks: Hooks) -> dict[str, float]:
    """What a replica tells that has told nothing before."""
    return values(create_metrics(hooks.services))


def test_deliveries_by_state_and_the_age_of_the_oldest(hooks: Hooks, make_receiver: MakeReceiver) -> None:
    before = shown(hooks)
    assert before["mailroom_metrics_up{mongodb}"] == 1.0
    assert before["mailroom_webhook_deliveries{delivered}"] == before["mailroom_webhook_oldest_due_seconds"] == 0.0
    good, bad = make_receiver(), make_receiver()
    bad.status = 500
    hooks.endpoint(good.url)
    hooks.endpoint(bad.url)
    hooks.announce()
    hooks.work()
    after = shown(hooks)
    states = {"delivered": 1.0, "pending": 1.0, "dead": 0.0}
    assert {name: after[f"mailroom_webhook_deliveries{{{name}}}"] for name in states} == states
    assert "mailroom_worker_last_called_timestamp_seconds" in after
    hooks.let_time_pass(hours=1)
    assert 3000 < shown(hooks)["mailroom_webhook_oldest_due_seconds"] < 4000
    assert good.url not in " ".join(after)


def test_endpoints_that_were_disabled_by_no_person(hooks: Hooks) -> None:
    hooks.endpoint("http://127.0.0.1:9/a", enabled=False)
    assert shown(hooks)["mailroom_webhooks_disabled"] == 0.0
    hooks.endpoint("http://127.0.0.1:9/b", enabled=False, disabledReason="the endpoint answered 410 Gone")
    assert shown(hooks)["mailroom_webhooks_disabled"] == 1.0


def test_it_needs_no_other_rights_for_its_metrics(hooks: Hooks) -> None:
    hooks.endpoint("http://127.0.0.1:9/a")
    with RECORDER.of("webhook-sender") as used:
        assert shown(hooks)["mailroom_metrics_up{mongodb}"] == 1.0
    assert {("webhooks", "find"), ("webhookDeliveries", "find"), ("workers", "find")} <= used
