"""The metrics of a whole stack: Prometheus reads them on ports of their own, and nobody who comes by the gateway."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from local.client import Client
from local.stack import Stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("stack")  # one stack for all of them

DOCS = Path(__file__).parents[2] / "docs/metrics.md"
NOT_HERE = {
    "mailroom_worker_last_called_timestamp_seconds",  # before the schedule came for the first time
    "mailroom_import_seconds_last_hour",  # before an import ended
    "mailroom_message_seconds_last_hour",  # before a message was sent
    "mailroom_events_last_seen_timestamp_seconds",  # before an event came
    "mailroom_disk_free_bytes", "mailroom_disk_size_bytes",  # SecantusDB does not tell
    "mailroom_bounce_mailbox_up",  # without a mailbox
    "mailroom_backup_last_success_timestamp_seconds",  # without a backup
    "mailroom_backup_first_success_timestamp_seconds",
    "mailroom_backup_last_check_timestamp_seconds", "mailroom_backup_last_check_damaged",
    "mailroom_imports_failed_last_hour",  # while all is well
    "mailroom_events_waiting",  # in the first seconds of MinIO
}  # fmt: skip


def read(stack: Stack, function: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples of a page, by name."""
    answer = urllib3.request("GET", stack.info["metrics"][function], timeout=20)
    assert answer.status == 200
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.data.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def documented() -> dict[str, str]:
    """The functions that show each metric of Mailroom, as the table says."""
    rows = re.findall(r"^\| (`mailroom_[^|]+) \| ([^|]+) \|", DOCS.read_text(), re.MULTILINE)
    return {name: functions for names, functions in rows for name in re.findall(r"`(mailroom_\w+)", names)}


def test_every_function_shows_what_the_documents_say_and_nothing_else(stack: Stack, client: Client):
    shown = {function: read(stack, function) for function in stack.functions}
    table = documented()
    workers = {"invoice-importer", "notification-sender", "webhook-sender"}
    who = {
        "all but the console": set(shown) - {"console"},
        "all but the APIs and the console": set(shown) - {"invoices", "notifications", "console"},
        "the three workers": workers,
    }
    for name, functions in table.items():
        wanted = who.get(functions, {functions})
        found = {function for function, metrics in shown.items() if name in metrics}
        assert found <= wanted, name
        if name not in NOT_HERE:
            assert found == wanted, name
    own = {name for metrics in shown.values() for name in metrics if name.startswith("mailroom_")}
    assert own <= table.keys()
    for function, metrics in shown.items():
        assert {value for _, value in metrics.get("mailroom_metrics_up", [])} <= {1.0}, function
        assert {value for _, value in metrics.get("mailroom_secret_missing", [("", 0.0)])} == {0.0}, function
        assert {value for _, value in metrics.get("mailroom_setup_outdated", [])} <= {0.0}, function


def test_calls_are_counted_by_the_template_of_their_route(stack: Stack, client: Client):
    url = f"{stack.info['gateway']}/function/invoices/imports/{'0' * 24}"
    headers = {"Authorization": f"Bearer {stack.info['apiKey']}"}
    assert urllib3.request("GET", url, headers=headers, timeout=60).status == 404
    durations = read(stack, "invoices")["function_call_duration_seconds_count"]
    routes = {labels["route"] for labels, value in durations if value}
    assert any("<" in route for route in routes)
    assert not any("0" * 24 in route for route in routes)


def test_who_comes_by_the_gateway_reads_no_metrics(stack: Stack, client: Client):
    gateway, key = stack.info["gateway"], {"Authorization": f"Bearer {stack.info['apiKey']}"}
    for function in stack.functions:
        for path in ("metrics", "metrics/", "../metrics", "%2e%2e/metrics"):
            for headers in ({}, key):
                answer = urllib3.request("GET", f"{gateway}/function/{function}/{path}", headers=headers, timeout=60)
                assert b"function_calls" not in answer.data, (function, path)
                if path == "metrics" and headers and function in ("invoices", "notifications"):
                    assert answer.status in (400, 404), (function, answer.status)
    assert urllib3.request("GET", f"{gateway}/metrics", timeout=60).status == 404


def test_an_import_and_a_mail_are_seen(stack: Stack, client: Client):
    def total(function: str, name: str) -> float:
        return sum(value for _, value in read(stack, function)[name])

    assert total("invoice-importer", "mailroom_imports") >= 0
    eventually(lambda: total("invoice-importer", "mailroom_event_rule_present") == 1.0, 60)
    assert total("notification-sender", "mailroom_relay_up") == 1.0
