"""Runs one way: queues messages, starts its processes together, and checks the result."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.mail.sink import Sink
from bench.mail.ways import Child, Way, first_line
from bench.measure import Usage
from bench.processes import ROOT, WayError


@dataclass(frozen=True)
class Sent:
    """The result of one run. `connections` counts those of all processes. `seconds` is wall time. The others are
    processor time: `processor_seconds` of all its processes, `database_seconds` of its database server,
    `sink_seconds` of smtp-sink.
    """

    name: str
    processes: int
    connections: int
    messages: int
    seconds: float
    processor_seconds: float
    database_seconds: float
    sink_seconds: float
    peak_bytes: int
    delivered: int
    recorded: int

    @property
    def per_second(self) -> float:
        return self.messages / self.seconds

    @property
    def microseconds(self) -> float:
        """Processor time per message, in the processes of the way."""
        return self.processor_seconds / self.messages * 1e6

    @property
    def database_microseconds(self) -> float:
        """Processor time per message, in the server of its database; 0 without one."""
        return self.database_seconds / self.messages * 1e6

    @property
    def sink_microseconds(self) -> float:
        """Processor time per message, in smtp-sink: all ways cause nearly the same work there."""
        return self.sink_seconds / self.messages * 1e6

    @property
    def all_microseconds(self) -> float:
        """Processor time per message in all processes: they share the cores."""
        return self.microseconds + self.database_microseconds + self.sink_microseconds

    @property
    def right(self) -> bool:
        return self.delivered == self.recorded == self.messages


Watch = Callable[[Sequence[int]], None]


@dataclass(frozen=True)
class Place:
    """The command of smtp-sink, and a folder for files."""

    sink: str
    folder: Path


def send(way: Way, place: Place, count: int, watch: Watch | None = None) -> Sent:
    """Blocks until all messages are sent. Calls `watch` with the process ids meanwhile. Raises WayError."""
    try:
        with Sink(place.sink, place.folder) as sink:
            children = way.queue(count, sink.port)
            return _sent(way, sink, children, place, count, watch)
    finally:
        way.close()


def _sent(way: Way, sink: Sink, children: Sequence[Child], place: Place, count: int, watch: Watch | None) -> Sent:
    folder = place.folder
    running: list[subprocess.Popen[str]] = []
    try:
        for number, child in enumerate(children):
            running.append(_start(child, folder / f"child{number}.log"))
        for process in running:
            _line(process, folder)  # ready
        before = [processor_seconds(server) for server in (way.server, sink.pid)]
        begin = time.perf_counter()
        for process in running:
            _say(process, "go\n")
        if watch is not None:
            watch([process.pid for process in running])
        usages = [Usage(**json.loads(_line(process, folder))) for process in running]
        seconds = time.perf_counter() - begin
        after = [processor_seconds(server) for server in (way.server, sink.pid)]
        servers = [end - start for start, end in zip(before, after, strict=True)]
        used = sum(usage.processor_seconds for usage in usages)
        peak = max(usage.peak_bytes for usage in usages)
        counts = (way.processes, way.processes * way.connections, count)
        return Sent(way.name, *counts, seconds, used, *servers, peak, sink.delivered, way.recorded())
    finally:
        for process in running:
            process.kill()
            process.wait()


def processor_seconds(server: int | None) -> float:
    """Processor time of a process and its children so far; 0 without a process or without /proc."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat") if server else ():
        with contextlib.suppress(OSError):  # it has ended
            values = file.read_text().rpartition(")")[2].split()
            if file.parent.name == str(server):
                ticks += sum(map(int, values[11:15]))  # with its children that have ended
            elif values[1] == str(server):
                ticks += sum(map(int, values[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _start(child: Child, log: Path) -> subprocess.Popen[str]:
    environment = {**child.environment, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            child.command,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    _say(process, first_line(child))
    return process


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def _line(process: subprocess.Popen[str], folder: Path) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise WayError(
            "\n".join(file.read_text(errors="replace")[-1500:] for file in sorted(folder.glob("child*.log")))
        )
    return line
