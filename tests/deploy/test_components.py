"""Components for an operator's overlay: an API server that has their types takes them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.cluster import ROOT, run
from tests.support.waiting import eventually

pytestmark = [pytest.mark.xdist_group("deploy"), pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl")]

GATEWAY_API = ("sigs.k8s.io/gateway-api@v1.4.0", "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=")
EXTERNAL_SECRETS = (
    "github.com/external-secrets/external-secrets@v1.3.2",
    "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
)
# Where the types are in a Go module, by the name of the type on the cluster.
TYPES = {
    "gateways.gateway.networking.k8s.io": (
        GATEWAY_API,
        "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
    ),
    "httproutes.gateway.networking.k8s.io": (
        GATEWAY_API,
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    "externalsecrets.external-secrets.io": (
        EXTERNAL_SECRETS,
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
}
KINDS = {
    "ingress": {"Ingress"},
    "gateway-api": {"Gateway", "HTTPRoute"},
    "external-secrets": {"ExternalSecret"},
}


def download(module: str, checksum: str) -> Path:
    """The folder of a Go module, of exactly that content. A registry may refuse for a moment."""
    environment = {**os.environ, "GOFLAGS": "", "GOWORK": "off"}
    words = ["go", "mod", "download", "-json", module]

    def downloaded() -> dict[str, str] | None:
        done = subprocess.run(words, cwd="/", env=environment, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr)
        return json.loads(done.stdout) if done.returncode == 0 else None

    found = eventually(downloaded, what=module)
    assert found["Sum"] == checksum
    return Path(found["Dir"])


def with_component(folder: Path, component: str) -> list[dict[str, Any]]:
    """The manifests of an operator's overlay: `production` with a component more."""
    for name in ("k8s", "compose"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("secrets"), dirs_exist_ok=True)
    mine = folder / "k8s/overlays/mine"
    mine.mkdir(exist_ok=True)
    kustomization = {"resources": ["../production"], "components": [f"../../components/{component}"]}
    (mine / "kustomization.yaml").write_text(json.dumps({**kustomization, "namespace": "mailroom"}))
    return [each for each in yaml.safe_load_all(run("kubectl", "kustomize", str(mine))) if each]


def is_established(name: str) -> bool:
    """Whether the API server serves the type. `kubectl wait` fails as long as it has no conditions at all."""
    path = '{.status.conditions[?(@.type=="Established")].status}'
    return run("kubectl", "get", f"crd/{name}", "-o", f"jsonpath={path}") == "True"


@pytest.fixture(scope="module")
def types(cluster: None) -> Iterator[None]:
    """The types of the components on the cluster. Those that it had already stay as they are."""
    present = run("kubectl", "get", "customresourcedefinitions", "-o", "name")
    missing = [name for name in TYPES if f"/{name}\n" not in present]
    try:
        for name in missing:
            module, file = TYPES[name]
            run("kubectl", "apply", "--server-side", "-f", str(download(*module) / file))
            eventually(partial(is_established, name), what=name)
        yield
    finally:
        for name in missing:
            subprocess.run(["kubectl", "delete", "crd", name, "--ignore-not-found"], check=False)


@pytest.fixture
def namespace(cluster: None) -> Iterator[str]:
    name = f"mailroom-components-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", name)
    try:
        yield name
    finally:
        subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], check=False)


def take(namespace: str, manifests: list[dict[str, Any]]) -> None:
    """The API server checks every field, defaults and rules, and stores nothing."""
    here = [{**each, "metadata": {**each["metadata"], "namespace": namespace}} for each in manifests]
    run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-", given=yaml.safe_dump_all(here))


@pytest.mark.slow
@pytest.mark.parametrize("component", sorted(KINDS))
@pytest.mark.usefixtures("types")
def test_the_api_server_takes_the_component(component: str, namespace: str, tmp_path: Path) -> None:
    added = [each for each in with_component(tmp_path, component) if each["kind"] in KINDS[component]]
    assert {each["kind"] for each in added} == KINDS[component]
    take(namespace, added)
    mistaken = {each["kind"]: {**each, "spec": {**each["spec"], "mistake": 1}} for each in added}
    for each in mistaken.values():
        with pytest.raises(AssertionError, match="unknown field"):
            take(namespace, [each])


@pytest.mark.parametrize("component", ["ingress", "gateway-api"])
def test_the_way_in_leads_to_a_port_of_the_router(component: str, tmp_path: Path) -> None:
    manifests = with_component(tmp_path, component)
    [router] = (each for each in manifests if each["kind"] == "Service" and each["metadata"]["name"] == "router")
    ports = router["spec"]["ports"]
    if component == "ingress":
        [ingress] = (each for each in manifests if each["kind"] == "Ingress")
        [path] = ingress["spec"]["rules"][0]["http"]["paths"]
        backend = path["backend"]["service"]
        assert backend["port"]["name"] in [port["name"] for port in ports]
    else:
        [route] = (each for each in manifests if each["kind"] == "HTTPRoute")
        [backend] = route["spec"]["rules"][0]["backendRefs"]
        assert backend["port"] in [port["port"] for port in ports]
    assert backend["name"] == "router"


def test_the_ingress_lets_every_body_through_that_a_function_takes(tmp_path: Path) -> None:
    manifests = with_component(tmp_path, "ingress")
    [ingress] = (each for each in manifests if each["kind"] == "Ingress")
    size = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    pods = [each["spec"]["template"]["spec"] for each in manifests if each["kind"] == "Deployment"]
    settings = [setting for pod in pods for each in pod["containers"] for setting in each.get("env", [])]
    largest = max(int(each["value"]) for each in settings if each["name"] == "MAX_BODY_BYTES")
    assert int(size.removesuffix("m")) << 20 >= largest
