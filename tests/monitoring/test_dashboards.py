"""Grafana's dashboards have the structure that Grafana reads. Grafana itself was not there to try them."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "compose/monitoring"
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((MONITORING / "dashboards").glob("*.json"))}
COLUMNS = 24


def cells(place: dict[str, int]) -> set[tuple[int, int]]:
    across, down = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return {(x, y) for x in across for y in down}


def test_the_four_dashboards_are_there() -> None:
    assert set(DASHBOARDS) == {f"mailroom-{name}" for name in ("overview", "importer", "mail", "functions")}
    config = yaml.safe_load((MONITORING / "kustomization.yaml").read_text())
    files = next(each["files"] for each in config["configMapGenerator"] if each["name"] == "mailroom-dashboards")
    assert sorted(files) == [f"dashboards/{name}.json" for name in DASHBOARDS]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_whole(name: str) -> None:
    dashboard: dict[str, Any] = DASHBOARDS[name]
    assert dashboard["uid"] == name
    assert isinstance(dashboard["schemaVersion"], int)
    [variable] = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in {"timeseries", "stat", "table"}
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS
    for first, second in combinations(panels, 2):
        assert not cells(first["gridPos"]) & cells(second["gridPos"]), (first["title"], second["title"])


def test_compose_gives_grafana_what_it_reads() -> None:
    compose = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.yml").read_text()))
    grafana, prometheus = (compose["services"][name] for name in ("grafana", "prometheus"))
    mounts = dict(each.split(":")[:2] for each in grafana["volumes"])
    assert all((ROOT / path).exists() for path in mounts if path.startswith("./"))
    [source] = yaml.safe_load((MONITORING / "grafana/datasources.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert set(grafana["networks"]) & set(prometheus["networks"])
    [provider] = yaml.safe_load((MONITORING / "grafana/dashboards.yml").read_text())["providers"]
    assert mounts["./compose/monitoring/dashboards"] == provider["options"]["path"]
    assert provider["options"]["path"] in grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
