"""kubeconform, strict: this API server knows every field of every manifest, with its type."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy import schemas

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy")]

ROOT = Path(__file__).resolve().parents[2]
MODULE = Path(__file__).parent / "kubeconform"
OVERLAYS = sorted(folder.name for folder in (ROOT / "k8s/overlays").iterdir())
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: mailpit}
spec: {selector: {app: mailpit}, ports: [{name: smtp, port: 25, targetPort: 1025}]}
"""


@pytest.fixture(scope="module")
def kubeconform(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command: the pinned program, with the schemas of the cluster."""
    folder = tmp_path_factory.mktemp("kubeconform")
    binary, types = folder / "kubeconform", folder / "types"
    types.mkdir()
    environment = {**os.environ, "GOFLAGS": "", "CGO_ENABLED": "0", "GOWORK": "off"}
    package = "github.com/yannh/kubeconform/cmd/kubeconform"
    build = ["go", "build", "-mod=readonly", "-trimpath", "-o", str(binary), package]
    subprocess.run(build, cwd=MODULE, env=environment, check=True)
    openapi = subprocess.run(["kubectl", "get", "--raw", "/openapi/v2"], capture_output=True, check=True).stdout
    schemas.write(json.loads(openapi), types)
    return [str(binary), "-strict", "-summary", "-schema-location", f"{types}/{schemas.LOCATION}"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_field_of_an_overlay_is_known(overlay: str, kubeconform: list[str]) -> None:
    kustomize = ["kubectl", "kustomize", str(ROOT / "k8s/overlays" / overlay)]
    manifests = subprocess.run(kustomize, capture_output=True, text=True, check=True).stdout
    checked = subprocess.run(kubeconform, input=manifests, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    resources = manifests.count("\n---\n") + 1
    assert f"Valid: {resources}, Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("selector: {app: mailpit}", "selectors: {app: mailpit}"),
        ("targetPort: 1025", "target: 1025"),
        ("port: 25", "port: smtp"),
        ("name: smtp", "name: [smtp]"),
        ("apiVersion: v1", "apiVersion: v2"),
    ],
)
def test_a_mistake_is_found(right: str, wrong: str, kubeconform: list[str]) -> None:
    for manifest, valid in ((SERVICE, True), (SERVICE.replace(right, wrong), False)):
        checked = subprocess.run(kubeconform, input=manifest, capture_output=True, text=True, check=False)
        assert (checked.returncode == 0) is valid, checked.stdout + checked.stderr
