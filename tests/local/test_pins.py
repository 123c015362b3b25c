"""The images of images.env: one source, digests from a registry, and a check before a release."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.pins import images
from local.pins.reference import Reference
from local.pins.registry import RegistryError, digest
from tests.support.registry import Registry, serving
from tests.support.registry import digest as digest_of

ROOT = Path(__file__).parents[2]
COPIES = [path for pattern in images.USERS for path in ROOT.glob(pattern)]
SOME = f"sha256:{'0' * 64}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    with serving(made):
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that name images."""
    for path in (ROOT / "images.env", *COPIES):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


def pins(command: str, project: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "local.pins", command, "--root", str(project)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def move(project: Path, registry: Registry) -> dict[str, str]:
    """Takes all images from this registry. Returns the digest of each."""
    file, made = project / "images.env", {}
    for variable, image in images.read(project).items():
        file.write_text(file.read_text().replace(f"={image}\n", f"={registry.host}/{image.name}:{image.tag}\n"))
        made[variable] = registry.add(image.name, image.tag)
    return made


def test_every_copy_agrees_with_images_env() -> None:
    assert images.stale_copies(ROOT) == [], "run: python -m local.pins copies"


def test_every_image_that_is_pulled_is_in_images_env() -> None:
    ours = r"ghcr\.io/mailroom/|\$\{REGISTRY:-|mailroom/minio:|\$\{MINIO_IMAGE:-"
    known = {str(image) for image in images.read(ROOT).values()} | {f"${{{name}}}" for name in images.read(ROOT)}
    for path in COPIES:
        found = re.findall(
            r"(?:\bimage: |^FROM |^# syntax=|^COPY --from=|^ARG \w+_IMAGE=)([^\s,]+)", path.read_text(), re.M
        )
        plain = {re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", image) for image in found if not re.match(ours, image)}
        assert plain - known - {"watchdog", "build", "test"} == set(), path


def test_without_digests_an_image_is_not_fit_for_a_release(project: Path) -> None:
    assert (project / "images.env").read_text().count("\n# Digests: none.") == 1
    checked = pins("check", project)
    assert checked.returncode == 1
    assert "MONGO_IMAGE=mongo:8.0 has no digest" in checked.stderr


def test_digests_come_from_the_registry_into_the_file_and_its_copies(project: Path, registry: Registry) -> None:
    expected = move(project, registry)
    asked = pins("digests", project)
    assert asked.returncode == 0, asked.stderr
    assert {name: image.digest for name, image in images.read(project).items()} == expected
    text = (project / "images.env").read_text()
    assert "# Digests: none" not in text
    assert text.count("#") == (ROOT / "images.env").read_text().count("#")
    compose = (project / "docker-compose.yml").read_text()
    assert f"${{MONGO_IMAGE:-{registry.host}/mongo:8.0@{expected['MONGO_IMAGE']}}}" in compose
    checked = pins("check", project)
    assert checked.returncode == 0, checked.stderr


def test_a_tag_that_moved_gets_its_new_digest(project: Path, registry: Registry) -> None:
    move(project, registry)
    assert pins("digests", project).returncode == 0
    registry.manifests["mongo:8.0"] += b"\n"
    assert pins("digests", project).returncode == 0
    assert images.read(project)["MONGO_IMAGE"].digest == digest_of(registry.manifests["mongo:8.0"])


def test_an_image_that_is_not_there_changes_nothing(project: Path, registry: Registry) -> None:
    move(project, registry)
    del registry.manifests["mongo:8.0"]
    before = (project / "images.env").read_text()
    asked = pins("digests", project)
    assert asked.returncode == 1
    assert f"{registry.host}/mongo:8.0: {registry.host} answers 404: there is no such image" in asked.stderr
    assert (project / "images.env").read_text() == before


def test_a_copy_that_differs_is_not_fit_for_a_release(project: Path) -> None:
    file = project / "images.env"
    file.write_text(re.sub(r"^(\w+_IMAGE=\S+)$", rf"\1@{SOME}", file.read_text(), flags=re.MULTILINE))
    checked = pins("check", project)
    assert checked.returncode == 1
    names = ("docker-compose.yml", "template/python3-http/Dockerfile", "compose/minio/Dockerfile")
    manifests = ("router/router.yaml", "servers/mongo.yaml", "servers/mailpit.yaml")
    for name in (*names, *(f"k8s/components/{manifest}" for manifest in manifests)):
        assert f"{name} differs from images.env" in checked.stderr
    assert pins("copies", project).returncode == 0
    assert pins("check", project).returncode == 0
    assert f"ARG GO_IMAGE=golang:1.24-bookworm@{SOME}\n" in (project / "compose/minio/Dockerfile").read_text()
    assert f"image: mongo:8.0@{SOME}\n" in (project / "k8s/components/servers/mongo.yaml").read_text()


@pytest.mark.parametrize("name", ["mongo", "openfaas/of-watchdog"])
def test_a_registry_that_wants_a_token_gets_one(name: str, registry: Registry) -> None:
    registry.asks_for_tokens = True
    expected = registry.add(name, "1.2")
    assert digest(Reference.parse(f"{registry.host}/{name}:1.2")) == expected
    head = f"HEAD /v2/{name}/manifests/1.2"
    assert registry.calls == [head, "GET /token", head]


def test_a_registry_that_sends_no_digest_is_asked_for_the_manifest(registry: Registry) -> None:
    registry.sends_digests = False
    expected = registry.add("mongo", "8.0")
    assert digest(Reference.parse(f"{registry.host}/mongo:8.0")) == expected


def test_a_registry_that_wants_a_password_is_named(registry: Registry) -> None:
    registry.asks_for_tokens, registry.challenge = True, 'Basic realm="private"'
    with pytest.raises(RegistryError, match=r"mongo:8\.0: .* asks for a login"):
        digest(Reference.parse(f"{registry.host}/mongo:8.0"))


@pytest.mark.parametrize(
    ("text", "registry", "repository"),
    [
        ("mongo:8.0", "registry-1.docker.io", "library/mongo"),
        ("axllent/mailpit:v1.27", "registry-1.docker.io", "axllent/mailpit"),
        ("ghcr.io/openfaas/of-watchdog:0.11.3", "ghcr.io", "openfaas/of-watchdog"),
        ("localhost/mongo:8.0", "localhost", "mongo"),
        (f"registry:5000/a/b/c:1@{SOME}", "registry:5000", "a/b/c"),
    ],
)
def test_a_reference_names_registry_and_repository_as_in_docker(text: str, registry: str, repository: str) -> None:
    image = Reference.parse(text)
    assert (image.registry, image.repository, str(image)) == (registry, repository, text)


@pytest.mark.parametrize(
    "text", ["", "mongo", "mongo:", "mongo:8.0@sha256:12", f"mongo@{SOME}", "mongo:8 0", "a/../b:1"]
)
def test_a_text_that_is_no_image_with_a_tag_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME:TAG"):
        Reference.parse(text)
