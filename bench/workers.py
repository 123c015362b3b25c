"""`python -m bench.workers`: processor time per row of two workers on one file, beside one worker."""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from bench import files
from bench.landed import landed
from bench.measure import Usage
from bench.processes import ROOT, run
from bench.servers import BenchServers
from bench.trial import Trials
from local.tools import say

WORKERS = (1, 2)


def main() -> int:
    """Returns 1 if the stored invoices differ from the file, else 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3, help="each with one worker, then with two")
    arguments = parser.parse_args()
    results: dict[int, list[float]] = {count: [] for count in WORKERS}
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder:
        file = files.write(Path(folder), arguments.rows)
        with BenchServers(ROOT, Path(folder) / "servers") as servers:
            say(f"Writing to {servers.kind}")
            trials = Trials(servers)
            for _ in range(arguments.rounds):
                for count in WORKERS:
                    usages = _import(trials, file, arguments.rows, count)
                    results[count].append(sum(each.processor_seconds for each in usages) / arguments.rows * 1e6)
    one, two = (median(results[count]) for count in WORKERS)
    print(f"processor time per row: one worker {one:.2f} µs, two {two:.2f} µs, ratio {two / one:.2f}")
    return 0


def _import(trials: Trials, file: Path, rows: int, workers: int) -> list[Usage]:
    """Returns the usage of each worker. Raises WayError, and ValueError if the file was not wholly imported."""
    with trials.database() as services:
        task, environment = trials.uploaded(services, file, rows)
        with ThreadPoolExecutor(workers) as pool:
            usages = list(pool.map(lambda _: run("worker", task, environment), range(workers)))
        found = landed(services.database["invoices"], file, rows)
    if found != "right":
        raise ValueError(found)
    times = " + ".join(f"{each.processor_seconds / rows * 1e6:.2f}" for each in usages)
    seconds = max(each.seconds for each in usages)
    peak = max(each.peak_bytes for each in usages) / 1e6
    say(f"  {workers} worker(s): {times} µs a row, {rows / seconds:,.0f} rows/s, {peak:.0f} MB")
    return usages


if __name__ == "__main__":
    sys.exit(main())
