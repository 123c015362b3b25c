"""The digest of a tag, from the registry of distribution/distribution, of which most others are made."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from local.pins.reference import Reference
from local.pins.registry import RegistryError, digest
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

MODULE = Path(__file__).parent / "registry"
CONFIG = """
version: 0.1
storage: {inmemory: {}}
http: {addr: "127.0.0.1:PORT"}
"""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = b"{}"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The registry as a process. Go builds it once, from its pinned module."""
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "config.yml").write_text(CONFIG.replace("PORT", str(port)))
    environment = {**os.environ, "GOFLAGS": "", "CGO_ENABLED": "0", "GOWORK": "off", "OTEL_TRACES_EXPORTER": "none"}
    binary = folder / "registry"
    build = ["go", "build", "-mod=readonly", "-trimpath", "-o", str(binary), "."]
    subprocess.run(build, cwd=MODULE, env=environment, check=True)
    with (folder / "log").open("w") as log:
        serve = [str(binary), "serve", str(folder / "config.yml")]
        process = subprocess.Popen(serve, env=environment, stdout=log, stderr=log)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/v2/"), what=f"the registry, see {folder / 'log'}")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(host: str, name: str, tag: str) -> tuple[str, str]:
    """Pushes an image for two platforms. Returns the digests of its index and of the manifest of a platform."""
    url = f"http://{host}/v2/{name}"
    begun = urllib3.request("POST", f"{url}/blobs/uploads/")
    place = begun.headers["Location"]
    separator = "&" if "?" in place else "?"
    assert urllib3.request("PUT", f"{place}{separator}digest={sha256(EMPTY)}", body=EMPTY).status == 201
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(EMPTY), "size": len(EMPTY)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}).encode()
    put(f"{url}/manifests/{sha256(manifest)}", manifest, MANIFEST)
    described = {"mediaType": MANIFEST, "digest": sha256(manifest), "size": len(manifest)}
    platforms = [{**described, "platform": {"os": "linux", "architecture": each}} for each in ("amd64", "arm64")]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}).encode()
    put(f"{url}/manifests/{tag}", index, INDEX)
    return sha256(index), sha256(manifest)


def put(url: str, content: bytes, kind: str) -> None:
    answer = urllib3.request("PUT", url, body=content, headers={"Content-Type": kind})
    assert answer.status == 201, answer.data


def test_the_digest_is_that_of_the_index_which_holds_for_every_platform(host: str) -> None:
    index, manifest = push(host, "library/mongo", "8.0")
    assert index != manifest
    assert digest(Reference.parse(f"{host}/library/mongo:8.0")) == index


def test_a_tag_that_is_not_there_is_named(host: str) -> None:
    push(host, "library/mongo", "8.0")
    with pytest.raises(RegistryError, match=r"/library/mongo:9\.0: .* answers 404: there is no such image"):
        digest(Reference.parse(f"{host}/library/mongo:9.0"))
