"""Finds a file's dialect from its first bytes. Refuses a file whose amounts or dates stay ambiguous."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import msgspec
from msgspec.structs import replace

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.formats.compression import GZIP_MAGIC, decompressed_head
from mailroom.invoices.files.formats.encodings import find_encoding, refuse_other_formats
from mailroom.invoices.files.formats.records import Malformed, Record, read_records
from mailroom.invoices.files.guard import GUARD_NAME
from mailroom.invoices.files.headers.datev import batch_header
from mailroom.invoices.files.headers.header import (
    check_derived,
    count_known,
    find_header,
    has_required,
    known_names,
    match_header,
)
from mailroom.invoices.files.headers.programs import Program, check_needs, recognised, with_program
from mailroom.invoices.files.rows.form import RowForm, with_form
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.files.value_forms import with_value_forms
from mailroom.invoices.files.values.amounts import is_amount
from mailroom.invoices.files.values.currencies import read_currency
from mailroom.invoices.files.values.dates import date_format
from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, TEXTS
from mailroom.invoices.model.texts import read_text

HEAD_BYTES = 256 * 1024
"""How much of the beginning is looked at."""

DELIMITERS = ",;\t|"
_TRIED_ROWS = 50
HEADER_WITHIN = 30
"""Titles and addresses may stand above the header: it is among these first rows."""
_SEP_LINE = re.compile(r'"?sep=([,;\t|])"?(?:\r\n|\r|\n|$)', re.IGNORECASE)
_DATE_AT, _AMOUNTS_AT = COLUMNS.index("invoiceDate"), [COLUMNS.index(name) for name in AMOUNTS]
_LONE_BACKSLASH = re.compile(r"(?<!\\)(?:\\\\)*\\(?![\"\\])")


class _Head(msgspec.Struct, frozen=True):
    """The beginning of the content; `complete` when it is all of it."""

    content: bytes
    complete: bool
    rules: Rules

    def rows(self, dialect: Dialect, most: int | None = None) -> list[Record | Malformed]:
        """Rows from `content_start` on, without a last one that may be cut off."""
        start = dialect.content_start
        rows = read_records([self.content[start:]], dialect, self.rules, offset=start, row=0)
        found = list(islice(rows, most))
        if found and not self.complete and found[-1].end >= len(self.content):
            found.pop()
        return found


def detect(head: bytes, rules: Rules, *, complete: bool, workbook: bool = False) -> Dialect:
    """The dialect of a file, from the first bytes of the object (still compressed, if it is).

    `complete` says that `head` is the whole object, `workbook` that `sheet_content` wrote it. Takes up to some tens of
    milliseconds for 256 KiB. The rows are read by `rules_of` this dialect: a known program has rules too.
    Raises FileRejected when the file is not one that can be imported; the codes are in docs/importing-codes.md.
    """
    looked_at, dialect = _layout(head, rules, complete=complete, workbook=workbook)
    if of_program := _with_program(looked_at, dialect):
        dialect, rules = of_program
    else:
        dialect = _with_columns(looked_at, dialect)
    records = [row for row in looked_at.rows(dialect) if isinstance(row, Record)]
    dialect = with_form(dialect, [record.fields for record in records])
    form = RowForm(dialect)
    rows = [row.fields for record in records if isinstance(row := form.fitted(record), Record)]
    check_derived(dialect.columns, rows, rules)
    return with_value_forms(dialect, rows, rules)


def first_rows(head: bytes, rules: Rules, *, complete: bool, workbook: bool = False) -> list[Record]:
    """The rows of a beginning as `detect` splits them, also if it refuses the file for its columns.

    Raises FileRejected when they cannot be told apart.
    """
    looked_at, dialect = _layout(head, rules, complete=complete, workbook=workbook, find_delimiter=_likely_delimiter)
    return [row for row in looked_at.rows(dialect) if isinstance(row, Record)]


def _layout(
    head: bytes,
    rules: Rules,
    *,
    complete: bool,
    workbook: bool,
    find_delimiter: Callable[[_Head, Dialect], str] | None = None,
) -> tuple[_Head, Dialect]:
    """How the rows are written, before anything is known of the columns."""
    gzipped = head.startswith(GZIP_MAGIC)
    if gzipped:
        head, complete = decompressed_head(head, HEAD_BYTES, complete=complete)
    if not head:
        raise FileRejected("file.empty", "The file is empty.")
    refuse_other_formats(head)
    encoding, start = find_encoding(head, rules.encoding, complete=complete)
    if not head[start:].decode(encoding, "replace").strip():
        raise FileRejected("file.empty", "The file has no content.")
    start, delimiter = _after_sep_line(head, encoding, start)
    looked_at = _Head(head, complete, rules)
    dialect = Dialect(
        encoding=encoding,
        compression="xlsx" if workbook else "gzip" if gzipped else "none",
        content_start=start,
        delimiter=delimiter or ",",
        quoting="doubled",
        line_end=_line_end(head, encoding),
        decimal_mark="",
        grouped=False,
        date_order="",
        date_formats=(),
        has_header=False,
        columns=COLUMNS,
        names=COLUMNS,
    )
    if not delimiter:
        dialect = replace(dialect, delimiter=(find_delimiter or _find_delimiter)(looked_at, dialect))
    return looked_at, _with_quoting(looked_at, dialect)


def _after_sep_line(head: bytes, encoding: str, start: int) -> tuple[int, str]:
    """Where the rows begin, and the delimiter that a first line `sep=;` names."""
    line = _SEP_LINE.match(head[start : start + 64].decode(encoding, "replace"))
    if line is None:
        return start, ""
    return start + len(line[0].encode(encoding)), line[1]


def _line_end(head: bytes, encoding: str) -> str:
    text = head.decode(encoding, "replace")
    found = re.search("\r\n|\r|\n", text)
    return found[0] if found else "\n"


def _find_delimiter(head: _Head, dialect: Dialect) -> str:
    """The delimiter whose header is known best or, without a header, that gives most rows nine fields."""
    known = known_names(head.rules)
    ways = [dialect, replace(dialect, quoting="backslash")] if _has_escaped_quotes(head, dialect) else [dialect]

    def rows_of(mark: str) -> list[Record | Malformed]:
        read = [head.rows(replace(way, delimiter=mark), _TRIED_ROWS) for way in ways]
        return max(read, key=lambda rows: (_known_fields(rows, known), sum(map(_is_data, rows))))

    tried = {mark: rows_of(mark) for mark in DELIMITERS}
    if of_program := next((mark for mark, rows in tried.items() if program_header(rows)), None):
        return of_program
    named = {mark: _known_fields(rows, known) for mark, rows in tried.items()}
    fitting = {mark: sum(_is_data(row) for row in rows) for mark, rows in tried.items()}
    widths = {mark: len(rows[0].fields) if rows and isinstance(rows[0], Record) else 0 for mark, rows in tried.items()}
    for scores, least in ((named, 2), (fitting, 1), (named, 1), (widths, 2)):
        best = max(scores.values())
        marks = [mark for mark in DELIMITERS if scores[mark] == best]
        if best >= least and len(marks) == 1:
            return marks[0]
        if best >= least and scores is not named:
            either = " or ".join(map(repr, marks))
            message = f"The columns may be separated by {either}: add a first line such as 'sep={marks[0]}'."
            raise FileRejected("dialect.ambiguous_delimiter", message)
    message = "No columns were found: the fields of a line must be separated by a comma, semicolon, tab or '|'."
    raise FileRejected("file.not_csv", message)


def _likely_delimiter(head: _Head, dialect: Dialect) -> str:
    """As `_find_delimiter`, but for a file with unknown names and titles: the one that gives most rows one width."""
    try:
        return _find_delimiter(head, dialect)
    except FileRejected:
        ways = {mark: head.rows(replace(dialect, delimiter=mark), _TRIED_ROWS) for mark in DELIMITERS}
        fitting, best = max((_rows_of_one_width(rows), mark) for mark, rows in ways.items())
        if not fitting:
            raise
        return best


def _rows_of_one_width(rows: Sequence[Record | Malformed]) -> int:
    """How many rows have as many fields as most, and more than one."""
    widths = Counter(len(row.fields) for row in rows if isinstance(row, Record) and len(row.fields) > 1)
    return max(widths.values(), default=0)


def _known_fields(rows: Sequence[Record | Malformed], known: Mapping[str, str]) -> int:
    """The most known names that one of the first rows has."""
    first = (row.fields for row in rows[:HEADER_WITHIN] if isinstance(row, Record))
    return max((count_known(fields, known) for fields in first), default=0)


def _is_data(row: Record | Malformed) -> bool:
    """A row that looks like one in the fixed order: a date and an amount where they belong."""
    if isinstance(row, Malformed) or len(row.fields) != len(COLUMNS):
        return False
    return bool(date_format(row.fields[_DATE_AT])) and any(is_amount(row.fields[at]) for at in _AMOUNTS_AT)


def _is_guarded(head: _Head, dialect: Dialect) -> bool:
    """Whether the header says that the texts of the file are guarded."""
    if GUARD_NAME.encode(dialect.encoding) not in head.content:
        return False
    rows = head.rows(dialect, HEADER_WITHIN)
    readable = any(isinstance(row, Record) for row in rows)
    return readable and GUARD_NAME in map(str.strip, _header(head, rows).fields)


def _has_escaped_quotes(head: _Head, dialect: Dialect) -> bool:
    return '\\"'.encode(dialect.encoding) in head.content


def _with_quoting(head: _Head, dialect: Dialect) -> Dialect:
    """Backslashes escape quotes if more rows can be read then, or if all backslashes can be read so.

    A program that leaves a lone backslash as it is does not escape backslashes, so two of them stay two. A guarded file
    has doubled quotes, whatever backslashes are in its texts.
    """
    if _is_guarded(head, dialect):
        return replace(dialect, guarded=True)
    if not _has_escaped_quotes(head, dialect):
        return dialect
    lone = _LONE_BACKSLASH.search(head.content.decode(dialect.encoding, "replace"))
    ways = [replace(dialect, quoting="backslash"), replace(dialect, quoting="backslashQuotes")]
    escaped = min(reversed(ways) if lone else ways, key=lambda way: _misfits(head.rows(way)))
    gained = _misfits(head.rows(dialect)) - _misfits(head.rows(escaped))
    return escaped if gained > 0 or (gained == 0 and not lone) else dialect


def _misfits(rows: Sequence[Record | Malformed]) -> int:
    """The rows that cannot be read, or have another number of fields than most."""
    widths = Counter(len(row.fields) for row in rows if isinstance(row, Record))
    return len(rows) - max(widths.values(), default=0)


def program_header(rows: Sequence[Record | Malformed]) -> tuple[Record, Program] | None:
    """The header of a known program among the first rows."""
    for row in rows[:HEADER_WITHIN]:
        if isinstance(row, Record) and (program := recognised(row.fields)):
            return row, program
    return None


def _with_program(head: _Head, dialect: Dialect) -> tuple[Dialect, Rules] | None:
    """The dialect of a known program's file, and the rules that it is read by; None for any other file."""
    rows = head.rows(dialect, HEADER_WITHIN)
    if not (found := program_header(rows)):
        return None
    header, program = found
    names = tuple(name.strip() for name in header.fields)
    rules = with_program(head.rules, program, names)
    check_needs(program, names, rules)
    columns = match_header(names, rules)
    dialect = replace(dialect, has_header=True, columns=columns, names=names, content_start=header.end)
    dialect = replace(dialect, program=program.name)
    if isinstance(rows[0], Record) and (batch := batch_header(rows[0].fields)):
        said = {"currency": batch.currency} if batch.currency else {}
        dialect = replace(dialect, first_day=batch.first_day, constants=said)
    return dialect, rules


