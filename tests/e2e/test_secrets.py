"""Secrets and keys of a running stack: shown nowhere, and revoked everywhere."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from local.client import Client
from local.stack import Stack
from mailroom.platform.api_keys import CACHE_SECONDS

pytestmark = pytest.mark.xdist_group("stack")  # one stack for all of them

LEAST_LENGTH = 8  # shorter ones are names


def call(stack: Stack, path: str, authorization: str, **arguments: object) -> int:
    headers = {"Authorization": authorization}
    url = f"{stack.info['gateway']}/function/{path}"
    return urllib3.request("GET", url, headers=headers, retries=False, timeout=30, **arguments).status  # type: ignore[arg-type]


def secrets_of(stack: Stack) -> set[str]:
    """Every password, token and key of this stack."""
    found = {urlsplit(each).password or each for each in stack.secrets.values()} | {stack.info["apiKey"]}
    found |= {stack.info["apiKey"].rpartition("_")[2], *stack.secrets.values()}
    return {each for each in found if len(each) >= LEAST_LENGTH} - {
        value for name, value in stack.secrets.items() if name.endswith("-access-key")
    }


def test_no_secret_is_logged_or_an_argument_of_a_process(stack: Stack, client: Client):
    key = stack.info["apiKey"]
    client.upload("secrets/may.csv", b"nonsense")
    client.get("invoices/imports")
    for authorization in (f"Bearer {key}x", f"Basic {key}", f"Bearer {stack.info['webhookToken']}"):
        assert call(stack, f"invoices?cursor={key}", authorization) == 401
    assert call(stack, "invoices", f"Bearer {key}", fields={"cursor": key}) == 422
    url = f"{stack.info['gateway']}/function/invoice-events"
    urllib3.request("POST", url, body=b"{", headers={"Authorization": f"Bearer {stack.info['webhookToken']}"})
    secrets = secrets_of(stack)
    assert len(secrets) > 15

    logs = {file.name: file.read_text(errors="replace") for file in stack.data.logs.iterdir()}
    assert any('"status": 401' in text for text in logs.values())
    assert [(name, secret) for name, text in logs.items() for secret in secrets if secret in text] == []

    arguments = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "local.router" in arguments
    assert [secret for secret in secrets if secret in arguments] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_secret_is_in_the_environment_of_a_function(stack: Stack):
    secrets = secrets_of(stack)
    for entry in stack.functions.values():
        text = Path(f"/proc/{stack.info['processes'][entry.name]}/environ").read_text(errors="replace")
        assert "SECRETS_DIR" in text
        assert [secret for secret in secrets if secret in text] == []


def test_a_revoked_key_ends_within_seconds_in_functions_that_trust_it(stack: Stack):
    key = stack._mailroom("keys", "create", "--name", "x", "--scope", "invoices:read", "--scope", "notifications:read")
    key = key.strip()
    for name in ("invoices", "notifications"):
        assert call(stack, name, f"Bearer {key}") == 200
    stack._mailroom("keys", "revoke", key.split("_")[1])
    revoked = time.monotonic()
    for name in ("invoices", "notifications"):
        while call(stack, name, f"Bearer {key}") != 401:
            assert time.monotonic() - revoked < CACHE_SECONDS + 5, "the function's own time and a slow machine's"
            time.sleep(0.1)
