"""Runs each way in its own process and reads its usage."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from bench.measure import Usage
from bench.ways import Task
from local.programs import base_environment
from local.tools import cache_folder, say

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "bench" / "peers.txt"
TYPED_COLUMNS = (
    "invoiceNumber.string(),invoiceDate.date(2006-01-02),grossAmount.decimal(),netAmount.decimal(),"
    "vatAmount.decimal(),supplierName.string(),supplierAddress.string(),currency.string(),status.string()"
)


class WayError(Exception):
    """A way failed. The message is the end of its output."""


def run(way: str, task: Task, environment: Mapping[str, str], python: str = sys.executable) -> Usage:
    """Blocks until the process ends. Raises WayError."""
    done = subprocess.run(
        (python, "-m", "bench.importing", way),
        input=json.dumps(asdict(task)),
        env={**base_environment(), "PYTHONPATH": str(ROOT), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise WayError(done.stderr.strip()[-1500:])
    return Usage(**json.loads(done.stdout))


def mongoimport(task: Task) -> Usage:
    """Imports the file with mongoimport, which must be on the PATH. Raises WayError."""
    target = ("--uri", task.mongo_uri, "--db", task.database, "--collection", "invoices")
    form = ("--type", "csv", "--columnsHaveTypes", "--fields", TYPED_COLUMNS)
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with Path(task.file).open("rb", buffering=0) as stream:
        stream.seek(len(stream.readline()))  # skips the header; mongoimport reads on from there
        done = subprocess.run(
            ("mongoimport", *target, *form), stdin=stream, capture_output=True, text=True, check=False
        )
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise WayError(done.stderr.strip()[-1500:])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(task.rows, seconds, used, 0, 0.0)


def peers_python() -> str | None:
    """A Python with pandas, polars and pymongoarrow, installed once per user. None if that fails."""
    folder = cache_folder() / "bench-peers"
    python = folder / "bin" / "python"
    stamp = folder / "peers.txt"
    wanted = PEERS.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    say("Installing pandas, polars and pymongoarrow, once")
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run((sys.executable, "-m", "venv", str(folder)), check=True)
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(PEERS))
        subprocess.run(pip, env=dict(os.environ), check=True)
        stamp.write_text(wanted)
        return str(python)
    say("  they cannot be installed")
    return None
