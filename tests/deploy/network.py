"""Pods that stand for the real ones, with the network policies of an overlay: who reaches which port of whom."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.deploy.cluster import ROOT, run

# Every pod listens on all of these.
PORTS = (22, 25, 443, 587, 993, 1025, 4222, 8025, 8080, 8082, 9000, 9090, 9464, 27017)
LISTEN = f"""
import selectors, socket
selector = selectors.DefaultSelector()
for port in {PORTS}:
    selector.register(socket.create_server(("", port)), selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        key.fileobj.accept()[0].close()
"""
CONNECT = """
import concurrent.futures, json, socket, sys
def reached(address):
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        return False
    return True
addresses = json.load(sys.stdin)
with concurrent.futures.ThreadPoolExecutor(len(addresses)) as pool:
    json.dump(list(pool.map(reached, map(tuple, addresses))), sys.stdout)
"""


@dataclass
class Network:
    """Namespaces of their own. `names` says which one stands for the namespace of a manifest."""

    overlay: str
    listener: str = ""  # the overlay to which the component `listener` is added
    prefix: str = field(default_factory=lambda: f"mailroom-net-{secrets.token_hex(3)}")
    pods: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: namespace and address

    def namespace(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def apply(self, pods: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
        """Makes the policies, and pods: name, namespace and labels of each."""
        with tempfile.TemporaryDirectory() as folder:
            manifests = run("kubectl", "kustomize", str(self._write(Path(folder))))
        there = re.sub(
            r"\b(namespace|kubernetes.io/metadata.name): (mailroom|openfaas|openfaas-fn)$",
            rf"\1: {self.prefix}-\2",
            manifests,
            flags=re.MULTILINE,
        )
        policies = [each for each in yaml.safe_load_all(there) if each["kind"] == "NetworkPolicy"]
        namespaces = {each["metadata"]["namespace"] for each in policies} | {
            self.namespace(namespace) for namespace, _ in pods.values()
        }
        made = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(namespaces)]
        made += policies
        made += [self._pod(name, *where) for name, where in pods.items()]
        run("kubectl", "apply", "--filename", "-", given=yaml.safe_dump_all(made))
        for name, (namespace, _) in pods.items():
            there = self.namespace(namespace)
            run("kubectl", "--namespace", there, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
            address = run("kubectl", "--namespace", there, "get", "pod", name, "--output=jsonpath={.status.podIP}")
            self.pods[name] = there, address

    def _write(self, folder: Path) -> Path:
        """Writes the overlay as an operator does. Returns its folder."""
        for name in ("k8s", "compose"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("secrets", "environment"))
        overlays = folder / "k8s/overlays"
        if self.listener:
            file = overlays / self.listener / "kustomization.yaml"
            content = yaml.safe_load(file.read_text())
            content["components"].append("../" * (self.listener.count("/") + 2) + "components/listener")
            file.write_text(yaml.safe_dump(content))
        return overlays / self.overlay

    def _pod(self, name: str, namespace: str, labels: Mapping[str, str]) -> dict[str, object]:
        container = {
            "name": "listen",
            "image": os.environ["PYTHON_IMAGE"],
            "command": ["python3", "-c", LISTEN],
            "readinessProbe": {"tcpSocket": {"port": PORTS[-1]}, "periodSeconds": 1},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace(namespace), "labels": dict(labels)},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, "enableServiceLinks": False},
        }

    def reached(self) -> set[tuple[str, str, int]]:
        """From whom, to whom, on which port."""
        with ThreadPoolExecutor(4) as pool:
            return {each for found in pool.map(self._reached_from, self.pods) for each in found}

    def _reached_from(self, source: str) -> Iterable[tuple[str, str, int]]:
        asked = [(name, port) for name in self.pods if name != source for port in PORTS]
        addresses = json.dumps([(self.pods[name][1], port) for name, port in asked])
        command = ["kubectl", "--namespace", self.pods[source][0], "exec", "--stdin", source, "--"]
        answers = json.loads(run(*command, "python3", "-c", CONNECT, given=addresses))
        return [(source, *each) for each, answer in zip(asked, answers, strict=True) if answer]

    def remove(self) -> None:
        names = sorted({namespace for namespace, _ in self.pods.values()})
        run("kubectl", "delete", "namespace", "--wait=false", "--ignore-not-found", *names)
