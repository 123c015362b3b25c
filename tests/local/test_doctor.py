"""`make doctor` names what is wrong and how to fix it. Each test breaks something real."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from local.doctor import checks
from mailroom.services import Services
from tests.conftest import Addresses
from tests.support import http_server
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def serving(answers: dict[str, tuple[int, object]]) -> Iterator[str]:
    """Serves these paths, with a login. Returns the URL."""

    def answer(call: BaseHTTPRequestHandler) -> http_server.Answer:
        status, body = answers.get(call.path.partition("?")[0], (404, "?"))
        if "Authorization" not in call.headers and status == 200:
            status = 401
        return status, {}, json.dumps(body).encode()

    with http_server.serving(answer) as host:
        yield f"http://{host}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Secrets as `make up` makes them."""
    subprocess.run([ROOT / "compose/make-secrets", tmp_path / "secrets"], check=True)
    return tmp_path / "secrets"


def test_with_the_generated_secrets_nothing_is_missing(folder: Path) -> None:
    assert not checks.secrets(folder).fix


@pytest.mark.parametrize("name", ["mailroom-mongodb-uri", "minio.env", "backup-s3-secret-key"])
@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_secret_is_named(folder: Path, name: str, empty: bool) -> None:
    (folder / name).unlink()
    if empty:
        (folder / name).touch()
    finding = checks.secrets(folder)
    assert name in finding.text
    assert "make up" in finding.fix


def test_a_gateway_that_does_not_answer_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    finding = checks.gateway(url)
    assert url in finding.text
    assert "GATEWAY" in finding.fix


def test_another_server_is_no_gateway(addresses: Addresses) -> None:
    finding = checks.gateway(addresses.s3_endpoint)
    assert "and not 401" in finding.text
    assert "no gateway of Mailroom" in finding.fix


def test_a_console_that_is_not_served_is_named() -> None:
    with serving({}) as url:
        finding = checks.console(url)
    assert "/function/console/sign-in answers 404" in finding.text
    assert "FUNCTIONS" in finding.fix


@pytest.mark.parametrize(("prefix", "shown"), [("/pages", "/pages/sign-in"), ("/", "/sign-in")])
def test_a_console_is_right_under_the_path_of_its_setting(prefix: str, shown: str) -> None:
    page = f'<form action="{shown}">'.encode()
    with http_server.serving(lambda _: (200, {}, page)) as host:
        assert not checks.console(f"http://{host}", prefix).fix
        assert checks.console(f"http://{host}").fix


def test_functions_that_do_not_reach_mongodb_are_named() -> None:
    with serving({"/function/invoices": (503, {"code": "service.unavailable"})}) as url:
        finding = checks.database(url, "a-key")
    assert "MongoDB" in finding.text
    assert "mailroom-mongodb-uri" in finding.fix


def test_a_key_of_another_deployment_is_named() -> None:
    with serving({"/function/invoices": (401, {})}) as url:
        assert "api-key" in checks.database(url, "a-key").fix


def test_a_bucket_without_the_event_rule_is_named(services: Services, addresses: Addresses) -> None:
    keys = (addresses.s3_endpoint, addresses.access_key, addresses.secret_key)
    bucket = services.settings.invoices_bucket
    assert not checks.event_rule(*keys, bucket).fix
    services.objects.client.delete_bucket_notification(bucket)
    finding = checks.event_rule(*keys, bucket)
    assert f"{bucket} has no event rule" in finding.text
    assert "setup" in finding.fix


def test_a_missing_bucket_and_a_wrong_password_are_named(addresses: Addresses) -> None:
    finding = checks.event_rule(addresses.s3_endpoint, addresses.access_key, addresses.secret_key, "not-there")
    assert "no bucket not-there" in finding.text
    finding = checks.event_rule(addresses.s3_endpoint, addresses.access_key, "wrong", "not-there")
    assert addresses.s3_endpoint in finding.text
    assert "its keys" in finding.fix


@pytest.mark.parametrize(
    ("status", "functions", "secrets", "fix"),
    [
        (200, 3, 99, ""),
        (200, 12, 99, "Community Edition"),
        (200, 3, 1, "k8s/create-secrets --openfaas openfaas-fn"),
        (401, 3, 99, "faas-cli login"),
    ],
)
def test_openfaas_without_room_secrets_or_login_is_named(status: int, functions: int, secrets: int, fix: str) -> None:
    answers: dict[str, tuple[int, object]] = {
        "/system/functions": (status, [{"name": f"function-{number}"} for number in range(functions)]),
        "/system/secrets": (status, [{"name": name} for name in checks.secret_names()[:secrets]]),
    }
    with serving(answers) as url:
        fixes = [finding.fix for finding in checks.openfaas(url, "secret") if finding.fix]
    assert len(fixes) == bool(fix)
    assert fix in "".join(fixes)


def test_openfaas_that_does_not_answer_is_named() -> None:
    [finding] = checks.openfaas(f"http://127.0.0.1:{free_port()}", "")
    assert "OPENFAAS_URL" in finding.fix


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a kubectl that prints the file `answer`. Returns the folder of both."""
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/answer"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_a_secret_that_the_cluster_lacks_is_named(kubectl: Path) -> None:
    names = checks.secret_names()
    assert "mailroom-webhook-token" in names
    value = base64.b64encode(b"x").decode()

    def answer(left_out: str) -> None:
        items = [{"metadata": {"name": name}, "data": {name: value}} for name in names if name != left_out]
        (kubectl / "answer").write_text(json.dumps({"items": items}))

    answer("")
    assert not checks.cluster_secrets("mailroom").fix
    answer("mailroom-webhook-token")
    finding = checks.cluster_secrets("mailroom")
    assert finding.text.endswith(": mailroom-webhook-token")
    assert "k8s/create-secrets mailroom" in finding.fix


def test_the_newest_set_up_job_counts(kubectl: Path) -> None:
    def job(name: str, minute: int, **status: int) -> dict[str, object]:
        return {"metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:{minute:02}:00Z"}, "status": status}

    def answer(*jobs: dict[str, object]) -> None:
        (kubectl / "answer").write_text(json.dumps({"items": jobs}))

    answer()
    assert "no set-up job" in checks.setup_job("mailroom").text
    answer(job("setup-new", 2, succeeded=1), job("setup-old", 1, failed=1))
    assert not checks.setup_job("mailroom").fix
    answer(job("setup-old", 1, succeeded=1), job("setup-new", 2, active=1))
    assert "has not succeeded" in checks.setup_job("mailroom").text


def test_all_findings_are_told_and_the_exit_code_says_it(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "GATEWAY": f"http://127.0.0.1:{free_port()}", "S3_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-m", "local.doctor"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "WRONG  there is no docker command" in done.stdout
    assert environment["GATEWAY"] in done.stdout
