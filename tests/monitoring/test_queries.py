"""Every query of the dashboards and of the rules finds data in a real Prometheus that scraped a loaded stack."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.client import Client
from local.stack import Stack
from tests.e2e.test_first_path import MAIL, done
from tests.e2e.test_restore import backups
from tests.integration.invoices.files import csv, line
from tests.monitoring.prometheus import Prometheus
from tests.monitoring.rules import RULES, alerts
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("monitoring")]

ROOT = Path(__file__).parents[2]
DASHBOARDS = {
    file.stem: json.loads(file.read_text()) for file in sorted(ROOT.glob("compose/monitoring/dashboards/*.json"))
}
QUERIES = {
    f"{name}, {panel['title']}, {target['refId']}": target["expr"]
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel["targets"]
}
SETTINGS = {"BOUNCE_IMAP_HOST": "127.0.0.1"}  # nothing answers there, but the metric is there
SELECTOR = re.compile(r"\b((?:mailroom|function|process)_\w+|up)\b(?!\()(\{[^}]*\})?")


def load(stack: Stack, folder: Path) -> None:
    """One of everything: a file that is imported, two that are refused, mail, a webhook, a check of the backup."""
    client = Client(stack.info)
    name = secrets.token_hex(4)
    client.upload(f"{name}.csv", csv(line(name), line(f"{name}-2", gross="no")))
    client.upload(f"{name}-refused.csv", b"a;b\n1;2\n")
    client.upload(f"{name}-rejected.csv", csv(line(name, gross="no")))
    client.post("notifications", MAIL)
    client.post("notifications/webhooks", {"url": stack.info["gateway"], "events": ["import.done"]})
    for key in (f"{name}.csv", f"{name}-refused.csv", f"{name}-rejected.csv"):
        eventually(lambda key=key: done(client, key), what=f"the import of {key}")
    for function in ("invoice-importer", "notification-sender", "webhook-sender"):
        urllib3.request("POST", f"{stack.info['gateway']}/function/{function}", timeout=60)
    archive = folder / "archive"
    archive.mkdir()
    for command in (["create"], ["check"]):
        ran = backups(stack, archive, *command)
        assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    load(stack, tmp_path_factory.mktemp("load"))
    with Prometheus(tmp_path_factory.mktemp("prometheus"), stack.info["metrics"], RULES.read_text()) as prometheus:
        # Two scrapes for the rates, and a reading of what the load left behind.
        eventually(lambda: prometheus.query("sum(rate(function_call_duration_seconds_count[5m])) > 0"), what="rates")
        eventually(lambda: prometheus.query("max(mailroom_imports_failed_last_hour) > 0"), what="a reading")
        yield prometheus


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_of_a_dashboard_finds_data(name: str, prometheus: Prometheus) -> None:
    eventually(lambda: prometheus.query(QUERIES[name]), 30, QUERIES[name])


@pytest.mark.parametrize("name", alerts())
def test_a_rule_is_evaluated_and_its_metrics_are_there(name: str, prometheus: Prometheus) -> None:
    for metric, labels in SELECTOR.findall(alerts()[name]["expr"]):
        selector = metric + labels.replace('status=~"5.."', 'status=~".+"')
        eventually(lambda selector=selector: prometheus.query(selector), 30, selector)
    [rule] = [each for each in rules(prometheus) if each["name"] == name]
    assert rule["health"] == "ok", rule


def rules(prometheus: Prometheus) -> list[dict[str, Any]]:
    answer = urllib3.request("GET", f"{prometheus.url}/api/v1/rules").json()
    return [rule for group in answer["data"]["groups"] for rule in group["rules"]]
