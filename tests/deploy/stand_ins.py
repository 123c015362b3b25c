"""Images for the Compose stack where others stand for those of registries."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local import tools

PROMETHEUS = "mailroom/prometheus:test"
MINIO = "mailroom/minio:test"
FOLDER = Path(__file__).parent


def stand_ins(environment: Mapping[str, str]) -> dict[str, str]:
    """The images of Prometheus and MinIO, by variable. None where the images are those of registries."""
    made: dict[str, str] = {}
    if environment.get("MINIO_IMAGE"):
        made["MINIO_IMAGE"] = _minio(environment["MINIO_IMAGE"])
    if environment.get("PYTHON_IMAGE") and not environment.get("PROMETHEUS_IMAGE"):
        made["PROMETHEUS_IMAGE"] = _prometheus(environment["PYTHON_IMAGE"])
    return made


def _minio(image: str) -> str:
    """MinIO as `compose/minio/Dockerfile` builds it, which takes minutes: here `make local` has built the program."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(tools.minio(), Path(folder) / "minio")
        (Path(folder) / "Dockerfile").write_text(f"FROM {image}\nCOPY --chmod=755 minio /usr/bin/minio\n")
        _build(folder, MINIO)
    return MINIO


def _prometheus(base: str) -> str:
    _build(str(FOLDER / "prometheus"), PROMETHEUS, "--build-arg", f"PYTHON_IMAGE={base}")
    return PROMETHEUS


def _build(folder: str, tag: str, *options: str) -> None:
    command = ["docker", "build", "--quiet", *options, "--tag", tag, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
