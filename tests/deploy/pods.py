"""Pods of the tests, beside those of an overlay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLEEP = "import time; time.sleep(600)"
# Prints the names of the addresses, `{name: URL}`, that show metrics.
READ = """
import concurrent.futures, json, sys, urllib.request
def shown(url):
    try:
        return b"function_calls_in_flight" in urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        return False
addresses = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps([name for name, found in zip(addresses, pool.map(shown, addresses.values())) if found]))
"""


def python_pod(image: str, name: str, namespace: str, labels: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """A pod that runs Python, as Pod Security `restricted` wants it."""
    container = {
        "name": name,
        "image": image,
        "command": ["python", *arguments],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    user = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "securityContext": user,
            "containers": [container],
        },
    }
