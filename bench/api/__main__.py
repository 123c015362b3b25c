"""`python -m bench.api` measures the API of invoices in the running function, on 1,000,000 invoices or `--invoices N`.

Without a mongod the default is 10,000: other servers read all matches before they apply a page's limit.

With `--folder FOLDER` the data stays there for the next run.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.api.calls import Caller
from bench.api.decoding import compare
from bench.api.exports import export
from bench.api.loading import load_invoices, sample_of, warm
from bench.api.pages import measure, table
from bench.processes import ROOT
from bench.servers import BenchServers, BenchStack
from local.process import StartError
from local.tools import ToolError, mongod, say
from mailroom.invoices.api.export_formats import FORMATS
from mailroom.invoices.views.lists import Queries
from mailroom.invoices.views.totals import DIMENSIONS
from mailroom.platform.environment import load
from mailroom.services import Services

INVOICES, FEW, SAMPLE, ROUNDS = 1_000_000, 10_000, 30, 3
PARTS = ("decode", "pages", "totals", "exports")
SUMMED = ({}, {"status": "overdue"}, {"dateFrom": "2024-01-01", "dateTo": "2024-03-31"})


def main() -> int:
    """Returns 1 if something failed, else 0. Slowness is never an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__)
    parser.add_argument("--invoices", type=int, default=INVOICES if mongod() else FEW)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="calls of each kind of each combination")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of pages, each with a table")
    parser.add_argument("--folder", type=Path, help="where the data is kept; by default nowhere")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured; by default all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as name:
        folder = arguments.folder or Path(name)
        try:
            with BenchServers(ROOT, folder) as servers, _services(servers) as services:
                load_invoices(services, arguments.invoices)
                if "decode" in arguments.parts:
                    print(compare(Queries.of(services.database)))
            if arguments.parts == ["decode"]:
                return 0
            with BenchStack(ROOT, folder) as stack:
                print(f"{arguments.invoices:,} invoices in {stack.kind}, {os.cpu_count()} cores ({platform.machine()})")
                if "pages" in arguments.parts:
                    _pages(stack, arguments.sample, arguments.rounds)
                if "totals" in arguments.parts:
                    _totals(stack)
                if "exports" in arguments.parts:
                    _exports(stack)
        except (StartError, ToolError, RuntimeError) as error:
            say(str(error))
            return 1
    return 0


@contextmanager
def _services(servers: BenchServers) -> Iterator[Services]:
    services = Services(load(servers.environment("mailroom")))
    try:
        yield services
    finally:
        services.close()


def _pages(stack: BenchStack, size: int, rounds: int) -> None:
    caller = _caller(stack)
    with _services(stack) as services:
        warm(services.database["invoices"])
        sample = sample_of(services.database["invoices"], size)
        for number in range(rounds):
            say(f"Pages of every combination of filters and sort: round {number + 1}, load {os.getloadavg()[0]:.1f}")
            print(f"\n{table(measure(caller, sample))}\n")


def _totals(stack: BenchStack) -> None:
    caller = _caller(stack)
    for query in SUMMED:
        for by in DIMENSIONS:
            call = caller.get("/totals", query | {"by": by})
            print(f"totals by {by} {query or 'of everything'}: {call.status} after {call.clock / 1e3:.2f} s")


def _exports(stack: BenchStack) -> None:
    port, key, pid = stack.ports["function invoices"], stack.info["apiKey"], stack.supervisor.pids()["invoices"]
    for name in FORMATS:
        done = export(port, key, pid, name)
        print(
            f"export as {name}: {done.seconds:.0f} s in {done.pieces} pieces, {done.size / 1e6:,.0f} MB; most memory of"
            f" the function {done.early_bytes / 1e6:.0f} MB after 10 MB of it, {done.peak_bytes / 1e6:.0f} MB in all"
        )


def _caller(stack: BenchStack) -> Caller:
    pids = stack.supervisor.pids()
    return Caller(stack.ports["function invoices"], stack.info["apiKey"], pids["invoices"], pids["mongo"])


if __name__ == "__main__":
    sys.exit(main())
