"""A registry of images that a test fills: the part of the distribution API that looks up manifests, with tokens.

It follows https://github.com/opencontainers/distribution-spec and asks for tokens in the way of Docker Hub and ghcr.io.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import http_server

INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Registry:
    """`manifests` has the bytes of each `NAME:TAG`."""

    manifests: dict[str, bytes] = field(default_factory=dict)
    asks_for_tokens: bool = False
    sends_digests: bool = True
    challenge: str = 'Bearer realm="http://{host}/token",service="test",scope="repository:{name}:pull"'
    calls: list[str] = field(default_factory=list)
    host: str = ""

    def add(self, name: str, tag: str) -> str:
        """Puts an image there. Returns its digest."""
        content = json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX, "annotations": {"name": f"{name}:{tag}"}}
        ).encode()
        self.manifests[f"{name}:{tag}"] = content
        return digest(content)

    def answer(self, method: str, target: str, headers: Any) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(target)
        self.calls.append(f"{method} {url.path}")
        if url.path == "/token":
            [scope], [service] = (parse_qs(url.query).get(each, [""]) for each in ("scope", "service"))
            return 200, {}, json.dumps({"token": f"{service} {scope}"}).encode()
        name, _, tag = url.path.removeprefix("/v2/").partition("/manifests/")
        if self.asks_for_tokens and headers["Authorization"] != f"Bearer test repository:{name}:pull":
            return 401, {"WWW-Authenticate": self.challenge.format(host=self.host, name=name)}, b"{}"
        content = self.manifests.get(f"{name}:{tag}")
        if content is None or INDEX not in headers["Accept"]:  # else it would send the manifest of one platform
            return 404, {}, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
        known = {"Docker-Content-Digest": digest(content)} if self.sends_digests else {}
        return 200, {"Content-Type": INDEX, **known}, content


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def serving(registry: Registry) -> Iterator[str]:
    """Serves the registry on 127.0.0.1. Yields its host and port."""
    with http_server.serving(lambda call: registry.answer(call.command, call.path, call.headers)) as registry.host:
        yield registry.host
