"""Invoices and imports as the API shows them: money and dates as text, ids as hexadecimal digits."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from mailroom.invoices.imports.job import COUNTS, bytes_read
from mailroom.invoices.imports.ledger import DONE, STATES
from mailroom.invoices.model.decimals import plain_text
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.preview.examination import (
    ColumnMapping,
    EstimatedCounts,
    MissingColumn,
    PreviewedHeader,
    PreviewedRow,
    PreviewFault,
)
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.platform.waiting import Waiting
from mailroom.web.schemas import Cursor, Date, Fault, Id, Money, Schema, Time, WaitingFor, waiting_for

State = Annotated[str, Meta(extra_json_schema={"enum": list(STATES)})]


class Source(Schema):
    """Where an invoice's content comes from. `row` counts from 1 and is its first row of data, `offset` is in bytes."""

    import_id: Id
    row: int
    offset: int
    outcome: str


class AddedUpRow(Schema):
    """A row of the file that was added up with others to the invoice. `rate` is the VAT rate in per cent."""

    number: str
    text: str
    quantity: str
    net: Money | None
    rate: str


class Edit(Schema):
    """The last change through this API."""

    key_id: Id
    at: Time


class Invoice(Schema):
    """`changedBy` is the id of the import, or of the API key, that changed it last.

    `derived` names the amounts that the file does not state. `lines` are there if the file had a row for each.
    """

    id: Id
    invoice_number: str
    invoice_date: Date
    gross_amount: Money
    net_amount: Money
    vat_amount: Money
    supplier_name: str
    supplier_address: str
    currency: str
    status: str
    extra: dict[str, str]
    derived: list[str]
    lines: list[AddedUpRow]
    source: Source
    edited: Edit | None
    inserted_by: Id
    changed_by: Id
    created_at: Time
    updated_at: Time


class InvoicePage(Schema):
    items: list[Invoice]
    next_cursor: Cursor | None


class StatusList(Schema):
    """The statuses that an invoice may be given, by name. If it is empty, any is allowed."""

    allowed: list[str]


class Total(Schema, omit_defaults=True):
    """The invoices that have these in common. Of `supplier`, `month` and `status` those are there that `by` names.

    `supplier` is a name as one of the invoices writes it; names that differ only in case or spaces are one supplier.
    """

    currency: str
    count: int
    gross_amount: Money
    net_amount: Money
    vat_amount: Money
    supplier: str | msgspec.UnsetType = msgspec.UNSET
    month: Annotated[str, Meta(pattern=r"^\d{4}-\d\d$")] | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET


class TotalPage(Schema):
    items: list[Total]
    next_cursor: Cursor | None


class RowCounts(Schema):
    """`rows` is the sum of the others but `setApart`: totals and headings of a report, which are no invoices."""

    rows: int
    inserted: int
    updated: int
    unchanged: int
    stale: int
    rejected: int
    set_apart: int


class Progress(Schema):
    bytes_read: int
    bytes_total: int


class ObjectName(Schema):
    bucket: str
    key: str


class RejectsFile(ObjectName):
    """`omitted` rows were rejected after the file had grown to its limit."""

    omitted: int


class UsedPreset(Schema):
    """A version of a preset."""

    name: str
    version: int


class Import(Schema):
    """One version of an object, and what became of its rows. A dry run has written nothing.

    `preset` is the one that the file is read with, and is known with the dialect.
    """

    id: Id
    state: State
    bucket: str
    key: str
    version_id: str
    counts: RowCounts
    progress: Progress
    error: Fault | None
    rejects: RejectsFile | None
    dry_run: bool
    dialect: dict[str, Any] | None
    preset: UsedPreset | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    updated_at: Time


class ImportDetails(Import):
    """One import. `waitingFor` says why it is not done yet, and is null once it has ended."""

    waiting_for: WaitingFor | None


class ImportPage(Schema):
    """`waitingFor` is there if `key` is given and nothing is found: why the object has no import."""

    items: list[Import]
    next_cursor: Cursor | None
    waiting_for: WaitingFor | msgspec.UnsetType = msgspec.UNSET


class AcceptedImport(Schema):
    """The id of the import."""

    id: Id


class Undo(Schema):
    """`left` are the invoices that stay, since others changed them or since the import only changed them."""

    deleted: int
    left: int
    complete: bool


class UndoForecast(Schema):
    """How many invoices an undo would delete, and how many would stay."""

    deletes: int
    leaves: int


