"""The importer in its own process, which can kill or pause itself at an exact place."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from msgspec.structs import replace

import mailroom.invoices.columnar.column_reader  # noqa: F401  # in tenths of a second: before the short lives begin
from mailroom.invoices import worker as working
from mailroom.invoices.imports import comparison, source
from mailroom.invoices.imports.chunks import Chunks
from mailroom.invoices.imports.comparison import RowComparison
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.rejects import Rejects
from mailroom.invoices.imports.repeats import Repeats
from mailroom.invoices.imports.writer import InvoiceWriter
from mailroom.platform.settings import Settings
from mailroom.services import Services

POLL_SECONDS = 0.02
GIVE_UP_SECONDS = 60.0
MEASURED_SECONDS = 600.0  # a large file, on any machine

# The places to interrupt a batch, in a worker's order: before or after which of these methods.
PLACES: dict[str, tuple[str, list[tuple[type, str]]]] = {
    "claimed": ("after", [(Ledger, "claim")]),
    "keys stored": ("after", [(RowComparison, "_store")]),
    "rows noted": ("after", [(RowComparison, "_note")]),
    "comparison saved": ("after", [(Ledger, "save_comparison")]),
    "chunk taken": ("after", [(Chunks, "take")]),
    "batch read": ("before", [(Rejects, "add")]),
    "rejects kept": ("before", [(InvoiceWriter, "write")]),
    # New, unchanged and other invoices.
    "half written": ("half", [(InvoiceWriter, name) for name in ("_insert_raw", "_update", "_write")]),
    "written": ("after", [(InvoiceWriter, "write")]),
    "checkpointed": ("after", [(Ledger, "checkpoint"), (Chunks, "complete")]),
    "rejects file written": ("after", [(Rejects, "write_file")]),
    "finished": ("after", [(Ledger, "finish")]),
}

# Places that one importer passes only if there are others.
PLACES_AMONG_OTHERS = {"waiting for a chunk": ("after", [(Chunks, "renew")])}


@dataclass(frozen=True)
class Fault:
    """At its `passes`-th pass of `place` the process sends itself `signal`, and tells the test so just before."""

    place: str
    signal: signal.Signals = signal.SIGKILL
    passes: int = 1


def run(settings: Settings, fault: Fault | None, told: Connection) -> None:
    """Runs due imports, as the schedule does, until none is left. Compares rows in very small steps."""
    source.COMPARED_BYTES, comparison.MOST_KEYS = 600, 20
    if fault is not None:
        _arm(fault, told)
    _run(settings, GIVE_UP_SECONDS)


def measured(settings: Settings, told: Connection) -> None:
    """Runs due imports. Returns the peak of its memory in bytes."""
    _run(settings, MEASURED_SECONDS)
    told.send(_peak())


def _run(settings: Settings, seconds: float) -> None:
    services = Services(settings)
    worker, imports = working.create_worker(services), services.database["imports"]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            worker()
            if not imports.find_one({"dueAt": {"$exists": True}}, {"_id": 1}):
                break
        except Exception as error:
            print(f"importer {os.getpid()}: {error!r}")
        time.sleep(POLL_SECONDS)
    services.close()


def _peak() -> int:
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux's ru_maxrss includes the parent's memory at the fork. Pages of files, such as libraries, are left out: how
    # many there are depends on how the system has cached them, and it can take them back.
    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = {
        name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines) if "kB" in value
    }
    return (kibibytes["VmHWM"] - kibibytes["RssFile"]) * 1024


def _half(writes: Any) -> Any:
    """Every second document, statement or write by key."""
    if isinstance(writes, bytes):
        documents = bson.decode_all(writes, CodecOptions(document_class=RawBSONDocument))
        return b"".join(each.raw for each in documents[::2])
    if isinstance(writes, Repeats):
        return replace(writes, updates=writes.updates[::2])
    return dict(list(writes.items())[::2]) if isinstance(writes, dict) else writes[::2]


def _arm(fault: Fault, told: Connection) -> None:
    when, methods = (PLACES | PLACES_AMONG_OTHERS)[fault.place]
    passes = 0

    def strike() -> None:
        nonlocal passes
        passes += 1
        if passes == fault.passes:
            told.send(fault.place)
            os.kill(os.getpid(), fault.signal)

    def armed(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
            if when == "half":
                if arguments[0] and passes + 1 == fault.passes:
                    original(self, _half(arguments[0]), *arguments[1:], **named)
                if arguments[0]:
                    strike()
            elif when == "before":
                strike()
            result = original(self, *arguments, **named)
            if when == "after":
                strike()
            return result

        return wrapped

    for owner, name in methods:
        setattr(owner, name, armed(getattr(owner, name)))
