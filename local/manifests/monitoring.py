"""`python -m local.manifests.monitoring`: makes the files for Grafana and for Prometheus' operator.

compose/monitoring/dashboards/*.json come from dashboards.yml beside them, the PrometheusRule of
k8s/components/monitoring-operator from compose/monitoring/rules.yml. A test fails when one of them is out of date.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.stack_file import ROOT

MONITORING = Path("compose/monitoring")
RULE = Path("k8s/components/monitoring-operator/rules.yaml")
HEADER = "# Made from compose/monitoring/rules.yml by `python -m local.manifests.monitoring`. Change it there.\n"
COLUMNS = 24
HEIGHT = 8
# Whoever opens a dashboard chooses the source; the first one is that of the provisioning.
SOURCE = {"type": "prometheus", "uid": "${source}"}
VARIABLE = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
KINDS = {"lines": "timeseries", "stat": "stat", "table": "table"}


def main() -> None:
    for path, text in files(ROOT).items():
        (ROOT / path).write_text(text, encoding="utf-8")


def files(root: Path) -> dict[Path, str]:
    """The text of each file that is made."""
    described = yaml.safe_load((root / MONITORING / "dashboards.yml").read_text(encoding="utf-8"))
    made = {
        MONITORING / "dashboards" / f"{uid}.json": json.dumps(dashboard(uid, each), indent=2) + "\n"
        for uid, each in described.items()
    }
    return {**made, RULE: rule((root / MONITORING / "rules.yml").read_text(encoding="utf-8"))}


def rule(rules: str) -> str:
    """The rules as a resource of Prometheus' operator."""
    groups = "".join(f"  {line}\n" if line else "\n" for line in rules[rules.index("groups:") :].splitlines())
    return (
        f"{HEADER}apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n"
        f"metadata: {{name: mailroom}}\nspec:\n{groups}"
    )


def dashboard(uid: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard in Grafana's JSON."""
    panels: list[dict[str, Any]] = []
    x = y = 0
    for number, each in enumerate(described["panels"], start=1):
        width = each.get("width", COLUMNS // 4 if each.get("kind") == "stat" else COLUMNS // 2)
        if x + width > COLUMNS:
            x, y = 0, y + HEIGHT
        panels.append(panel(number, each, {"h": HEIGHT, "w": width, "x": x, "y": y}))
        x += width
    return {
        "uid": uid,
        "title": described["title"],
        "tags": ["mailroom"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [VARIABLE]},
        "links": [{"type": "dashboards", "tags": ["mailroom"], "title": "Mailroom", "asDropdown": False}],
        "panels": panels,
    }


def panel(number: int, described: Mapping[str, Any], place: Mapping[str, int]) -> dict[str, Any]:
    """A panel, and its queries. Of lines, Grafana asks for a span of time; of others, for the moment."""
    kind = described.get("kind", "lines")
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend or "__auto",
            "instant": kind != "lines",
            "range": kind == "lines",
            **({"format": "table"} if kind == "table" else {}),
        }
        for index, (legend, query) in enumerate(described["queries"].items())
    ]
    return {
        "id": number,
        "title": described["title"],
        "description": described.get("text", ""),
        "type": KINDS[kind],
        "datasource": SOURCE,
        "gridPos": dict(place),
        "fieldConfig": {"defaults": {"unit": described.get("unit", "short"), "min": 0}, "overrides": []},
        "targets": targets,
    }


if __name__ == "__main__":
    main()
