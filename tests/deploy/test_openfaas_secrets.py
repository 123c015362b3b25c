"""k8s/create-secrets makes secrets that OpenFaaS lists, changes and mounts; `make doctor WAY=openfaas` finds them."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.doctor import checks
from tests.deploy.cluster import ROOT, run
from tests.support.openfaas import gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy"), pytest.mark.usefixtures("cluster")]

# faas-netes, pkg/k8s/secrets.go: the only secrets that it lists.
SELECTOR = "app.kubernetes.io/managed-by=openfaas"


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"mailroom-secrets-{secrets.token_hex(3)}"
    yield name
    subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false", "--ignore-not-found"], check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run("compose/make-secrets", str(tmp_path / "secrets"))
    return tmp_path / "secrets"


def selected(namespace: str) -> dict[str, dict[str, Any]]:
    """The secrets that faas-netes sees, by name."""
    found = run("kubectl", "--namespace", namespace, "get", "secrets", "--selector", SELECTOR, "--output", "json")
    return {each["metadata"]["name"]: each for each in json.loads(found)["items"]}


def answered(namespace: str, path: str) -> list[dict[str, str]]:
    """What faas-netes answers on this cluster. Before a deployment it has no functions."""
    return [{"name": name, "namespace": namespace} for name in selected(namespace)] if "secrets" in path else []


def test_openfaas_lists_the_secrets_and_doctor_is_content(namespace: str, folder: Path) -> None:
    run("k8s/create-secrets", "--openfaas", namespace, str(folder))
    found = selected(namespace)
    assert sorted(found) == checks.secret_names()
    # Each key becomes a file of that name.
    assert {name: [*each.get("data", {})] for name, each in found.items()} == {name: [name] for name in found}
    with gateway(lambda path: answered(namespace, path)) as url:
        assert [each.fix for each in checks.openfaas(url, "password") if each.fix] == []
        run(
            "kubectl",
            "--namespace",
            namespace,
            "label",
            "secret",
            "mailroom-webhook-token",
            SELECTOR.split("=")[0] + "-",
        )
        [lacking] = [each for each in checks.openfaas(url, "password") if each.fix]
    assert "mailroom-webhook-token" in lacking.text
    assert lacking.fix == "k8s/create-secrets --openfaas openfaas-fn k8s/secrets"


def test_a_secret_of_before_gets_the_label_and_its_new_value(namespace: str, folder: Path) -> None:
    run("k8s/create-secrets", namespace, str(folder), "mailroom-webhook-token")
    assert selected(namespace) == {}
    (folder / "mailroom-webhook-token").write_text("new")
    run("k8s/create-secrets", "--openfaas", namespace, str(folder), "mailroom-webhook-token")
    assert selected(namespace)["mailroom-webhook-token"]["data"] == {"mailroom-webhook-token": "bmV3"}


def test_a_missing_file_is_named_before_anything_is_made(namespace: str, folder: Path) -> None:
    (folder / "mailroom-s3-secret-key").unlink()
    command = [ROOT / "k8s/create-secrets", "--openfaas", namespace, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{folder}/mailroom-s3-secret-key" in done.stderr
    assert subprocess.run(["kubectl", "get", "namespace", namespace], capture_output=True, check=False).returncode
