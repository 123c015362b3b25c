"""What a profile or a preset may say about reading files, and the check of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite
from typing import Literal

import msgspec
from msgspec.structs import asdict, replace

from mailroom.errors import Invalid
from mailroom.invoices.files import Rules
from mailroom.invoices.files.formats.encodings import is_readable
from mailroom.invoices.files.headers.header import MAX_COLUMNS
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.files.rules import DateOrder, DecimalMark, LineItems
from mailroom.invoices.files.values.constants import CONSTANTS, fault_of_constant
from mailroom.invoices.model.columns import AMOUNTS, MAPPABLE, TEXTS
from mailroom.invoices.model.texts import BadValue, read_text

_MAX_NAME_CHARACTERS = 500  # of a header name; longer ones are in no file that is read
_MAX_SHEET_CHARACTERS = 31  # Excel's
_MAX_YEAR_PIVOT = 100


class Options(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What is left out is as the deployment's rules say. `Rules` says what each means."""

    date_order: DateOrder | None = None
    year_pivot: int | None = None
    decimal_mark: DecimalMark | None = None
    encoding: str | None = None
    statuses: frozenset[str] | None = None
    amount_tolerance: Decimal | float | None = None  # in JSON a text or a number
    extra_columns: Literal["reject", "keep"] | None = None
    constants: dict[str, str] | None = None
    line_items: LineItems | None = None
    invoice_amounts: frozenset[str] | None = None
    continuation_rows: bool | None = None
    minor_units: bool | None = None
    sheet: str | None = None


_FIELDS = tuple(Options.__struct_fields__)


def applied(rules: Rules, options: Options, columns: Mapping[str, str | None]) -> Rules:
    """The rules as the options change them. `columns` go before the names that the rules have."""
    given = {name: value for name, value in asdict(options).items() if name in _FIELDS and value is not None}
    if options.amount_tolerance is not None:
        given["amount_tolerance"] = Decimal(str(options.amount_tolerance))
    return replace(rules, **given, aliases=merged(rules.aliases, columns), stated=rules.stated.union(given))


def merged(names: Mapping[str, str | None], columns: Mapping[str, str | None]) -> dict[str, str | None]:
    """Both, and where both name a column, however it is spelled, the second."""
    own = {normalised(name) for name in columns}
    return {name: column for name, column in names.items() if normalised(name) not in own} | dict(columns)


def check(options: Options) -> None:
    """Raises `Invalid` for the first value that is wrong, with the path of its field."""
    for field, message in _faults(options):
        raise invalid(field, message)


def check_columns(field: str, columns: Mapping[str, str | None]) -> None:
    """Raises `Invalid` for a name that is none, or is mapped to a column that is not there."""
    if len(columns) > MAX_COLUMNS:
        raise invalid(field, f"at most {MAX_COLUMNS} columns may be named")
    seen: dict[str, tuple[str, str | None]] = {}
    for header, column in columns.items():
        if not header.strip() or len(header) > _MAX_NAME_CHARACTERS or "\0" in header:
            raise invalid(field, f"{header[:40]!r} is not a valid column name")
        if column is not None and column not in MAPPABLE:
            raise invalid(field, f"{header!r} is mapped to {column!r}, which is not one of {', '.join(MAPPABLE)}")
        other, its_column = seen.setdefault(normalised(header), (header, column))
        if its_column != column:
            raise invalid(field, f"{header!r} and {other!r} are the same name, and are mapped to different columns")


def invalid(field: str, message: str) -> Invalid:
    return Invalid(field, "preset.invalid", message)


def _faults(options: Options) -> Iterator[tuple[str, str]]:
    if options.encoding and not is_readable(options.encoding):
        yield "encoding", f"{options.encoding!r} is not a supported encoding"
    tolerance = options.amount_tolerance
    if tolerance is not None and not (isfinite(tolerance) and tolerance >= 0):
        yield "amountTolerance", "amountTolerance must be at least 0"
    if options.year_pivot is not None and not 0 <= options.year_pivot <= _MAX_YEAR_PIVOT:
        yield "yearPivot", f"yearPivot must be from 0 to {_MAX_YEAR_PIVOT}"
    if options.sheet is not None and (len(options.sheet) > _MAX_SHEET_CHARACTERS or not options.sheet.isprintable()):
        yield "sheet", f"sheet must be the number of a sheet, or its name of up to {_MAX_SHEET_CHARACTERS} characters"
    for status in sorted(options.statuses or ()):
        if isinstance(found := read_text(status, TEXTS["status"]._replace(required=True)), BadValue) or found != status:
            yield "statuses", f"{status[:50]!r} is not a valid status"
    for name in sorted(options.invoice_amounts or ()):
        if name not in AMOUNTS:
            yield "invoiceAmounts", f"{name!r} is not one of {', '.join(AMOUNTS)}"
    for column, value in (options.constants or {}).items():
        if message := fault_of_constant(column, value, _rules_of(options)):
            yield f"constants.{column}" if column in CONSTANTS else "constants", message.rstrip(".")


def _rules_of(options: Options) -> Rules:
    """The rules by which its constants are read."""
    return Rules(
        date_order=options.date_order or "",
        decimal_mark=options.decimal_mark or "",
        minor_units=bool(options.minor_units),
        statuses=options.statuses or frozenset(),
    )
