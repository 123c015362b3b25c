"""A file is split at the ends of batches. A batch is the same whether read alone or after skipped ones."""

from collections.abc import Generator
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom.invoices.columnar import RowBatch, read_batches
from mailroom.invoices.files import Dialect, Rejected, Rules
from tests.unit.invoices.columnar.test_batches import STAMP, dialects, files, outcomes, rule_sets


@dataclass(frozen=True)
class Read:
    """A batch, with its offset and the row before it."""

    offset: int
    row: int
    end: int
    last: int
    outcomes: list[bytes | Rejected]


@dataclass(frozen=True)
class File:
    content: bytes
    dialect: Dialect
    rules: Rules
    chunk: int
    most_rows: int
    most_bytes: int

    def batches(self, offset: int, row: int, end: int | None = None) -> Generator[RowBatch, tuple[int, int] | None]:
        part = self.content[offset:end]
        chunks = [part[at : at + self.chunk] for at in range(0, len(part), self.chunk)]
        return read_batches(
            chunks,
            self.dialect,
            self.rules,
            offset=offset,
            row=row,
            most_rows=self.most_rows,
            most_bytes=self.most_bytes,
            stamp=lambda: STAMP,
        )

    def all(self) -> list[Read]:
        found: list[Read] = []
        for batch in self.batches(0, 0):
            found.append(_read(batch, found[-1].end if found else 0, found[-1].last if found else 0))
        return found


@st.composite
def whole_files(draw: st.DrawFn) -> File:
    dialect = draw(dialects())
    return File(
        draw(files(dialect)),
        dialect,
        draw(rule_sets),
        draw(st.integers(1, 300)),
        draw(st.integers(1, 5)),
        draw(st.sampled_from([1, 200, 1 << 20])),
    )


@settings(max_examples=150, deadline=None)
@given(whole_files())
def test_a_batch_read_by_itself_is_the_same(file: File) -> None:
    for each in file.all():
        (alone,) = file.batches(each.offset, each.row, each.end)
        assert _read(alone, each.offset, each.row) == each


@settings(max_examples=150, deadline=None)
@given(st.data(), whole_files())
def test_a_batch_after_skipped_ones_is_the_same(data: st.DataObject, file: File) -> None:
    wanted = file.all()
    taken = [each for each in wanted[1:] if data.draw(st.booleans())]
    reader = file.batches(0, 0)
    assert [_read(batch, 0, 0) for batch in [next(reader, None)] if batch] == wanted[:1]
    for each in taken:
        assert _read(reader.send((each.offset, each.row)), each.offset, each.row) == each


def _read(batch: RowBatch, offset: int, row: int) -> Read:
    return Read(offset, row, batch.end, batch.row, outcomes(batch))
