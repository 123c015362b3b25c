"""The name of the set-up Job comes from its content: a Job cannot be changed, and an apply must be repeatable."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [
    pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl, which has kustomize"),
    pytest.mark.xdist_group("deploy"),
]

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = sorted(folder.name for folder in (ROOT / "k8s/overlays").iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the manifests, which a test may change."""
    for name in ("k8s", "compose"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("secrets"))
    return tmp_path


def setup_job(folder: Path, overlay: str, **own: Any) -> dict[str, Any]:
    """The set-up Job of an operator's own overlay on top of one of ours."""
    mine = folder / "k8s/overlays/mine"
    mine.mkdir(exist_ok=True)
    (mine / "kustomization.yaml").write_text(json.dumps({"resources": [f"../{overlay}"], **own}))
    built = subprocess.run(["kubectl", "kustomize", str(mine)], capture_output=True, text=True, check=True)
    [job] = (each for each in yaml.safe_load_all(built.stdout) if each["kind"] == "Job")
    assert isinstance(job, dict)
    return job


def name(job: dict[str, Any]) -> str:
    return str(job["metadata"]["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_changed_job_has_another_name_and_an_unchanged_one_the_same(overlay: str, folder: Path) -> None:
    job = setup_job(folder, overlay)
    assert name(job).startswith("setup-")
    assert name(setup_job(folder, overlay)) == name(job)
    assert not [each for each in job["metadata"]["annotations"] if "kustomize" in each or "internal" in each]

    released = [{"name": "ghcr.io/mailroom/invoices", "newName": "registry.example.com/invoices", "newTag": "7"}]
    setting = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "A", "value": "b"}}]
    changes: list[dict[str, Any]] = [
        {"images": released},
        {"patches": [{"target": {"kind": "Job", "name": "setup"}, "patch": json.dumps(setting)}]},
    ]
    names = [name(setup_job(folder, overlay, **change)) for change in changes]
    assert len({name(job), *names}) == 3


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_changed_step_before_the_set_up_leaves_the_job_as_it_is(overlay: str, folder: Path) -> None:
    before = setup_job(folder, overlay)
    with (folder / "compose/prepare.py").open("a") as steps:
        steps.write("# changed\n")
    # The same name with anything else in it would be refused.
    assert setup_job(folder, overlay) == before
