"""Each fault fires exactly its alert: `promtool test rules` runs the rules over what Prometheus sees of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.rules import FUNCTIONS, RULES, alerts, healthy, series
from tests.monitoring.simulated_faults import FAULTS
from tests.monitoring.simulated_further_faults import FURTHER_FAULTS
from tests.monitoring.simulation import Fault
from tests.unit.test_documents import anchors

ROOT = Path(__file__).parents[2]
STEP = 60  # seconds between two values
ALL_FAULTS = FAULTS | FURTHER_FAULTS


def promtool_test(fault: Fault) -> dict[str, object]:
    """The fault as promtool wants it: all series, and exactly the alerts that fire."""
    count = fault.minutes * 60 // STEP + 1
    firing = 'ALERTS{alertstate="firing"}'
    ever = f"max_over_time({firing}[{fault.minutes + 1}m])"
    told = {name: values for name, values in (healthy() | fault.changes).items() if values is not None}
    return {
        "interval": f"{STEP}s",
        "input_series": [{"series": name, "values": f"{values}x{count}"} for name, values in told.items()],
        "promql_expr_test": [
            *(
                {
                    "expr": f"max by (alertname) ({wanted})",
                    "eval_time": f"{fault.minutes}m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
                }
                for wanted, names in ((firing, fault.fires), (ever, (*fault.fires, *fault.fired)))
            ),
            *(
                {
                    "expr": "count(" + series("ALERTS", "", alertname=name, alertstate="firing", **fault.labels) + ")",
                    "eval_time": f"{fault.minutes}m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
                for name in fault.fires
            ),
        ],
    }


@pytest.mark.parametrize("name", ALL_FAULTS)
def test_a_fault_fires_exactly_its_alert(name: str, tmp_path: Path, prometheus_installed: None) -> None:
    file = tmp_path / "test.yml"
    tests = {"rule_files": [str(RULES)], "evaluation_interval": f"{STEP}s", "tests": [promtool_test(ALL_FAULTS[name])]}
    file.write_text(yaml.safe_dump(tests))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_fired_by_a_fault() -> None:
    assert {name for fault in ALL_FAULTS.values() for name in fault.fires} == set(alerts())


def test_every_function_is_missed() -> None:
    missed = re.findall(r'absent\(up\{job="mailroom", function="([\w-]+)"', alerts()["MailroomFunctionDown"]["expr"])
    assert tuple(missed) == FUNCTIONS


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    document, anchor = rule["annotations"]["runbook"].split("#")
    assert document == "docs/operations.md"
    assert anchor in anchors(document)
    assert name in (ROOT / document).read_text()
