"""Reads the beginning of a file as an import would, and says what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from mailroom.invoices.files import Dialect, FileRejected, Malformed, Record, Rejected, Rules, read_records
from mailroom.invoices.files.detection import HEADER_WITHIN, first_rows, program_header
from mailroom.invoices.files.formats.workbooks import is_workbook, sheet_content
from mailroom.invoices.files.headers.header import count_known, find_header, known_names
from mailroom.invoices.files.headers.programs import rules_of, with_program
from mailroom.invoices.files.opening import head_of, open_file
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader, ReadRow
from mailroom.invoices.files.rows.set_apart import SetApart
from mailroom.invoices.files.values.amounts import is_amount
from mailroom.invoices.files.values.dates import date_format
from mailroom.invoices.model.columns import ParsedInvoice, ParsedLine
from mailroom.invoices.preview.examination import (
    SAMPLE_BYTES,
    SHOWN_ROWS,
    EstimatedCounts,
    Examination,
    PreviewedHeader,
    PreviewedInvoice,
    PreviewedLine,
    PreviewedRow,
    PreviewFault,
    PreviewTask,
)
from mailroom.invoices.preview.suggestions import mapping_of, missing_of

_ROWS_OF_VALUES = 200
"""Rows whose values are looked at."""
_LEAST_KNOWN = 2
"""A row with this many known names is a header."""


class _Sample(msgspec.Struct, frozen=True):
    """The beginning of the content; `whole` when it is all of it. `error`: why it ends there."""

    content: bytes
    whole: bool
    error: FileRejected | None = None


def examine(task: PreviewTask, data: bytes) -> Examination:
    """What an import of the object that begins with `data` would do, and what its columns may be."""
    try:
        dialect, content = open_file(iter([data]), task.rules)
    except FileRejected as error:
        return _refused(error, task, data)
    rules = rules_of(dialect, task.rules)
    sample = _sample(content, complete=task.complete)
    records = list(_records(sample, dialect, rules))
    reader = InvoiceReader(dialect, rules)
    ended_by, parsed = sample.error, []
    try:
        parsed = [row for rows in reader.read(records) for row in rows.rows]
    except FileRejected as error:
        ended_by = error
    results = [row.result for row in parsed if not isinstance(row.result, SetApart)]
    values = [record.fields for record in records[:_ROWS_OF_VALUES] if isinstance(record, Record)]
    mapping = mapping_of(dialect.names, values, rules, dialect, of_program=bool(dialect.program))
    return Examination(
        error=_fault(ended_by) if ended_by else None,
        dialect=msgspec.to_builtins(dialect),
        header=_header(sample.content, dialect),
        rows=[_shown(row) for row in parsed[:SHOWN_ROWS]],
        mapping=mapping,
        estimated=_estimated(task, sample, dialect, results),
    )


def _refused(error: FileRejected, task: PreviewTask, data: bytes) -> Examination:
    """With the header that the file may have, and suggestions for its columns, if its rows can be told apart."""
    try:
        rows, content = _rows_anyway(task, data)
    except FileRejected:
        return Examination(error=_fault(error))
    rules = task.rules
    if of_program := program_header(rows):
        header, program = of_program
        rules = with_program(rules, program, header.fields)
    at = rows.index(header) if of_program else _find_header([row.fields for row in rows], rules)
    names = [name.strip() for name in rows[at].fields] if at is not None else []
    below = rows[at + 1 :] if at is not None else []
    values = [row.fields for row in below[:_ROWS_OF_VALUES]]
    mapping = mapping_of(names, values, rules, None, of_program=of_program is not None)
    return Examination(
        error=_fault(error),
        header=PreviewedHeader(_line_of(content, rows[at]), names) if at is not None else None,
        mapping=mapping,
        missing=missing_of(mapping, rules) if mapping else [],
    )


def _rows_anyway(task: PreviewTask, data: bytes) -> tuple[list[Record], bytes]:
    """The first rows of a file whose columns are not known, and the content that they are in."""
    head, complete, _ = head_of(iter([data]))
    rules = task.rules
    workbook = is_workbook(head)
    if workbook:
        sheet = (block for block in sheet_content(data, rules.decimal_mark or ".", rules.sheet) if block)
        head, complete, _ = head_of(sheet)
        rules = msgspec.structs.replace(rules, encoding="utf-8")
    return first_rows(head, rules, complete=complete and task.complete, workbook=workbook), head


def _find_header(rows: Sequence[Sequence[str]], rules: Rules) -> int | None:
    """The index of the row with the names: the one with the most known ones, else one above data that looks so."""
    first = rows[:HEADER_WITHIN]
    if not first:
        return None
    best = find_header(first, rules)
    if count_known(first[best], known_names(rules)) >= _LEAST_KNOWN:
        return best
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    named = (at for at, row in enumerate(first) if len(row) == width and all(map(_may_be_name, row)) and any(row))
    return next(named, None)


def _may_be_name(text: str) -> bool:
    return not (is_amount(text) or date_format(text))


def _sample(content: Iterator[bytes], *, complete: bool) -> _Sample:
    held = bytearray()
    try:
        for block in content:
            held += block
            if len(held) > SAMPLE_BYTES:
                return _Sample(bytes(held[:SAMPLE_BYTES]), whole=False)
    except FileRejected as error:
        # Compressed data that was cut off for the preview ends too early.
        return _Sample(bytes(held), whole=False, error=error if complete else None)
    return _Sample(bytes(held), whole=complete)


def _records(sample: _Sample, dialect: Dialect, rules: Rules) -> Iterator[Record | Malformed]:
    """The rows of the sample, without a last one that may be cut off."""
    size = len(sample.content)
    for record in read_records([sample.content], dialect, rules, offset=0, row=0):
        if sample.whole or record.end < size:
            yield record


def _header(content: bytes, dialect: Dialect) -> PreviewedHeader | None:
    if not dialect.has_header:
        return None
    above = content[: dialect.content_start].decode(dialect.encoding, "replace").rstrip("\r\n")
    # The names may have line breaks in quotes: then the number is that of the header's last line.
    return PreviewedHeader(above.count("\n") + 1 if "\n" in above else above.count("\r") + 1, list(dialect.names))


def _line_of(content: bytes, record: Record) -> int:
    above = content[: record.offset]
    return (above.count(b"\n") or above.count(b"\r")) + 1


def _shown(read: ReadRow) -> PreviewedRow:
    match read.result:
        case ParsedInvoice():
            return PreviewedRow(read.row, _invoice(read.result), [])
        case Rejected():
            errors = [PreviewFault(each.code, each.message, each.column) for each in read.result.errors]
            return PreviewedRow(read.row, None, errors)
        case SetApart():
            return PreviewedRow(read.row, None, [], set_apart=True)


def _invoice(parsed: ParsedInvoice) -> PreviewedInvoice:
    return PreviewedInvoice(
        invoice_number=parsed.invoice_number,
        invoice_date=parsed.invoice_date.isoformat(),
        gross_amount=f"{parsed.gross_amount:f}",
        net_amount=f"{parsed.net_amount:f}",
        vat_amount=f"{parsed.vat_amount:f}",
        supplier_name=parsed.supplier_name,
        supplier_address=parsed.supplier_address,
        currency=parsed.currency,
        status=parsed.status,
        extra=parsed.extra,
        derived=list(parsed.derived),
        lines=[_line(each) for each in parsed.lines],
    )


def _line(line: ParsedLine) -> PreviewedLine:
    net = None if line.net is None else f"{line.net:f}"
    return PreviewedLine(line.number, line.text, line.quantity, net, line.rate)


def _estimated(
    task: PreviewTask, sample: _Sample, dialect: Dialect, results: Sequence[ParsedInvoice | Rejected]
) -> EstimatedCounts:
    rejected = sum(isinstance(each, Rejected) for each in results)
    if sample.whole:
        return EstimatedCounts(len(results), rejected)
    read = len(sample.content) - dialect.content_start
    if dialect.compression != "none" or read <= 0:
        return EstimatedCounts()
    times = (task.size - dialect.content_start) / read
    return EstimatedCounts(round(len(results) * times), round(rejected * times))


def _fault(error: FileRejected) -> PreviewFault:
    return PreviewFault(error.code, error.message, error.column)
