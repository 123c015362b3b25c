"""schemathesis makes valid and invalid requests from each contract, and compares every answer with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Stack

ROOT = Path(__file__).parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A separate stack, because it is filled with nonsense."""
    with Stack(ROOT, tmp_path_factory.mktemp("stack"), {"RATE_LIMIT_PER_MINUTE": "1000000"}) as stack:
        yield stack


@pytest.mark.slow
@pytest.mark.xdist_group("schemathesis")
@pytest.mark.parametrize("function", ["invoices", "notifications"])
def test_every_answer_is_as_the_contract_says(own_stack: Stack, function: str, tmp_path: Path):
    base = f"{own_stack.info['gateway']}/function/{function}"
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIGURATION, "run"]
    options = ["--url", base, "--header", f"Authorization: Bearer {own_stack.info['apiKey']}", "--no-color"]
    run = subprocess.run(
        [*command, f"{base}/openapi.json", *options], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Test Phases:" in run.stdout
