"""The rows of a batch as they are compared: which rows are of the same invoice, and whether these differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import bson
import msgspec

from mailroom.invoices.columnar.batches import RowBatch
from mailroom.invoices.files import RowError

MOST_ROWS_NAMED = 20

_CONTENT_BYTES = 16


class ComparedRow(msgspec.Struct, frozen=True):
    """A row whose invoice can be told: a digest of its content, empty for a bad row."""

    invoice: bytes
    row: int
    offset: int
    content: str


class SameInvoice(msgspec.Struct):
    """Rows of one invoice: the offsets of the first and the last, how many, and the numbers of the first of them.

    They differ unless the least of their contents is the greatest.
    """

    first: int
    last: int
    count: int
    rows: list[int]
    least: str
    greatest: str

    @property
    def differs(self) -> bool:
        return self.least != self.greatest

    def add(self, row: ComparedRow) -> None:
        self.last = row.offset
        self.count += 1
        if len(self.rows) < MOST_ROWS_NAMED:
            self.rows.append(row.row)
        self.least, self.greatest = min(self.least, row.content), max(self.greatest, row.content)

    def error(self, *, add_up: bool) -> RowError:
        """Why its rows are rejected."""
        more = self.count - len(self.rows)
        *first, last = [*map(str, self.rows), *([f"{more} more"] if more else [])]
        named = f"Rows {', '.join(first)} and {last}"
        if add_up:
            message = f"{named} are of the same invoice but do not follow one another. Sort the file by invoice."
        else:
            advice = "Add them up with a preset (lineItems: addUp), or leave one row for each invoice."
            message = f"{named} are of the same invoice but differ. {advice}"
        return RowError("invoiceNumber", "row.differs", message)


def compared_rows(batch: RowBatch, *, add_up: bool) -> Iterator[ComparedRow]:
    """The rows of a batch whose invoice can be told, in no order.

    With `add_up`, rows that follow one another were added up before. So two rows of an invoice are never the same.
    """
    if encoded := batch.encoded:
        for index, id_ in enumerate(encoded.ids):
            offset, row = encoded.place(index)
            yield ComparedRow(id_, row, offset, _digest(encoded.content(index), offset, add_up))
    for each in batch.rows:
        content = bson.encode(each.content)[4:-1]
        yield ComparedRow(each.content["_id"].binary, each.row, each.offset, _digest(content, each.offset, add_up))
    for bad in batch.rejected:
        if bad.identity:
            yield ComparedRow(bad.identity.id.binary, bad.row, bad.offset, "")


def by_invoice(rows: Iterable[ComparedRow]) -> dict[bytes, SameInvoice]:
    """The rows of each invoice."""
    found: dict[bytes, SameInvoice] = {}
    for row in sorted(rows, key=lambda row: row.offset):
        if row.invoice not in found:
            found[row.invoice] = SameInvoice(row.offset, row.offset, 0, [], row.content, row.content)
        found[row.invoice].add(row)
    return found


def differing_in(batch: RowBatch, *, add_up: bool) -> dict[bytes, RowError]:
    """The invoices whose rows differ within this batch, with the error for these rows."""
    ids = batch.ids + [bad.identity.id.binary for bad in batch.rejected if bad.identity]
    if len(set(ids)) == len(ids):
        return {}
    invoices = by_invoice(compared_rows(batch, add_up=add_up))
    return {id_: each.error(add_up=add_up) for id_, each in invoices.items() if each.differs}


def _digest(content: bytes, offset: int, add_up: bool) -> str:
    return blake2b(b"%x" % offset if add_up else content, digest_size=_CONTENT_BYTES).hexdigest()