def _with_columns(head: _Head, dialect: Dialect) -> Dialect:
    rows = head.rows(dialect, _TRIED_ROWS)
    if not rows:
        raise FileRejected("header.malformed", "The first row is longer than what is looked at.")
    first, known = rows[0], known_names(head.rules)
    if isinstance(first, Malformed):  # a title, if the header follows
        if not any(isinstance(row, Record) and has_required(row.fields, head.rules) for row in rows[:HEADER_WITHIN]):
            raise FileRejected("header.malformed", f"The first row cannot be read. {first.error.message}")
    elif not (wrong := _wrong_columns(first.fields)):
        return dialect
    header = _header(head, rows)
    if isinstance(first, Record) and count_known(header.fields, known) == 0 and any(map(is_amount, first.fields)):
        raise FileRejected("header.missing", _no_header(first.fields, wrong))
    names = tuple(name.strip() for name in header.fields)
    columns = match_header(names, head.rules)
    return replace(dialect, has_header=True, columns=columns, names=names, content_start=header.end)


def _header(head: _Head, rows: Sequence[Record | Malformed]) -> Record:
    """The row with the names. One of the first `rows` can be read."""
    records = [row for row in rows[:HEADER_WITHIN] if isinstance(row, Record)]
    return records[find_header([row.fields for row in records], head.rules)]


def _wrong_columns(fields: Sequence[str]) -> tuple[str, ...]:
    """The columns whose field is not valid in the fixed order. Without a header, the first row must be valid in all."""
    if len(fields) != len(COLUMNS):
        return COLUMNS
    row = dict(zip(COLUMNS, fields, strict=True))
    valid = {name: isinstance(read_text(row[name], rule), str) for name, rule in TEXTS.items()}
    valid |= {name: is_amount(row[name]) for name in AMOUNTS}
    valid |= {"invoiceDate": bool(date_format(row["invoiceDate"]))}
    valid |= {"currency": isinstance(read_currency(row["currency"]), tuple)}
    return tuple(name for name in COLUMNS if not valid.get(name, True))


def _no_header(fields: Sequence[str], wrong: Sequence[str]) -> str:
    order = ", ".join(COLUMNS)
    if len(fields) != len(COLUMNS):
        return f"There is no header, and the first row has {len(fields)} fields. Without one they must be: {order}."
    return (
        f"There is no header, and the first row is not valid in {', '.join(wrong)}. Without one, the order is: {order}."
    )
