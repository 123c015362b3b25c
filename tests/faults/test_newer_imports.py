"""Importers die after a write and before its checkpoint, and newer imports change the same invoices before the replay.

An import must still count what it did: the documents say what that was, and undo tells people so.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable

import pytest
from bson import ObjectId

from mailroom.deploy import setup
from mailroom.invoices.imports.actions import ImportActions, Undone
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectVersion
from mailroom.services import Services
from tests.faults.child import Fault
from tests.faults.conftest import BATCH_ROWS, LEASE_SECONDS
from tests.faults.world import ENDED, Importer, start
from tests.integration.invoices.files import Bucket, counts, csv, line
from tests.support.slow import others_slow

ONE_BATCH = 1000
SEEDS = int(os.environ.get("MAILROOM_SEEDS", "20"))
ROWS = 48
FAULTY_ROUNDS = 8
LONGEST_LIFE_SECONDS = 0.4
BATCH_PLACES = ("half written", "written", "checkpointed")


class Imports:
    """Files that are uploaded one after the other, and their imports."""

    def __init__(self, services: Services) -> None:
        setup.run(services, lambda line: None)
        self.bucket, self.settings = Bucket(services), services.settings
        self._jobs, self._invoices = services.database["imports"], services.database["invoices"]
        self._actions = ImportActions(self._jobs, self._invoices, LEASE_SECONDS)

    def upload(self, key: str, body: bytes) -> ObjectVersion:
        return self.bucket.services.objects.find(self.bucket.name, key, self.bucket.put(key, body))

    def submit(self, version: ObjectVersion) -> ObjectId:
        return self.bucket.ledger.submit(version)[0]

    def job(self, id_: ObjectId) -> Document:
        return self.bucket.job(str(id_))

    def counts(self, id_: ObjectId) -> tuple[int, ...]:
        """Returns as `counts`, of an import that is done."""
        job = self.job(id_)
        assert job["state"] == "done", job["error"]
        return counts(job)

    def start(self, fault: Fault | None = None, **changes: object) -> Importer:
        return start(self.settings, fault, **changes)

    def hold(self, id_: ObjectId) -> None:
        """Keeps the workers away from the import, as a lease does that lasts for long."""
        self._jobs.update_one({"_id": id_}, {"$unset": {"dueAt": ""}})

    def go_on(self, id_: ObjectId) -> None:
        """Makes the import due, as at the end of its lease."""
        self._jobs.update_one({"_id": id_}, {"$set": {"dueAt": self.bucket.ledger.now()}})

    def retry_if_given_up(self, id_: ObjectId) -> None:
        """Retries an import whose workers were killed too often in a row, as a person does."""
        if (self.job(id_)["error"] or {}).get("code") == "import.no_progress":
            self._actions.retry(id_)

    def undo(self, id_: ObjectId) -> Undone:
        return self._actions.undo(id_, Budget(60))

    def stored(self) -> list[Document]:
        """All invoices without what a later import removes."""
        invoices = self.bucket.invoices()
        for each in invoices:
            each["source"].pop("uncounted", None)
        return invoices

    def forget(self) -> None:
        for collection in (self._jobs, self._invoices):
            collection.delete_many({})


@pytest.fixture
def imports(make_services: Callable[..., Services]) -> Imports:
    # The files have several rows of some invoices, which would all be rejected by default.
    last_wins = '{"": {"lineItems": "lastWins"}}'
    return Imports(
        make_services(import_lease_seconds=LEASE_SECONDS, import_batch_rows=BATCH_ROWS, import_profiles=last_wins)
    )


def _older(*, repeating: bool) -> bytes:
    """New, changed, unchanged and stale rows; if `repeating`, some invoices come twice."""
    lines = [line(n, status="late" if n % 4 == 1 else "open") for n in range(80)]
    return csv(*lines, *(line(n, status="again") for n in range(0, 80, 9) if repeating))


@pytest.mark.parametrize("repeating", [False, True])
@pytest.mark.parametrize("newest", others_slow(["other", "same"], "other"))
def test_an_import_counts_what_it_wrote_before_newer_imports_changed_it(imports: Imports, repeating: bool, newest: str):
    body = _older(repeating=repeating)
    first = imports.upload("first.csv", csv(*(line(n) for n in range(0, 80, 3))))
    older = imports.upload("older.csv", body)
    newer = imports.upload("newer.csv", csv(*(line(n, status="newer" if n % 5 else "open") for n in range(85))))
    last = imports.upload("last.csv", body if newest == "same" else csv(*(line(n, status="last") for n in range(85))))

    def undisturbed() -> list[ObjectId]:
        ids = [imports.submit(version) for version in (first, older, newer, last)]
        assert imports.start(import_batch_rows=ONE_BATCH).wait() == 0
        return ids

    def disturbed() -> list[ObjectId]:
        ids = []
        for version in (first, older, newer, last):
            ids.append(imports.submit(version))
            fault = Fault("written") if version in (older, newer) else None
            importer = imports.start(fault, import_batch_rows=ONE_BATCH)
            assert importer.wait() == (-signal.SIGKILL if fault else 0)
            if fault:
                imports.hold(ids[-1])
        for id_ in ids[1:3]:
            imports.go_on(id_)
        assert imports.start(import_batch_rows=ONE_BATCH).wait() == 0
        return ids

    found = []
    for run in (disturbed, undisturbed):
        imports.forget()
        ids = run()
        counted, stored = list(map(imports.counts, ids)), imports.stored()
        found.append((counted, stored, [imports.undo(id_) for id_ in ids]))

    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_kills_at_random_beside_an_import_of_the_same_invoices_change_no_count(imports: Imports, seed: int):
    chance = random.Random(seed)
    imports.submit(imports.upload("known.csv", csv(*(line(n) for n in range(0, ROWS, 5)))))
    assert imports.start().wait() == 0
    # The content of both files is the same in the end. So `insertedBy` and `changedBy` tell which import came first.
    paid = [line(n, status="paid") for n in range(ROWS)]
    drafts = {f"{n}": line(n, status="draft") for n in range(ROWS) if n % 5 and n % 7 == 3}
    older = imports.submit(imports.upload("older.csv", csv(*_mixed(chance, drafts, paid))))
    newer = imports.submit(imports.upload("newer.csv", csv(*chance.sample(paid, ROWS))))

    kills = _run_and_kill(imports, chance, (older, newer))

    expected = _expected(imports.bucket.invoices(), older, newer, set(drafts))
    assert {id_: imports.counts(id_) for id_ in (older, newer)} == expected
    print(f"seed {seed}: {kills} kills, {[*expected.values()]}")


def _mixed(chance: random.Random, drafts: dict[str, str], paid: list[str]) -> list[str]:
    """The rows in any order, but each draft before the row that follows it."""
    lines = chance.sample(paid, len(paid))
    for number, draft in drafts.items():
        at = next(index for index, each in enumerate(lines) if each.partition(",")[0] == number)
        lines.insert(chance.randint(0, at), draft)
    return lines


def _run_and_kill(imports: Imports, chance: random.Random, ids: tuple[ObjectId, ...]) -> int:
    """Runs the imports with several workers at once, which die again and again; how many were killed."""
    kills = rounds = 0
    while any(imports.job(id_)["state"] not in ENDED for id_ in ids):
        rounds += 1
        importers = [imports.start(_fault(chance) if rounds <= FAULTY_ROUNDS else None) for _ in range(3)]
        if rounds <= FAULTY_ROUNDS:
            importers[0].process.join(chance.uniform(0, LONGEST_LIFE_SECONDS))
            importers[0].process.kill()
        kills += sum(importer.wait() == -signal.SIGKILL for importer in importers)
        for id_ in ids:
            imports.retry_if_given_up(id_)
    return kills


def _fault(chance: random.Random) -> Fault:
    return Fault(chance.choice(BATCH_PLACES), passes=chance.randint(1, 4))


def _expected(
    invoices: list[Document], older: ObjectId, newer: ObjectId, drafts: set[str]
) -> dict[ObjectId, tuple[int, ...]]:
    """The counts of both imports, as the invoices tell them."""
    done: dict[ObjectId, Counter[str]] = {older: Counter(), newer: Counter()}
    for each in invoices:
        inserted, changed = each["insertedBy"], each["changedBy"]
        rows_of_older = 1 + (each["invoiceNumber"] in drafts)
        written = rows_of_older if changed == older else int(inserted == older)
        done[older].update(stale=rows_of_older - written, updated=written, rows=rows_of_older)
        done[newer].update(rows=1, updated=changed == newer, unchanged=changed == older)
        for id_ in {inserted} & done.keys():
            done[id_].update(inserted=1, updated=-1)
    names = ("rows", "inserted", "updated", "unchanged", "stale", "rejected")
    return {id_: tuple(found[name] for name in names) for id_, found in done.items()}
