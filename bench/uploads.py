"""`python -m bench.uploads`: from an upload until its invoices are listed, with and without the listener, by turns.

The stack is the local one, with the fastest MongoDB of this machine. Files have ten rows and come one after the other,
after a random pause: without the listener, MinIO looks at its queue every 3 s.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.latency import PATIENCE_SECONDS, ROWS, Files, spread, wait_for
from bench.processes import ROOT
from bench.servers import BenchStack
from local.client import Client
from local.process import StartError
from local.stack import LISTENER
from local.tools import ToolError, say

FILES, IN_A_TURN, WARM_UP = 60, 15, 2
LONGEST_PAUSE_SECONDS = 3.0


def main() -> int:
    """Returns 1 if a file was not imported, else 0. Slowness is never an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.uploads", description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, help="files with the listener, and as many without")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder:
        try:
            with BenchStack(ROOT, Path(folder)) as stack:
                say(f"On the local stack, with {stack.kind}; {os.cpu_count()} cores shared by everything")
                _measure(stack, arguments.files)
        except (StartError, ToolError) as error:
            say(str(error))
            return 1
    return 0


def _measure(stack: BenchStack, count: int) -> None:
    client, files = Client(stack.info), Files(2 * count + 2 * WARM_UP * (count // IN_A_TURN + 1))
    took: dict[bool, list[float]] = {True: [], False: []}
    while len(took[False]) < count:
        for listens in (True, False):
            if LISTENER in stack.info["processes"]:
                stack.stop(LISTENER)
            if listens:
                stack.start(LISTENER)
            for number in range(WARM_UP + min(IN_A_TURN, count - len(took[listens]))):
                if number >= WARM_UP:
                    time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))
                seconds = _listed(client, f"{listens}-{len(took[listens])}-{number}.csv", files.next())
                if number >= WARM_UP:
                    took[listens].append(seconds)
            say(f"  load of the machine: {os.getloadavg()[0]:.1f}")
    for listens, name in ((True, "with the listener"), (False, "without it")):
        figures = spread(sorted(took[listens]))
        print(f"{name}, from the upload of {ROWS} rows until they are listed, {count} times: {figures}")


def _listed(client: Client, key: str, body: bytes) -> float:
    """Seconds from the beginning of the upload until the list has all its invoices."""
    begin = time.perf_counter()
    client.upload(key, body)

    def has_all() -> bool:
        found = client.get("invoices/imports", key=key)["items"]
        return bool(found) and len(client.get("invoices", importId=found[0]["id"])["items"]) == ROWS

    wait_for(f"{key} in the list", has_all, PATIENCE_SECONDS)
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
