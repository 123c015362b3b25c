"""Writes corrected rows as one new object beside the first file. It is then imported as any upload is.

    known? ──yes──────────────────────────────────────> the first answer
      └─no─> choose rows ─> read back ─> compare ─> write once ─> the answer

The name of the object follows from the call, and it is written only if there is none of its name. So a process may be
killed at any step: the call again finds the object, or writes the same one. No second version of it comes later, whose
rows would count as newer than what was uploaded meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from mailroom.errors import Conflict, Invalid, Unavailable
from mailroom.invoices.files import Dialect, FileRejected, Rejected, Rules
from mailroom.invoices.files.headers.programs import rules_of
from mailroom.invoices.imports.job import ImportJob
from mailroom.invoices.imports.rejects import CONTENT_TYPE
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.identity import order_prefix
from mailroom.invoices.model.merge import CONTENT
from mailroom.invoices.model.metadata import METADATA_COLUMNS, METADATA_PRESET
from mailroom.invoices.presets.selection import Selection
from mailroom.invoices.rejected.corrected_rows import CorrectedRows, Correction
from mailroom.invoices.rejected.corrections_file import ReadCorrection, content_of_file, name_of, read_back
from mailroom.invoices.rejected.rejected_rows import RejectedRows, dialect_of
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.objects import ObjectGone, ObjectStore, ObjectVersion
from mailroom.platform.write_once import write_once

METADATA_CALL = "x-amz-meta-corrections"
METADATA_ROWS = "x-amz-meta-rows"
METADATA_OF = "x-amz-meta-corrections-of"

_AT_ONCE = 1_000


class WrittenCorrections(msgspec.Struct, frozen=True):
    """The version of the object, and how many rows it has."""

    version: ObjectVersion
    rows: int


class Corrections(msgspec.Struct, frozen=True):
    """Every method blocks for answers of MongoDB and of the object store."""

    rejected: RejectedRows
    invoices: Documents
    objects: ObjectStore
    selection: Selection

    def find(
        self, job: ImportJob, corrections: Sequence[Correction], idempotency_key: str, *, over_newer: bool = False
    ) -> WrittenCorrections | None:
        """What this call has written before. Raises `Invalid` `idempotency.reused`."""
        key = name_of(job.version.key, job.id, idempotency_key)
        return self._written(job.version.bucket, key, _digest(corrections, over_newer=over_newer))

    def write(
        self,
        job: ImportJob,
        corrections: Sequence[Correction],
        idempotency_key: str,
        now: datetime,
        budget: Budget,
        *,
        over_newer: bool = False,
    ) -> WrittenCorrections:
        """Writes the file of the corrected rows of an import that has read its whole file, unless it is written.

        With `over_newer`, a corrected row may replace what a file that was uploaded later says.

        Raises:
            Invalid: `idempotency.reused`, or a correction that the rejected rows do not allow.
            Conflict: `correction.omitted`, `correction.dialect`, `correction.newer`.
        """
        key = name_of(job.version.key, job.id, idempotency_key)
        call = _digest(corrections, over_newer=over_newer)
        if job.checkpoint.counts["rejected"] > self.rejected.count(job):
            message = "not all rejected rows are kept: correct the file of rejected rows, and upload it"
            raise Conflict("correction.omitted", message)
        dialect = dialect_of(job)
        rules = self._rules(job, dialect)
        chosen = CorrectedRows(dialect, rules, _within(budget, self.rejected.all(job)), corrections)
        rows = chosen.rows(self.rejected.at(job, chosen.offsets()))
        content = content_of_file(dialect, rows)
        reading = self._metadata(job, dialect)
        read = read_back(key, reading, content, rows, (dialect, rules), self.selection, now)
        _check_together(read, chosen.dropped)
        self._check_stored(job, read, rules, over_newer=over_newer)
        metadata = reading | {METADATA_CALL: call, METADATA_ROWS: str(len(rows)), METADATA_OF: str(job.id)}
        write_once(self.objects, job.version.bucket, key, content, CONTENT_TYPE, metadata)
        if written := self._written(job.version.bucket, key, call):
            return written
        raise Unavailable("the object store does not show the corrections that were written")

    def _written(self, bucket: str, key: str, call: str) -> WrittenCorrections | None:
        """What the same call has written: of several versions the first. Raises `Invalid` `idempotency.reused`."""
        first: ObjectVersion | None = None
        for version in self.objects.versions(bucket, prefix=key):
            if version.key > key:
                break  # a listing is in the order of keys
            if version.key == key:
                first = version
        if first is None:
            return None
        metadata = self.objects.metadata(first)
        if metadata.get(METADATA_CALL) != call:
            message = "this Idempotency-Key was used with other corrections"
            raise Invalid("Idempotency-Key", "idempotency.reused", message)
        return WrittenCorrections(first, int(metadata[METADATA_ROWS]))

    def _rules(self, job: ImportJob, dialect: Dialect) -> Rules:
        try:
            return rules_of(dialect, self.selection.of_dialect(job.version.key, dialect.preset).rules)
        except FileRejected as error:
            raise Conflict("correction.dialect", error.message) from error

    def _metadata(self, job: ImportJob, dialect: Dialect) -> dict[str, str]:
        """What says how the file is read: the preset of the first one, and the mapping in its own metadata."""
        try:
            given = self.objects.metadata(job.version)
        except ObjectGone:
            given = {}
        found = {METADATA_COLUMNS: given.get(METADATA_COLUMNS, "")}
        if dialect.preset is not None:
            found[METADATA_PRESET] = dialect.preset.name
        return {name: value for name, value in found.items() if value}

    def _check_stored(self, job: ImportJob, read: Sequence[ReadCorrection], rules: Rules, *, over_newer: bool) -> None:
        """Raises for a row that would replace another row of the first file, or content that is newer than it."""
        given = {document["_id"]: (each, document) for each in read for document in [content_of(each.invoice)]}
        ids = list(given)
        for at in range(0, len(ids), _AT_ONCE):
            for stored in self.invoices.find({"_id": {"$in": ids[at : at + _AT_ONCE]}}):
                each, document = given[stored["_id"]]
                if all(stored.get(name) == document.get(name) for name in CONTENT):
                    continue
                if stored["source"]["importId"] == job.id and rules.line_items != "lastWins":
                    raise _differs(each, stored)
                if not over_newer and stored["order"] > order_prefix(job.order_ms, job.version.version_id):
                    raise _newer(each, stored)


def _digest(corrections: Sequence[Correction], *, over_newer: bool) -> str:
    encoded = msgspec.json.encode([corrections, over_newer], order="sorted")
    return hashlib.sha256(encoded).hexdigest()


def _within(budget: Budget, rejected: Iterator[Rejected]) -> Iterator[Rejected]:
    for each in rejected:
        if budget.spent():
            message = "the import has too many rejected rows to correct them here: correct the file, and upload it"
            raise Conflict("correction.omitted", message)
        yield each


def _check_together(read: Sequence[ReadCorrection], dropped: set[int]) -> None:
    """Raises `Invalid` for rows that would be added up to one invoice, and did not follow one another."""
    for each in read:
        for before, after in zip(each.rows, each.rows[1:], strict=False):
            if not dropped.issuperset(range(before + 1, after)):
                message = f"rows {before} and {after} are of the same invoice but do not follow one another"
                advice = "Leave out one of them, or sort the file by invoice and upload it."
                raise Invalid("rows", "correction.lines_apart", f"{message}. {advice}")


def _differs(each: ReadCorrection, stored: Document) -> Invalid:
    message = f"row {stored['source']['row']} of the same file gave this invoice, {stored['invoiceNumber']!r}"
    return Invalid("rows", "correction.differs", f"row {each.rows[0]}: {message}, with other content")


def _newer(each: ReadCorrection, stored: Document) -> Conflict:
    message = f"the invoice {stored['invoiceNumber']!r} has changed since the file was uploaded"
    advice = "Look at it, and send `overNewer` to replace it all the same."
    return Conflict("correction.newer", f"row {each.rows[0]}: {message}. {advice}", field="rows")
