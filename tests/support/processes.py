"""Starts programs for tests, and looks at processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@contextmanager
def running(
    *arguments: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Runs a Python program in `cwd` until the end of the block. Then it is killed, if it has not ended by itself.

    Without `env` it gets this environment except PYTHONPATH, so that it imports the packages in `cwd`.
    """
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, cwd=cwd, env=inherited() if env is None else env, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def inherited() -> dict[str, str]:
    """This environment except PYTHONPATH."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def alive(pid: int) -> bool:
    """Whether this process runs; a zombie does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
