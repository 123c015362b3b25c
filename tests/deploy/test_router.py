"""The router of Compose and Kubernetes by itself: Caddy with our Caddyfile, in front of a server of the test."""

import os
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import urllib3

from local.pins import images
from tests.deploy.cluster import ROOT, run
from tests.support.http_server import Answer, serving
from tests.support.ports import free_port
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def caddy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that is on PATH, or that of the image."""
    if found := shutil.which("caddy"):
        return Path(found)
    request.getfixturevalue("docker")
    program = tmp_path_factory.mktemp("caddy") / "caddy"
    image = os.environ.get("CADDY_IMAGE") or str(images.read(ROOT)["CADDY_IMAGE"])
    container = run("docker", "create", image).strip()
    try:
        run("docker", "cp", f"{container}:/usr/bin/caddy", str(program))
    finally:
        run("docker", "rm", container)
    return program


def forwarded(request: BaseHTTPRequestHandler) -> Answer:
    return 200, {}, request.headers.get("X-Forwarded-For", "").encode()


@pytest.mark.parametrize(
    ("trusted", "told", "seen"),
    [
        (None, "192.0.2.7", "127.0.0.1"),
        ("", "192.0.2.7", "127.0.0.1"),
        ("10.0.0.0/8", "192.0.2.7", "127.0.0.1"),
        ("127.0.0.1 10.0.0.0/8", "192.0.2.7", "192.0.2.7"),
        ("private_ranges", "2001:db8::7", "2001:db8::7"),
        ("private_ranges", "198.51.100.1, 192.0.2.7", "192.0.2.7"),  # the first is what the caller claims
        ("private_ranges", "192.0.2.7, 10.1.2.3", "192.0.2.7"),  # two proxies
        ("private_ranges", None, "127.0.0.1"),
    ],
)
def test_a_function_learns_the_address_of_the_caller_from_a_proxy_that_is_trusted(
    caddy: Path, tmp_path: Path, trusted: str | None, told: str | None, seen: str
) -> None:
    port, file = free_port(), tmp_path / "Caddyfile"
    environment = {name: value for name, value in os.environ.items() if name not in ("TRUSTED_PROXIES", "FUNCTIONS")}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    environment |= {} if trusted is None else {"TRUSTED_PROXIES": trusted}
    with serving(forwarded) as upstream:
        text = (ROOT / "compose/Caddyfile").read_text()
        file.write_text(text.replace("\n:8080 {", f"\n:{port} {{").replace("{re.name.1}:8080", upstream))
        command = [str(caddy), "run", "--config", str(file), "--adapter", "caddyfile"]
        with (
            subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as router,
            urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=20, retries=False) as pool,
        ):
            try:
                eventually(lambda: _answers(pool))
                headers = {} if told is None else {"X-Forwarded-For": told}
                assert pool.request("GET", "/function/invoices/", headers=headers).data.decode() == seen
            finally:
                router.kill()


def _answers(pool: urllib3.HTTPConnectionPool) -> bool:
    try:
        return pool.request("GET", "/healthz").status == 200
    except urllib3.exceptions.HTTPError:
        return False
