"""Where an invoice came from: the row of its file, and the versions of the file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from mailroom.errors import Invalid, NotFound
from mailroom.invoices.files import Dialect, FileRejected, Rules, read_records
from mailroom.invoices.files.formats.lines import without_first
from mailroom.invoices.files.headers.programs import rules_of
from mailroom.invoices.files.opening import content_of
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader
from mailroom.invoices.imports.job import VERSION_FIELDS
from mailroom.invoices.presets.selection import Selection
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.objects import ObjectGone, ObjectStore, ObjectVersion

MOST_VERSIONS = 100
_MOST_IMPORTS = 1_000


class SourceText(msgspec.Struct, frozen=True):
    """The text of an invoice's rows, in the version of an object."""

    version: ObjectVersion
    dialect: Dialect
    text: str


class ListedVersion(msgspec.Struct, frozen=True):
    """A version of a file with its imports, newest first. `present`: its bytes are there."""

    version: ObjectVersion
    present: bool
    imports: list[Document]


class Sources(msgspec.Struct, frozen=True):
    """Every method blocks for answers of MongoDB and the object store."""

    imports: Documents
    objects: ObjectStore
    selection: Selection
    bucket: str

    def read(self, source: Document, budget: Budget) -> SourceText:
        """The text of the row that an invoice's `source` names. A compressed file is read up to there.

        Raises:
            NotFound: `source.gone`.
            Invalid: `source.too_slow`: the row is too far behind in a compressed file.
        """
        job = self.imports.find_one({"_id": source["importId"]}, {"partIds": 0})
        if job is None or job["dialect"] is None:
            raise _gone("the import that the invoice came from is not there any more")
        version = ObjectVersion(*(job[name] for name in VERSION_FIELDS))
        if version.bucket != self.bucket:
            raise _gone(f"only objects of {self.bucket} are read")
        dialect = msgspec.convert(job["dialect"], Dialect)
        try:
            text = self._text(version, dialect, source["offset"], source["row"], budget)
        except (ObjectGone, FileRejected) as error:
            raise _gone("that version of the file is not there any more") from error
        return SourceText(version, dialect, text)

    def versions(self, bucket: str, key: str) -> list[ListedVersion]:
        """The versions of a file, newest first, with their imports; of many, the newest.

        Of a bucket that is not ours, such as an earlier INVOICES_BUCKET, only the imports are known.
        """
        which = {"key": key, "bucket": bucket}
        found = self.imports.find(which, {"partIds": 0}).sort([("createdAt", -1), ("_id", -1)]).limit(_MOST_IMPORTS)
        imports: dict[tuple[str, int], list[Document]] = {}
        for job in found:
            imports.setdefault((job["versionId"], 0 if job["versionId"] else job["modifiedAt"]), []).append(job)
        listed: list[ListedVersion] = []
        present = self._present(bucket, key) if bucket == self.bucket else ()
        for version in islice(present, MOST_VERSIONS):
            of = (version.version_id, 0 if version.version_id else version.modified_ms)
            listed.append(ListedVersion(version, present=True, imports=imports.pop(of, [])))
        for jobs in imports.values():
            gone = ObjectVersion(*(jobs[0][name] for name in VERSION_FIELDS))
            listed.append(ListedVersion(gone, present=False, imports=jobs))
        return sorted(listed, key=lambda each: -each.version.modified_ms)[:MOST_VERSIONS]

    def _present(self, bucket: str, key: str) -> Iterator[ObjectVersion]:
        for version in self.objects.versions(bucket, prefix=key):
            if version.key > key:
                return  # a listing is in the order of keys
            if version.key == key:
                yield version

    def _text(self, version: ObjectVersion, dialect: Dialect, offset: int, row: int, budget: Budget) -> str:
        start = offset if dialect.compression == "none" else 0
        with self.objects.read(version, start) as raw:
            body = content_of(raw, dialect, lambda stream: _within(budget, stream))
            if offset > start:
                body = without_first(body, offset - start)
            rules = self._rules(version.key, dialect)
            records = read_records(body, dialect, rules, offset=offset, row=row - 1)
            found = next(InvoiceReader(dialect, rules).read(records), None)
        if found is None or found.rows[0].row != row:
            raise _gone("the row is not where it was")
        return found.rows[0].raw

    def _rules(self, key: str, dialect: Dialect) -> Rules:
        try:
            return rules_of(dialect, self.selection.of_dialect(key, dialect.preset).rules)
        except FileRejected:  # the preset is gone; then only the first row of an invoice is found
            return Rules()


def _within(budget: Budget, stream: Iterator[bytes]) -> Iterator[bytes]:
    for block in stream:
        if budget.spent():
            raise Invalid(None, "source.too_slow", "the row is too far behind in a compressed file to be read in time")
        if block:
            yield block


def _gone(message: str) -> NotFound:
    return NotFound("source.gone", message)
