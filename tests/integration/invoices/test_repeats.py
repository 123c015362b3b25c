"""A repeated import has the result of `merge`, whether rows are compared as bytes or decoded."""

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from msgspec import to_builtins

from mailroom.invoices.columnar import Stamp, read_batches
from mailroom.invoices.files import Dialect, Rules
from mailroom.invoices.imports.job import Chunk
from mailroom.invoices.imports.repeats import Repeats
from mailroom.invoices.imports.writer import InvoiceWriter
from mailroom.invoices.model.columns import COLUMNS
from mailroom.invoices.model.identity import order_prefix
from mailroom.services import Services

DIALECT = Dialect("utf-8", "none", 0, ",", "doubled", "\n", ".", False, "", (), False, COLUMNS, COLUMNS)
BATCH_ROWS = 20


class Imports:
    """Imports the same files into two collections: with the importer, and row by row with `merge`."""

    def __init__(self, services: Services) -> None:
        self.fast = services.database["invoices"]
        self.slow = services.database["rowByRow"]
        self.jobs = services.database["imports"]
        self._store, self._definition = (InvoiceWriter(each, self.jobs) for each in (self.fast, self.slow))

    def run(self, content: bytes, order_ms: int, import_id: ObjectId) -> Counter[str]:
        """Imports a file both ways. Asserts the same counts and content."""
        now = datetime(2026, 1, 1, 0, 0, order_ms % 60, tzinfo=UTC)
        stamp = Stamp(import_id, order_prefix(order_ms, "v1"), now)
        counts: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        batches = read_batches(
            [content], DIALECT, Rules(), offset=0, row=0, most_rows=BATCH_ROWS, most_bytes=1 << 20, stamp=lambda: stamp
        )
        for batch in batches:
            counts[0].update(self._store.insert(batch.encoded, import_id, batch.offset, now))
            counts[0].update(self._store.write(batch.rows, import_id, batch.offset, now))
            counts[1].update(self._definition.write(batch.all_rows(), import_id, batch.offset, now))
        assert counts[0] == counts[1]
        assert _all(self.fast) == _all(self.slow)
        return +counts[0]

    def has_counted(self, import_id: ObjectId, offset: int, *open_chunks: tuple[int, int]) -> None:
        """Stores the progress of an import that has not ended."""
        chunks = [Chunk(begin, end, 0, 0, b"", 1, 1, datetime.now(UTC)) for begin, end in open_chunks]
        progress = {
            "state": "running",
            "checkpoint": {"offset": offset},
            "parts": {each.key: to_builtins(each, builtin_types=(bytes, datetime)) for each in chunks},
        }
        self.jobs.replace_one({"_id": import_id}, progress, upsert=True)


@pytest.fixture
def imports(services: Services) -> Imports:
    return Imports(services)


def test_unchanged_changed_new_and_stale_rows_are_counted_apart(imports: Imports) -> None:
    assert imports.run(_file(range(100)), 10, ObjectId()) == {"inserted": 100}
    assert imports.run(_file(range(100)), 20, ObjectId()) == {"unchanged": 100}
    assert imports.run(_file(range(100), status={7: "paid", 50: "paid"}), 30, ObjectId()) == {
        "unchanged": 98,
        "updated": 2,
    }
    assert imports.run(_file(range(100)), 25, ObjectId()) == {"stale": 100}
    assert imports.run(_file(range(60, 130), status={61: "paid"}), 40, ObjectId()) == {
        "unchanged": 39,
        "updated": 1,
        "inserted": 30,
    }


def test_a_replayed_import_counts_what_it_did(imports: Imports) -> None:
    imports.run(_file(range(40)), 10, ObjectId())
    again = ObjectId()
    first = imports.run(_file(range(60), status={3: "paid"}), 20, again)
    assert imports.run(_file(range(60), status={3: "paid"}), 20, again) == first


