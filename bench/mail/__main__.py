"""`python -m bench.mail` measures the sender beside django-post-office and nodemailer, on the same smtp-sink.

`--accept`, `--deep`, `--attachments`, `--webhooks` and `--indexes` measure one thing each instead.
"""

import argparse
import contextlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from bench.mail import postgres, sink
from bench.mail.accepting import accept
from bench.mail.contest import Place, Sent, send
from bench.mail.memory import Heavy, deep
from bench.mail.messages import messages
from bench.mail.peers import nodemailer_script, post_office_python
from bench.mail.postgres import Postgres
from bench.mail.ways import CONNECTIONS, Announced, Nodemailer, Ours, PostOffice, Way, WithoutMetricsIndexes
from bench.processes import ROOT, WayError
from bench.servers import BenchServers
from local.process import StartError
from local.tools import ToolError, say

MESSAGES, ROUNDS, HEAVY = 5_000, 3, 40
LARGE_BATCH = 1_000
PER_SECOND, SECONDS = 200, 20
COLUMNS = (
    "way",
    "processes",
    "connections",
    "messages/s",
    "processor time a message",
    "of its server",
    "of smtp-sink",
    "delivered",
    "recorded",
)


def main() -> int:
    """Returns 1 if messages of ours were lost, doubled or not recorded, else 0. Slowness is never an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.mail", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="messages of each run")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each way; the median counts")
    parser.add_argument("--accept", action="store_true", help="only how long accepting takes, on the local stack")
    parser.add_argument("--deep", type=int, metavar="N", help="only the sender's memory while it drains N messages")
    parser.add_argument("--attachments", action="store_true", help="only its memory with large attachments")
    parser.add_argument("--webhooks", action="store_true", help="only what it costs to announce each message")
    parser.add_argument("--indexes", action="store_true", help="only what the indexes of the metrics cost")
    arguments = parser.parse_args()
    command = sink.binary()
    if command is None and not arguments.accept:
        say(sink.ADVICE)
        return 0
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as name:
        folder = Path(name)
        try:
            if arguments.accept:
                return _accept(folder)
            assert command is not None
            with BenchServers(ROOT, folder / "servers") as servers:
                say(f"Writing to {servers.kind}; {os.cpu_count()} cores ({platform.machine()})")
                place = Place(command, folder)
                if arguments.deep:
                    return _deep(servers, place, arguments.deep)
                if arguments.attachments:
                    return _attachments(servers, place)
                if arguments.webhooks:
                    return _compare(servers, place, arguments.messages, arguments.rounds, Ours, Announced, "webhooks")
                if arguments.indexes:
                    ways = (WithoutMetricsIndexes, Ours)
                    return _compare(servers, place, arguments.messages, arguments.rounds, *ways, "the metrics' indexes")
                return _contest(servers, place, arguments.messages, arguments.rounds)
        except (StartError, ToolError, WayError) as error:
            say(str(error))
            return 1


def _contest(servers: BenchServers, place: Place, count: int, rounds: int) -> int:
    folder = place.folder
    # With the same number of connections as nodemailer in one process, and django-post-office in two.
    ours = [partial(Ours, servers, 1), partial(Ours, servers, 1, 2 * CONNECTIONS), partial(Ours, servers, 2)]
    ways: list[Callable[[], Way]] = [*ours]
    if script := nodemailer_script():
        ways.append(lambda: Nodemailer(script, servers, folder, insert=False))
        ways.append(lambda: Nodemailer(script, servers, folder, insert=True))
    runs: list[list[Sent]] = []
    with contextlib.ExitStack() as stack:
        ways += _post_office(folder, stack)
        runs += [[] for _ in ways]
        for _ in range(rounds):
            for way, results in zip(ways, runs, strict=True):
                results.append(send(way(), place, count))
                say(f"  {_short(results[-1])}")
    medians = [sorted(results, key=lambda each: each.per_second)[len(results) // 2] for results in runs]
    print(f"\n{_table(medians)}\n")
    for mine in medians[: len(ours)]:
        for other in medians[len(ours) :]:
            if mine.connections == other.connections:
                rate, work = mine.per_second / other.per_second, mine.all_microseconds / other.all_microseconds
                what = f"{mine.processes} of ours with {mine.connections} connections beside {other.name}"
                print(f"{what}: {rate:.2f} times its rate, {work:.2f} of its processor time with its servers'")
    return 0 if all(each.right for results in runs[: len(ours)] for each in results) else 1


def _post_office(folder: Path, stack: contextlib.ExitStack) -> list[Callable[[], Way]]:
    """django-post-office on each database that this machine has, with its default batches and with large ones."""
    python = post_office_python()
    if python is None:
        return []
    databases: list[Postgres | None] = [None]
    if binaries := postgres.binaries():
        databases.append(stack.enter_context(Postgres(binaries)))
    else:
        say("PostgreSQL: skipped, for it is not installed (Debian's postgresql; its service need not run)")
    batches = (PostOffice.USUAL_BATCH, LARGE_BATCH)
    return [
        partial(PostOffice, python, folder, 2, batch=batch, postgres=database)
        for database in databases
        for batch in batches
    ]


def _deep(servers: BenchServers, place: Place, count: int) -> int:
    sent, readings = deep(servers, place, count)
    say(_short(sent))
    shown = [min(readings, key=lambda each: abs(each[0] - count * share / 10)) for share in range(11)]
    for at, resident in dict(shown).items():
        print(f"  {at:>9,} sent: {resident / 1e6:.1f} MB")
    print(f"  peak: {sent.peak_bytes / 1e6:.1f} MB")
    return 0 if sent.right else 1


def _attachments(servers: BenchServers, place: Place) -> int:
    sent = send(Heavy(servers, next(messages(1))), place, HEAVY)
    say(f"{_short(sent)}; peak of memory {sent.peak_bytes / 2**20:.0f} MiB")
    return 0 if sent.right else 1


def _compare(
    servers: BenchServers, place: Place, count: int, rounds: int, plain: type[Ours], other: type[Ours], what: str
) -> int:
    """Sends without and with `what` by turns, and compares the processor time a message."""
    runs: list[tuple[Sent, Sent]] = []
    for number in range(rounds):
        first, second = (plain, other) if number % 2 == 0 else (other, plain)
        both = {way: send(way(servers, 1), place, count) for way in (first, second)}
        say(f"  {_short(both[plain])}")
        say(f"  {_short(both[other])}")
        runs.append((both[plain], both[other]))
    for whose, used in (
        ("of the sender", lambda sent: sent.microseconds),
        ("of sender and MongoDB", lambda sent: sent.microseconds + sent.database_microseconds),
    ):
        ratios = sorted(used(with_it) / used(without) for without, with_it in runs)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"processor time a message {whose}: {median(ratios):.2f} times ({spread}) that without {what}")
    return 0 if all(each.right for both in runs for each in both) else 1


def _accept(folder: Path) -> int:
    for fast, what in ((True, "the fastest MongoDB here"), (False, "the MongoDB of `make local`")):
        accepted = accept(folder / what[-6:-1], PER_SECOND, SECONDS, fast=fast)
        say(f"{PER_SECOND} calls a second for {SECONDS} s, {what}: {accepted.line()}")
    return 0


def _short(sent: Sent) -> str:
    wrong = "" if sent.right else f", WRONG: {sent.delivered:,} delivered, {sent.recorded:,} recorded"
    name = sent.name.replace("*", "")
    used = " + ".join(f"{each:.0f}" for each in (sent.microseconds, sent.database_microseconds, sent.sink_microseconds))
    which = f"{name} ({sent.processes}, {sent.connections})"
    return f"{which}: {sent.per_second:,.0f}/s, {used} µs a message{wrong}"


def _table(results: list[Sent]) -> str:
    rows = [COLUMNS, tuple("---" if at == 0 else "---:" for at in range(len(COLUMNS)))]
    for each in results:
        counts = (
            str(each.processes),
            str(each.connections),
            f"{each.per_second:,.0f}",
            f"{each.microseconds:.0f} µs",
            f"{each.database_microseconds:.0f} µs",
            f"{each.sink_microseconds:.0f} µs",
        )
        rows.append((each.name, *counts, f"{each.delivered:,}", f"{each.recorded:,}"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
