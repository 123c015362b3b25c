"""`python -m bench.latency`: small tasks on the local stack, with the fastest MongoDB of this machine.

It measures a file of ten rows, from the call that imports it until its invoices are listed; a burst of a thousand such
files; and each function, from its start until its first answer.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from pymongo import MongoClient

from bench.processes import ROOT
from bench.servers import BenchStack
from local.client import Client
from local.process import Program, StartError
from local.tools import ToolError, say
from samples.generate import HEADER, rows

ROWS = 10
IMPORTS, BURST, STARTS = 300, 1_000, 5
UPLOADERS = 8
WARM_UP = 5
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 30.0
BURST_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Start:
    """One start of a function: wall and processor time in seconds."""

    wall: float
    processor: float


class Files:
    """Makes small files. No two hold the same invoice."""

    def __init__(self, count: int) -> None:
        self._rows = rows(count * ROWS)

    def next(self) -> bytes:
        return (HEADER + "".join(islice(self._rows, ROWS))).encode()


def main() -> int:
    """Returns 1 if something was not imported, else 0. Slowness is never an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--imports", type=int, default=IMPORTS, help="files imported one after the other")
    parser.add_argument("--burst", type=int, default=BURST, help="files uploaded at once")
    parser.add_argument("--starts", type=int, default=STARTS, help="starts of each function")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder:
        try:
            with BenchStack(ROOT, Path(folder)) as stack:
                say(f"On the local stack, with {stack.kind}; {os.cpu_count()} cores shared by everything")
                return _measure(stack, arguments.imports, arguments.burst, arguments.starts)
        except (StartError, ToolError) as error:
            say(str(error))
            return 1


def _measure(stack: BenchStack, imports: int, burst: int, starts: int) -> int:
    client, files = Client(stack.info), Files(WARM_UP + imports + burst)
    for number in range(WARM_UP):
        queryable(client, f"warm-{number}.csv", files.next())
    took = sorted(queryable(client, f"one-{number}.csv", files.next()) for number in range(imports))
    print(f"POST …/imports of {ROWS} rows until they are listed, {imports} times: {spread(took)}", flush=True)
    seconds, fault = burst_of(stack, client, [(f"burst-{at}.csv", files.next()) for at in range(burst)])
    outcome = fault or "all imported"
    print(f"{burst:,} such files in a burst: {burst / seconds:.0f} files/s, {outcome}", flush=True)
    for entry in stack.functions.values():
        measured = started(stack, entry.name, starts)
        wall, processor = (median(getattr(each, name) for each in measured) for name in ("wall", "processor"))
        print(
            f"{entry.name}: first answer {wall:.2f} s after its start, {processor:.2f} s of processor time", flush=True
        )
    return 1 if fault else 0


def queryable(client: Client, key: str, body: bytes) -> float:
    """Seconds from the call that imports an uploaded file until the list has all its invoices."""
    client.upload(key, body)
    begin = time.perf_counter()
    id_ = client.post("invoices/imports", {"bucket": "invoices", "key": key})["id"]
    wait_for(f"{key} in the list", lambda: len(client.get("invoices", importId=id_)["items"]) == ROWS, PATIENCE_SECONDS)
    return time.perf_counter() - begin


def burst_of(stack: BenchStack, client: Client, files: list[tuple[str, bytes]]) -> tuple[float, str]:
    """Seconds from the first upload until the last import ended, by MinIO's events alone; and an error, if any."""
    environment = stack.supervisor.process("invoices").program.environment
    with MongoClient[dict[str, Any]](stack.info["mongoUri"]) as mongo:
        database = mongo[environment["MONGODB_DATABASE"]]
        before = database["invoices"].count_documents({})
        ours = {"key": {"$in": [key for key, _ in files]}}
        begin = time.perf_counter()
        with ThreadPoolExecutor(UPLOADERS) as uploaders:
            list(uploaders.map(lambda file: client.upload(*file), files))
        say(f"  uploaded in {time.perf_counter() - begin:.1f} s")
        done = ours | {"state": "done"}
        wait_for(
            "the burst",
            lambda: database["imports"].count_documents(done) >= len(files),
            BURST_PATIENCE_SECONDS,
            pause=0.1,
        )
        seconds = time.perf_counter() - begin
        found = database["invoices"].count_documents({}) - before
        wanted = len(files) * ROWS
        return seconds, "" if found == wanted else f"WRONG: {found:,} invoices instead of {wanted:,}"


def started(stack: BenchStack, name: str, times: int) -> list[Start]:
    """Starts one function several times, while the stack's own process of it is stopped."""
    program, port = stack.supervisor.process(name).program, stack.ports[f"function {name}"]
    stack.stop(name)
    try:
        return [_start(program, port) for _ in range(times)]
    finally:
        stack.start(name)


def _start(program: Program, port: int) -> Start:
    with (program.folder / "start.log").open("wb") as log:
        begin = time.perf_counter()
        process = subprocess.Popen(program.command, env=program.environment, cwd=program.folder, stdout=log, stderr=log)
        try:
            wait_for(f"the first answer of {program.name}", lambda: _answers(port), PATIENCE_SECONDS)
            wall = time.perf_counter() - begin
        finally:
            process.kill()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    return Start(wall, used.ru_utime + used.ru_stime)


def _answers(port: int) -> bool:
    """True if the function answers a call, with any status."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def wait_for(what: str, found: Callable[[], bool], seconds: float, pause: float = POLL_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not found():
        if time.monotonic() > end:
            raise StartError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(pause)


def spread(took: list[float]) -> str:
    cuts = quantiles((each * 1000 for each in took), n=100, method="inclusive")
    return f"p50 {cuts[49]:.0f} ms, p90 {cuts[89]:.0f} ms, p99 {cuts[98]:.0f} ms, longest {took[-1] * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