@pytest.mark.parametrize("status", [{}, {3: "paid", 50: "paid"}])
def test_an_import_replayed_after_newer_ones_counts_what_it_did(imports: Imports, status: dict[int, str]) -> None:
    imports.run(_file(range(40)), 10, ObjectId())
    ids = [ObjectId() for _ in range(3)]
    for each in ids:
        imports.has_counted(each, 0)
    files = [_file(range(60), status={3: "paid"}), _file(range(60), status=status), _file(range(80), status=status)]

    first = [imports.run(file, 20 + at, ids[at]) for at, file in enumerate(files)]
    stored = _all(imports.fast)

    assert [imports.run(file, 20 + at, ids[at]) for at, file in enumerate(files)] == first
    assert _all(imports.fast) == stored


def test_only_rows_that_may_be_written_again_are_kept_by_a_newer_import(imports: Imports) -> None:
    file, import_id = _file(range(60)), ObjectId()
    lines = file.splitlines(keepends=True)
    imports.has_counted(import_id, 0)
    imports.run(file, 10, import_id)
    begin, end, counted = (sum(map(len, lines[:row])) for row in (20, 30, 50))
    imports.has_counted(import_id, counted, (begin, end))

    assert imports.run(file, 20, ObjectId()) == {"unchanged": 60}

    kept = [each["source"].get("uncounted", []) for each in imports.fast.find({}).sort("invoiceNumber", 1)]
    assert [row for row, entries in enumerate(kept) if entries] == [*range(20, 30), *range(50, 60)]
    assert kept[20] == [{"importId": import_id, "offset": begin, "outcome": "inserted"}]


@pytest.mark.parametrize("state", ["done", "superseded", "undone", "failed", "cancelled"])
def test_only_an_import_that_may_run_again_needs_its_entries(imports: Imports, state: str) -> None:
    import_id = ObjectId()
    imports.has_counted(import_id, 0)
    imports.run(_file(range(30)), 10, import_id)
    imports.jobs.update_one({"_id": import_id}, {"$set": {"state": state}})

    assert imports.run(_file(range(30)), 20, ObjectId()) == {"unchanged": 30}

    kept = imports.fast.count_documents({"source.uncounted": {"$exists": True}})
    assert kept == (30 if state in ("failed", "cancelled") else 0)


@pytest.mark.parametrize("progress", ["all counted", "nothing counted", "half counted"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_any_sequence_of_files_gives_the_result_of_the_model(imports: Imports, seed: int, progress: str) -> None:
    """An import is one file with one place in the order. It may come again at any time, as after a crash."""
    chance = random.Random(seed)
    files: list[tuple[bytes, int, ObjectId]] = []
    for order in chance.sample(range(1, 50), 4):
        rows = sorted(chance.sample(range(80), chance.randrange(30, 80)))
        status = {row: chance.choice(["open", "paid"]) for row in chance.sample(rows, chance.choice([0, 1, 20]))}
        files.append((_file(rows, status=status), order, ObjectId()))
    for _, _, import_id in files if progress != "all counted" else []:
        imports.has_counted(import_id, 0 if progress == "nothing counted" else 1000)
    for _ in range(10):
        imports.run(*chance.choice(files))


def test_an_invoice_changed_between_look_and_write_is_merged_again(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports.run(_file(range(20)), 10, ObjectId())
    imports.run(_file(range(20)), 11, ObjectId())
    collection = imports.fast
    update = InvoiceWriter._update

    def late(store: InvoiceWriter, repeats: Repeats) -> bool:
        for each in (collection, imports.slow):
            each.update_one({"invoiceNumber": "N0006"}, {"$set": {"order": order_prefix(99, "v9") + "0" * 12}})
        return update(store, repeats)

    monkeypatch.setattr(InvoiceWriter, "_update", late)
    # The row-wise way looks after the change, and so does, for what was changed, the other one.
    assert imports.run(_file(range(20)), 20, ObjectId()) == {"unchanged": 19, "stale": 1}


def _file(rows: Any, status: dict[int, str] | None = None) -> bytes:
    known = status or {}
    lines = (
        f'N{row:04},2024-05-{row % 28 + 1:02},119.00,100.00,19.00,"Acme, GmbH",Weg {row},EUR,{known.get(row, "open")}\n'
        for row in rows
    )
    return "".join(lines).encode()


def _all(collection: Any) -> list[dict[str, Any]]:
    return list(collection.find({}).sort("_id", 1))
