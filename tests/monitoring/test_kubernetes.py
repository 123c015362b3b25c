"""The components for Kubernetes bring the rules and dashboards, and Prometheus takes what they make."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.rules import RULES

ROOT = Path(__file__).parents[2]
COMPONENTS = ROOT / "k8s/components"


def made(component: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What kustomize makes of an overlay with this component only, by kind and name."""
    if not shutil.which("kubectl"):
        if os.environ.get("MAILROOM_REQUIRE_CLUSTER") == "1":
            pytest.fail("there is no kubectl, and MAILROOM_REQUIRE_CLUSTER is set")
        pytest.skip("there is no kubectl")
    overlay = {"namespace": "mailroom", "components": [os.path.relpath(COMPONENTS / component, folder.resolve())]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {f"{each['kind']} {each['metadata']['name']}": each for each in yaml.safe_load_all(done.stdout)}


def check(command: str, file: Path, content: object) -> None:
    file.write_text(yaml.safe_dump(content))
    checked = subprocess.run(
        ["promtool", "check", *command.split(), str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_any_prometheus_gets_rules_dashboards_and_a_job(tmp_path: Path, prometheus_installed: None) -> None:
    resources = made("monitoring", tmp_path)
    config = {f"ConfigMap mailroom-{name}" for name in ("rules", "dashboards", "scrape")}
    assert set(resources) == {*config, "NetworkPolicy prometheus-to-the-api-server"}
    assert resources["ConfigMap mailroom-rules"]["data"] == {"rules.yml": RULES.read_text()}
    assert resources["ConfigMap mailroom-dashboards"]["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert len(resources["ConfigMap mailroom-dashboards"]["data"]) == 4
    scrape = yaml.safe_load(resources["ConfigMap mailroom-scrape"]["data"]["scrape.yml"])
    [job] = scrape["scrape_configs"]
    assert job.pop("kubernetes_sd_configs")  # Debian builds Prometheus without it
    check("config --syntax-only", tmp_path / "prometheus.yml", scrape)


def test_the_operator_gets_a_pod_monitor_and_the_rules(tmp_path: Path, prometheus_installed: None) -> None:
    resources = made("monitoring-operator", tmp_path)
    rule = resources["PrometheusRule mailroom"]
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    check("rules", tmp_path / "rules.yml", rule["spec"])
    monitor = resources["PodMonitor mailroom"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    pods = [
        each["spec"]["template"]
        for each in yaml.safe_load_all((COMPONENTS / "functions/functions.yaml").read_text())
        if each["kind"] == "Deployment"
    ]
    [selected] = monitor["spec"]["selector"]["matchExpressions"]
    for pod in pods:
        assert pod["metadata"]["labels"][selected["key"]] in selected["values"]
        [container] = pod["spec"]["containers"]
        assert endpoint["port"] in {port["name"] for port in container["ports"]}
    # Each of these labels is one that the rules ask for.
    assert {each["targetLabel"] for each in endpoint["relabelings"]} == {"job", "function"}
