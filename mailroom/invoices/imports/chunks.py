"""The batches of a large file that are written at the same time, each leased on its own.

    read under the import's lease ──hand_over──> open ──complete──> counted
                                                 │  ^
                                                 └──┘ read again, once its lease is over

Who has the lease of an import reads one batch, takes it as a part and frees the import at once: another worker reads
the next batch while this one is written, which takes much longer. So a file is split where its reader ends a batch,
whatever its quotes, its encoding and its blank lines are, and nothing is read twice to find these places.

Rows of one invoice are written in the order of the file, since a part waits for those before it that hold the same
invoices. So the result is that of one worker, batch after batch, down to the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from mailroom.platform.mongo import Document

_ID_BYTES, _KEPT_BYTES = 12, 4


class Part(msgspec.Struct, frozen=True):
    """The bytes of content from `offset` to `end`, behind the row `row`, leased until `due_at` by whoever has `epoch`.

    `rejected` is how many rows before it were rejected, `attempts` how often it was begun. `ids` are its invoices, each
    as the first bytes of its id: enough to find nearly always that two parts have none in common.
    """

    offset: int
    end: int
    row: int
    rejected: int
    ids: bytes
    attempts: int
    epoch: int
    due_at: datetime

    @property
    def key(self) -> str:
        return f"{self.offset:012x}"

    def shares_invoices(self, other: Part) -> bool:
        """Whether both may have rows of one invoice. Loads pyarrow."""
        import pyarrow as pa

        from mailroom.invoices.columnar import kernels

        if not self.ids or not other.ids:
            return False
        mine, theirs = (
            pa.Array.from_buffers(pa.uint32(), len(ids) // _KEPT_BYTES, [None, pa.py_buffer(ids)])
            for ids in (self.ids, other.ids)
        )
        return bool(kernels.any_(kernels.is_in(mine, theirs)).as_py())

    def to_document(self) -> Document:
        """Without `ids`, which are kept apart: they are large, and only other workers read them."""
        return {
            "offset": self.offset,
            "end": self.end,
            "row": self.row,
            "rejected": self.rejected,
            "attempts": self.attempts,
            "epoch": self.epoch,
            "dueAt": self.due_at,
        }


def first_bytes(ids: Sequence[bytes]) -> bytes:
    """The `ids` of a part that has these invoices."""
    step = _ID_BYTES // _KEPT_BYTES
    return memoryview(b"".join(ids)).cast("I")[::step].tobytes()


def parts_of(job: Document) -> tuple[Part, ...]:
    """The open parts of an import as MongoDB keeps it, in the order of the file."""
    open_ = job.get("parts") or {}
    ids = job.get("partIds") or {}
    return tuple(_part(open_[key], ids.get(key, b"")) for key in sorted(open_))


def bytes_in(parts: Iterable[Part]) -> int:
    """How many bytes of content are in these parts."""
    return sum(part.end - part.offset for part in parts)


def _part(document: Document, ids: bytes) -> Part:
    return Part(
        offset=document["offset"],
        end=document["end"],
        row=document["row"],
        rejected=document["rejected"],
        ids=ids,
        attempts=document["attempts"],
        epoch=document["epoch"],
        due_at=document["dueAt"],
    )
