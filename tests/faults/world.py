"""An import with all kinds of rows. Under faults it must end as it did without them."""

from __future__ import annotations

import gzip
import multiprocessing
import random
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from bson import ObjectId

from mailroom.invoices.imports.actions import ImportActions
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectVersion
from mailroom.platform.settings import Settings
from tests.faults import child
from tests.faults.child import Fault
from tests.integration.invoices.files import Bucket, counts, csv, line

KEY = "main.csv"
ENDED = ("done", "failed", "superseded", "cancelled", "undone")

# Importers are forked from a server that has loaded all modules: real processes, in milliseconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pytest", "minio", "iso4217", "tests.faults.child"])


def rows(count: int) -> list[str]:
    """New rows, bad rows, rows of invoices that exist, and invoices that the file repeats, near and far."""
    lines = []
    for n in range(count):
        if n % 11 == 3:
            lines.append(line(n, gross="bad"))
        elif n % 13 == 5:
            lines.append(line(n - 1, status="repeated"))
        elif n % 17 == 6:
            lines.append(line(n // 2, status="repeated"))
        elif n % 19 == 9:
            lines.append(line(n - 2))
        else:
            lines.append(line(n))
    return lines


@dataclass(frozen=True)
class Outcome:
    """Everything that must be identical after a crash."""

    state: str
    counts: tuple[int, ...]
    invoices: list[Document]
    rejects: list[tuple[str, bytes]]
    leases: int


@dataclass
class Importer:
    """A running importer process."""

    process: ForkServerProcess
    told: Connection

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def wait(self, seconds: float = 60.0) -> int | None:
        """Waits for its end. Returns the exit code, negative for a signal."""
        self.process.join(seconds)
        return self.process.exitcode

    def reached(self, seconds: float = 30.0) -> bool:
        """Waits until it reaches its fault. Returns False if it ended before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.told.poll(0.02):
                try:
                    return bool(self.told.recv())
                except EOFError:
                    return False
            if not self.process.is_alive():
                return self.told.poll(0)
        raise TimeoutError("the importer neither came to the place of its fault nor ended")


def start(settings: Settings, fault: Fault | None = None, **changes: object) -> Importer:
    """Starts an importer process."""
    ours, theirs = _processes.Pipe(duplex=False)
    used = replace(settings, **changes)  # type: ignore[arg-type]
    process = _processes.Process(target=child.run, args=(used, fault, theirs), daemon=True)
    process.start()
    theirs.close()
    return Importer(process, ours)


def life(moments: random.Random, longest: float, kills: int) -> float:
    """The seconds until the next importer is killed. Each `kills` of this import doubles the longest life.

    On a busy machine an importer may need long for its first batch, and an import that makes no progress nine times is
    given up.
    """
    return moments.uniform(0, longest * 2**kills)


class World:
    """A file among others in a bucket, the job of its import, and the expected outcome."""

    def __init__(self, bucket: Bucket, count: int, *, compressed: bool = False) -> None:
        self.bucket, self.settings = bucket, bucket.services.settings
        lines = rows(count)
        earlier = [line(n, status="open" if n % 2 else "old") for n in range(0, count, 5)]
        bucket.import_("earlier.csv", csv(*earlier))
        self.body = gzip.compress(csv(*lines)) if compressed else csv(*lines)
        self.version = self._put(KEY, self.body)
        bucket.import_("later.csv", csv(*(line(n, status="newer") for n in range(0, count, 7))))
        self._before = list(self._invoices.find({}))
        self.job = self.submit()
        bucket.run()
        self.undisturbed = self.outcome()
        assert self.undisturbed.state == "done"
        assert all(self.undisturbed.counts), "the file must hold every kind of row"

    @property
    def _invoices(self) -> Any:
        return self.bucket.services.database["invoices"]

    def _put(self, key: str, body: bytes) -> ObjectVersion:
        services = self.bucket.services
        return services.objects.find(self.bucket.name, key, self.bucket.put(key, body))

    def again(self) -> None:
        """Resets everything to before the import, with the job submitted."""
        database = self.bucket.services.database
        self._invoices.delete_many({})
        self._invoices.insert_many(self._before)
        database["rejects"].delete_many({})
        # A worker that was paused may leave some. No other import has its id, but the next one here does.
        database["comparisons"].delete_many({})
        database["imports"].delete_one({"_id": ObjectId(self.job)})
        for item in self._reject_files():
            self.bucket.services.objects.client.remove_object(self.settings.rejects_bucket, item)
        assert self.submit() == self.job

    def submit(self) -> str:
        return str(self.bucket.ledger.submit(self.version)[0])

    def start(self, fault: Fault | None = None, settings: Settings | None = None, **changes: object) -> Importer:
        """Starts an importer process."""
        return start(settings or self.settings, fault, **changes)

    def state(self) -> str:
        return str(self.bucket.job(self.job)["state"])

    def actions(self) -> ImportActions:
        """The actions of people on imports."""
        database = self.bucket.services.database
        return ImportActions(database["imports"], database["invoices"], self.settings.import_lease_seconds)

    def mails(self) -> list[str]:
        """The subjects of the messages in the outbox."""
        return [mail["subject"] for mail in self.bucket.services.database["notifications"].find({})]

    def outcome(self) -> Outcome:
        job = self.bucket.job(self.job)
        files = [(name, self.bucket.rejects(name)) for name in self._reject_files()]
        leases = self.bucket.services.database["imports"].count_documents({"dueAt": {"$exists": True}})
        return Outcome(job["state"], counts(job), self.bucket.invoices(), files, leases)

    def check(self) -> None:
        """Asserts that the outcome is that of an import without a fault."""
        outcome = self.outcome()
        assert outcome.leases == 0
        assert outcome.state == self.undisturbed.state, self.bucket.job(self.job)["error"]
        assert outcome.counts == self.undisturbed.counts, (outcome.counts, self.undisturbed.counts)
        assert outcome.rejects == self.undisturbed.rejects
        assert len(outcome.rejects) == 1
        assert outcome.invoices == self.undisturbed.invoices

    def _reject_files(self) -> list[str]:
        found = self.bucket.services.objects.client.list_objects(self.settings.rejects_bucket, recursive=True)
        return [str(item.object_name) for item in found]
