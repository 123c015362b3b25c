"""`python -m bench` measures every way and writes docs/lab/performance.md; `--quick` measures the importer only."""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import textwrap
from functools import partial
from pathlib import Path

from bench import files
from bench.measure import Usage
from bench.plot import write_plot
from bench.processes import ROOT, mongoimport, peers_python, run
from bench.servers import BenchServers
from bench.table import Line, put_into, reader_line, table
from bench.trial import Trials
from bench.ways import Task
from local.process import StartError
from local.tools import ToolError, say

PAGE = ROOT / "docs" / "lab" / "performance.md"
PLOT = PAGE.with_suffix(".svg")
QUICK_ROWS, FULL_ROWS = 50_000, 500_000
SLOW_SERVER_ROWS = 5_000
ONE_PUT_ROWS = 20_000
WIDE_ROWS = 20_000  # of 1,000 bytes
SMALL_FILE_ROWS = 190_000  # 20 MB: the peak of memory must not depend on the size


def main() -> int:
    """Returns 1 if our importer failed or stored something other than the file, else 0. Slowness is never an error."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the importer and its measures, in two minutes")
    parser.add_argument("--rows", type=int, help="rows of the file; 20,000,000 are 2 GB")
    parser.add_argument("--limits", action="store_true", help="only the importer, csv.reader and ready documents")
    parser.add_argument("--memory", action="store_true", help="only the peak of memory, for 20 MB and for 2 GB")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder:
        try:
            with BenchServers(ROOT, Path(folder) / "servers") as servers:
                if arguments.memory:
                    return _memory(servers, Path(folder))
                return _measure(servers, Path(folder), arguments)
        except (StartError, ToolError) as error:
            say(str(error))
            return 1


def _measure(servers: BenchServers, folder: Path, arguments: argparse.Namespace) -> int:
    rows = arguments.rows or (QUICK_ROWS if arguments.quick else FULL_ROWS)
    if not servers.fast and not arguments.rows:
        rows = SLOW_SERVER_ROWS
    say(f"Writing to {servers.kind}")
    file = files.write(folder, rows)
    trials = Trials(servers)
    if arguments.limits:
        trials.ours(file, rows)
        trials.peer("ready documents: the limit", _python("ready"), file, rows)
    elif arguments.quick:
        trials.again(file, files.with_changes(file), rows)
        trials.peer("csv.DictReader and insert_many", _python("dict_reader"), file, rows)
        trials.peer("ready documents: the limit", _python("ready"), file, rows)
    else:
        _everything(trials, file, rows, folder)
    measured = table(trials.lines)
    print(f"\n{measured}\n\n{_conditions(servers)}\n")
    if not (arguments.limits or arguments.quick):
        write_plot(PLOT, [reader_line(trials.lines), *trials.lines])
        conditions = textwrap.fill(_conditions(servers), 120, break_on_hyphens=False)
        put_into(PAGE, f"{measured}\n\n![Processor time per row of each way]({PLOT.name})\n\n{conditions}")
    print(_last_line(next(line for line in trials.lines if line.name == "**Mailroom**")))
    return 0 if all(line.landed == "right" for line in trials.lines if "Mailroom" in line.name) else 1


def _memory(servers: BenchServers, folder: Path) -> int:
    trials = Trials(servers)
    for rows in (WIDE_ROWS, 100 * WIDE_ROWS):
        trials.ours(files.write_wide(folder, rows), rows, f", {rows // 1000:,} MB")
    print(f"\n{table(trials.lines)}\n\n{_conditions(servers)}")
    return 0 if all(line.landed == "right" for line in trials.lines if "Mailroom" in line.name) else 1


def _everything(trials: Trials, file: Path, rows: int, folder: Path) -> None:
    small = min(rows, SMALL_FILE_ROWS)
    trials.ours(files.write(folder, small) if small < rows else file, small, ", 20 MB")
    trials.again(file, files.with_changes(file), rows)
    trials.peer("ready documents: the limit", _python("ready"), file, rows)
    trials.peer("csv.DictReader and insert_many", _python("dict_reader"), file, rows)
    if python := peers_python():
        trials.peer("pandas and insert_many", _python("with_pandas", python), file, rows)
        trials.peer("polars and pymongoarrow", _python("with_polars", python), file, rows)
    few = min(rows, ONE_PUT_ROWS)
    trials.peer("one write per row", _python("one_put"), files.write(folder, few) if few < rows else file, few)
    if shutil.which("mongoimport"):
        trials.peer("mongoimport", mongoimport, file, rows)
    else:
        say("mongoimport: skipped, for it is not on the PATH")


def _python(way: str, python: str = sys.executable) -> partial[Usage]:
    return partial(_run_peer, way, python)


def _run_peer(way: str, python: str, task: Task) -> Usage:
    return run(way, task, {}, python)


def _conditions(servers: BenchServers) -> str:
    cores = os.cpu_count()
    return (
        f"Into {servers.kind}, with all indexes of `invoices`; {cores} cores ({platform.machine()}), shared by the"
        f" measured process and the servers; Python {platform.python_version()}. Processor time is user and system time"
        " of the importing process, without its start. `csv.reader` read the same file before and after each way. Only"
        " Mailroom reads the file from MinIO; the others read it from the disk."
    )


def _last_line(ours: Line) -> str:
    if ours.usage is None:
        return "processor time per row: ours failed"
    return (
        f"processor time per row: ours {ours.usage.microseconds_per_row:.2f} µs,"
        f" csv.reader {ours.reader_microseconds:.2f} µs, ratio {ours.times_reader:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