class FilePreview(ObjectName):
    """What an import that began now would make of a version of an object. With an `error` it would be refused.

    `rows` are the first of the file. `mapping` has an entry for each column of the file: suggestions, where the
    confidence is less than 1. `preset` is the stored one that was used.
    """

    version_id: str
    preset: UsedPreset | None
    error: PreviewFault | None
    dialect: dict[str, Any] | None
    header: PreviewedHeader | None
    rows: list[PreviewedRow]
    mapping: list[ColumnMapping]
    missing: list[MissingColumn]
    estimated: EstimatedCounts


class PresetVersionHead(Schema):
    """`keyId` is the key that made this version, or `command`."""

    name: str
    version: int
    created_at: Time
    key_id: str


class PresetHead(PresetVersionHead):
    prefix: str | None


class PresetPage(Schema):
    items: list[PresetHead]
    next_cursor: Cursor | None


class StoredPreset(PresetVersionHead):
    """`preset` is what was put."""

    preset: Preset


class ListedPresetVersion(PresetVersionHead):
    deleted: bool


class PresetVersions(Schema):
    items: list[ListedPresetVersion]
    next_cursor: Cursor | None


class DeletedPreset(Schema):
    """`version` is the last one that can be read."""

    deleted: str
    version: int


class Upload(Schema):
    """A form: POST it to `url` as multipart/form-data with all `fields`, `key` and last of all `file`."""

    url: str
    fields: dict[str, str]
    key_prefix: str
    max_bytes: int
    expires_at: Time


def invoice(document: Document) -> Invoice:
    """An invoice as MongoDB keeps it."""
    source, edited = document["source"], document.get("edited")
    return Invoice(
        id=str(document["_id"]),
        invoice_number=document["invoiceNumber"],
        invoice_date=document["invoiceDate"].date().isoformat(),
        gross_amount=plain_text(document["grossAmount"]),
        net_amount=plain_text(document["netAmount"]),
        vat_amount=plain_text(document["vatAmount"]),
        supplier_name=document["supplierName"],
        supplier_address=document["supplierAddress"],
        currency=document["currency"],
        status=document["status"],
        extra=document.get("extra", {}),
        derived=document.get("derived", []),
        lines=[_line(each) for each in document.get("lines", ())],
        source=Source(
            import_id=str(source["importId"]), row=source["row"], offset=source["offset"], outcome=source["outcome"]
        ),
        edited=Edit(key_id=str(edited["keyId"]), at=rfc3339(edited["at"])) if edited else None,
        inserted_by=str(document["insertedBy"]),
        changed_by=str(document["changedBy"]),
        created_at=rfc3339(document["createdAt"]),
        updated_at=rfc3339(document["updatedAt"]),
    )


def _line(line: Document) -> AddedUpRow:
    net = line.get("net")
    return AddedUpRow(**line | {"net": None if net is None else plain_text(net)})


def total(group: Document) -> Total:
    """A group of `Totals`."""
    common = group["_id"] | ({"supplier": group["supplier"]} if "supplier" in group["_id"] else {})
    return Total(
        **common,
        count=group["count"],
        gross_amount=plain_text(group["grossAmount"]),
        net_amount=plain_text(group["netAmount"]),
        vat_amount=plain_text(group["vatAmount"]),
    )


def import_(document: Document) -> Import:
    """An import as MongoDB keeps it."""
    checkpoint, total, error, rejects = (document[name] for name in ("checkpoint", "size", "error", "rejects"))
    # Of a compressed object the offset is one of its content, which may be longer than the object.
    read = bytes_read(document)
    return Import(
        id=str(document["_id"]),
        state=document["state"],
        bucket=document["bucket"],
        key=document["key"],
        version_id=document["versionId"],
        counts=RowCounts.of(dict.fromkeys(COUNTS, 0) | checkpoint["counts"]),
        progress=Progress(bytes_read=total if document["state"] == DONE else min(read, total), bytes_total=total),
        error=Fault(**error) if error else None,
        rejects=RejectsFile(**rejects) if rejects else None,
        dry_run=document["dryRun"],
        dialect=document["dialect"],
        preset=UsedPreset(**used) if (used := (document["dialect"] or {}).get("preset")) else None,
        created_at=rfc3339(document["createdAt"]),
        started_at=_optional_time(document, "startedAt"),
        finished_at=_optional_time(document, "finishedAt"),
        updated_at=rfc3339(document["updatedAt"]),
    )


def import_details(document: Document, waiting: Waiting | None) -> ImportDetails:
    """An import as MongoDB keeps it, and why it waits."""
    return ImportDetails(**asdict(import_(document)), waiting_for=waiting_for(waiting))


def _optional_time(document: Document, name: str) -> str | None:
    value = document.get(name)
    return None if value is None else rfc3339(value)
