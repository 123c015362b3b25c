"""A real Prometheus, which scrapes the functions of a local stack."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
import yaml

from tests.support.ports import free_port
from tests.support.waiting import eventually

SCRAPE_SECONDS = 7  # a page of metrics waits up to six seconds for the servers


class Prometheus:
    """Runs `prometheus` in a folder, within `with`."""

    def __init__(self, folder: Path, metrics: Mapping[str, str], rules: str) -> None:
        """`metrics` are the addresses of the functions' metrics, `rules` the text of the file of rules."""
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        (folder / "rules.yml").write_text(rules)
        targets = [{"targets": [urlsplit(url).netloc], "labels": {"function": name}} for name, url in metrics.items()]
        times = {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": "1s"}
        config = {
            "global": times,
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": "mailroom", "scrape_timeout": f"{SCRAPE_SECONDS}s", "static_configs": targets}
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Prometheus:
        command = [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={urlsplit(self.url).netloc}",
        ]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._is_ready, what="Prometheus")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def query(self, expression: str) -> list[Mapping[str, Any]]:
        """The series of an expression at this moment."""
        answer = urllib3.request("GET", f"{self.url}/api/v1/query", fields={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        result = answer["data"]["result"]
        return result if answer["data"]["resultType"] == "vector" else [{"value": result}]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {each["metric"]["alertname"] for each in self.query('ALERTS{alertstate="firing"}')}

    def alerts(self) -> str:
        """Every alert that is pending or fires, for a message of a test."""
        return json.dumps([each["metric"] for each in self.query("ALERTS")])

    def _is_ready(self) -> bool:
        try:
            return urllib3.request("GET", f"{self.url}/-/ready", timeout=2, retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False
