"""The commands in k8s/: each reads the settings in .env, so that none goes back to a default."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """
- image: ghcr.io/mailroom/invoices:0.1.0
- image: ghcr.io/mailroom/minio:0.1.0
- image: mongo:8.0
- image: axllent/mailpit:v1.27
- image: caddy:2.10.2-alpine
"""
KUBECTL = """#!/bin/sh
case $* in
  kustomize*) cat manifest ;;
  *apply*) cat >applied ;;
esac
echo "$*" >>calls
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The commands in a repository of their own, with programs that write down how they are called."""
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s", ignore=shutil.ignore_patterns("secrets"))
    (tmp_path / "compose").mkdir()
    shutil.copy(ROOT / "compose/dotenv", tmp_path / "compose")
    (tmp_path / "bin").mkdir()
    (tmp_path / "manifest").write_text(MANIFEST)
    for name, text in {"kubectl": KUBECTL, "faas-cli": '#!/bin/sh\necho "$REGISTRY $TAG $SMTP_TLS $*"\n'}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(folder: Path, *words: str, **variables: str) -> str:
    environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}", **variables}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def images(folder: Path) -> list[str]:
    return [line.removeprefix("- image: ") for line in (folder / "applied").read_text().split("\n") if line]


def test_the_images_of_an_overlay_are_those_of_the_file_of_settings(folder: Path) -> None:
    run(folder, "k8s/apply", "dev")
    assert images(folder) == [line.removeprefix("- image: ") for line in MANIFEST.split("\n") if line]
    (folder / ".env").write_text("REGISTRY=registry.example.com/a-team\nTAG=7    # new\nMONGO_IMAGE=mirror/mongo:8\n")
    run(folder, "k8s/apply", "dev")
    ours = ["registry.example.com/a-team/invoices:7", "registry.example.com/a-team/minio:7"]
    assert images(folder) == [*ours, "mirror/mongo:8", "axllent/mailpit:v1.27", "caddy:2.10.2-alpine"]
    run(folder, "k8s/apply", "dev", TAG="8", MINIO_IMAGE="mirror/minio:9")
    assert images(folder)[:2] == ["registry.example.com/a-team/invoices:8", "mirror/minio:9"]


def test_an_overlay_is_set_up_anew_each_time(folder: Path) -> None:
    run(folder, "k8s/apply", "dev")
    kustomize, delete, servers, wait, everything = (folder / "calls").read_text().splitlines()
    assert kustomize == "kustomize k8s/overlays/dev"
    assert "delete job --selector app=setup" in delete
    assert servers == "apply --selector role notin (api, worker) --filename -"
    assert "job --selector app=setup" in wait
    assert everything == "apply --filename -"  # new functions only after the set-up


def test_an_apply_says_what_it_waits_for_and_what_became_of_it(folder: Path) -> None:
    kubectl = folder / "bin/kubectl"
    kubectl.write_text('#!/bin/sh\n[ "$3" = wait ] && exit 1\n' + KUBECTL.removeprefix("#!/bin/sh\n"))
    (folder / ".env").write_text("SETUP_SECONDS=7\n")
    environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        ["k8s/apply", "dev"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "waits up to 7 s for the set-up" in done.stdout
    assert "SETUP_SECONDS" in done.stderr
    *_, pods, logs = (folder / "calls").read_text().splitlines()
    assert "get pods" in pods
    assert "logs --selector app=setup" in logs


def test_functions_are_deployed_again_with_the_settings_they_have(folder: Path) -> None:
    (folder / ".env").write_text("REGISTRY=registry.example.com\nTAG=7\nSMTP_TLS=off\n")
    for _ in range(2):
        assert (
            run(folder, "k8s/faas-cli", "deploy", "--filter", "in*")
            == "registry.example.com 7 off deploy --filter in*\n"
        )
