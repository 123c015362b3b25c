"""Splits content into rows with exact byte ends, whatever is wrong with it, in bounded memory.

A record depends only on the bytes from its start, never on bytes before it. So every `Record.end` is an offset to
resume from.

    physical lines ── csv.reader ──┬─ fields of one or more lines ──────────► Record
                                   └─ broken: its first line alone ─────────► Malformed
                                      the lines after it are read afresh ───► …
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import FileRejected, RowError
from mailroom.invoices.files.formats.lines import (
    PREFIX_BYTES,
    Oversize,
    lines,
    utf16_as_utf8,
    utf16_size,
    without_first,
)
from mailroom.invoices.files.guard import unguarded
from mailroom.invoices.files.rules import Rules

MAX_LINES = 100
"""Lines one row may span: bounds how far a lone quote is followed, so that a file full of them takes linear time."""

MAX_BLANK_BYTES = 16 << 20
"""Of consecutive blank rows. A spreadsheet may leave a million of them. No file may keep a worker busy without end."""


class Record(msgspec.Struct):
    """One row of the file, split into fields but not yet understood.

    `row` counts from 1 and leaves out the header and blank lines. `offset` and `end` are bytes of the content;
    `end` is a valid offset to go on from. `raw` is the row's text without its line end.
    """

    row: int
    offset: int
    end: int
    raw: str
    fields: list[str]


class Malformed(msgspec.Struct):
    """A stretch of the file that is not a row: broken quotes, too long, undecodable. It counts as one row."""

    row: int
    offset: int
    end: int
    raw: str
    error: RowError


class _Overrun(Exception):
    """The row does not end within its bounds."""


class _LineFeeder:
    """Hands lines to csv.reader (which never reads ahead) and remembers those of the current row."""

    def __init__(self, source: Iterator[bytes | Oversize], codec: str, limit: int) -> None:
        self._source = source
        self._codec = codec
        self._limit = limit
        self._again: list[bytes | Oversize] = []  # last one first
        self._held = 0
        self.taken: list[bytes | Oversize] = []
        self.texts: list[str] = []
        self.undecodable = ""

    def __iter__(self) -> "_LineFeeder":
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._source)
        self.taken.append(line)
        if isinstance(line, Oversize):
            raise _Overrun
        self._held += len(line)
        if len(self.taken) > 1 and (self._held > self._limit or len(self.taken) > MAX_LINES):
            raise _Overrun
        try:
            text = line.decode(self._codec)
        except UnicodeDecodeError as error:
            # No replacement swallows a quote or a delimiter: the rest of the row is still read correctly.
            text = line.decode(self._codec, "replace")
            self.undecodable = self.undecodable or f"0x{line[error.start]:02x}"
        self.texts.append(text)
        return text

    def next_row(self) -> None:
        """Forget the lines of the row that is done."""
        self.taken.clear()
        self.texts.clear()
        self._held = 0
        self.undecodable = ""

    def give_up(self) -> bytes | Oversize:
        """Take the first line of the row as it is. The other lines are read again as rows of their own."""
        self._again.extend(reversed(self.taken[1:]))
        return self.taken[0]


def read_records(
    chunks: Iterable[bytes], dialect: Dialect, rules: Rules, *, offset: int, row: int
) -> Iterator[Record | Malformed]:
    """Rows from byte `offset` of the content on; `row` is the number of the last row before it.

    `chunks` start at that offset. Offset 0 is the beginning of the file and skips byte order mark, `sep=` line and
    header. Blank lines, and rows in which every field is empty, are skipped and not counted.

    Raises FileRejected `file.blank` when more than MAX_BLANK_BYTES of them come at once.
    """
    if offset == 0:
        chunks = without_first(chunks, dialect.content_start)
        offset = dialect.content_start
    size: Callable[[bytes], int] = len
    codec = dialect.encoding
    if codec.startswith("utf-16"):
        chunks, size, codec = utf16_as_utf8(chunks, codec), utf16_size, "utf-8"
    feed = _LineFeeder(lines(chunks, rules.max_record_bytes, size), codec, rules.max_record_bytes)
    reader = fields_of(feed, dialect)
    taken, texts = feed.taken, feed.texts
    blank_from = offset
    while True:
        feed.next_row()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, _Overrun) as error:
            reason = _row_error(feed, error, rules)
            line = feed.give_up()
            end = offset + (line.size if isinstance(line, Oversize) else size(line))
            row += 1
            yield Malformed(row, offset, end, _text(line, codec), reason)
            offset = blank_from = end
            continue
        if len(texts) == 1:
            end = offset + size(taken[0])  # type: ignore[arg-type]  # an Oversize never gets this far
            raw = texts[0].rstrip("\r\n")
        else:
            end = offset + sum(map(size, taken))  # type: ignore[arg-type]
            raw = "".join(texts[:-1]) + texts[-1].rstrip("\r\n")
        if not fields or (not fields[0].strip() and not any(map(str.strip, fields))):
            offset = end
            if offset - blank_from > MAX_BLANK_BYTES:
                raise too_much_blank(row)
            continue
        row += 1
        blank_from = end
        if feed.undecodable:
            yield Malformed(row, offset, end, raw, _undecodable(feed.undecodable, dialect))
        else:
            yield Record(row, offset, end, raw, fields)
        offset = end


def fields_of(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    """The fields of each row of `lines`, without their guard. Raises `csv.Error` for broken quotes.

    Spaces at the beginning of a field are dropped: values are trimmed anyway, and a quote may follow them. A backslash
    that escapes nothing stays.
    """
    rows = _split(lines, dialect)
    return map(_unguarded_fields, rows) if dialect.guarded else rows  # no generator, which an exception would end


def _unguarded_fields(fields: list[str]) -> list[str]:
    return [unguarded(field) for field in fields]


def _split(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    if dialect.quoting == "doubled":
        return csv.reader(lines, delimiter=dialect.delimiter, strict=True, skipinitialspace=True)
    escaped = '"' if dialect.quoting == "backslashQuotes" else f'"\\\\\r\n{dialect.delimiter}'
    backslash = re.compile(rf"(\\[{escaped}])|\\")

    def with_lone_ones_doubled(line: str) -> str:
        return backslash.sub(lambda found: found[1] or r"\\", line)

    return csv.reader(
        map(with_lone_ones_doubled, lines),  # no generator, which an exception of `lines` would end
        delimiter=dialect.delimiter,
        strict=True,
        skipinitialspace=True,
        doublequote=False,
        escapechar="\\",
    )


def too_much_blank(row: int) -> FileRejected:
    """The error for too many blank rows after `row`."""
    return FileRejected("file.blank", f"More than {MAX_BLANK_BYTES >> 20} MiB of blank rows follow row {row}.")


def _row_error(feed: _LineFeeder, error: Exception, rules: Rules) -> RowError:
    alone = len(feed.taken) == 1
    if isinstance(feed.taken[0], Oversize) or (alone and "field larger" in str(error)):
        return RowError(None, "row.too_large", f"The row is too long: at most {rules.max_record_bytes} bytes are read.")
    if alone and "end of data" not in str(error):
        message = "Text follows the end of a quoted field: double the quotes inside a field."
        return RowError(None, "row.quoting", message)
    return RowError(None, "row.unterminated_quote", "A quote opens in this line and does not close as it should.")


def _undecodable(byte: str, dialect: Dialect) -> RowError:
    message = f"Byte {byte} is no {dialect.encoding} text. Save the file as UTF-8, or set IMPORT_ENCODING."
    return RowError(None, "row.encoding", message)


def _text(line: bytes | Oversize, codec: str) -> str:
    content = line.prefix if isinstance(line, Oversize) else line[:PREFIX_BYTES]
    return content.decode(codec, "replace").rstrip("\r\n")
