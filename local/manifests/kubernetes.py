"""`python -m local.manifests.kubernetes`: prints a Deployment and a Service for each function of stack.yml.

The output is kept as k8s/components/functions/functions.yaml. A test fails when that file is out of date.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.stack_file import substitute

ROOT = Path(__file__).parents[2]
HEADER = "# Made from stack.yml by `python -m local.manifests.kubernetes`. Change it there.\n"
PORT = 8080
# of-watchdog's healthcheck_interval, 25 s to drain, 5 s to close and end.
GRACE_SECONDS = 35
# There is no gateway with an asynchronous route, so a kick calls the function itself.
KICK_URL = f"http://{{function}}:{PORT}/"


def main() -> int:
    # Only the defaults: overlays change them, and the output must not depend on who runs this.
    document = yaml.safe_load(substitute((ROOT / "stack.yml").read_text(encoding="utf-8"), {}))
    functions = document["functions"].items()
    manifests = [each for name, entry in functions for each in (deployment(name, entry), service(name))]
    sys.stdout.write(HEADER + yaml.safe_dump_all(manifests, sort_keys=False, width=120))
    return 0


def labels(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Network policies select by `role`. A function with a schedule is a worker."""
    return {"app": name, "role": "worker" if "schedule" in entry.get("annotations", {}) else "api"}


def deployment(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    marks = labels(name, entry)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {**marks}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": {**marks}}, "spec": _pod(entry)},
        },
    }


def service(name: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": PORT, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def _pod(entry: Mapping[str, Any]) -> dict[str, Any]:
    sources = [{"secret": {"name": name, "items": [{"key": name, "path": name}]}} for name in entry["secrets"]]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(entry)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "secrets", "projected": {"sources": sources}},
        ],
    }


def _container(entry: Mapping[str, Any]) -> dict[str, Any]:
    environment = {**entry["environment"], "KICK_URL": KICK_URL}
    return {
        "name": "function",
        "image": entry["image"],
        "env": [{"name": key, "value": "" if value is None else str(value)} for key, value in environment.items()],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/_/ready", "port": "http"}, "periodSeconds": 2},
        "livenessProbe": {
            "httpGet": {"path": "/_/health", "port": "http"},
            "initialDelaySeconds": 5,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
        },
        "resources": {"requests": dict(entry["requests"]), "limits": dict(entry["limits"])},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": bool(entry["readonly_root_filesystem"]),
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # nosec B108 - in the container
            {"name": "secrets", "mountPath": "/var/openfaas/secrets", "readOnly": True},
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
