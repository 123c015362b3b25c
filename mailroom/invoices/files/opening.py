"""Opens a file: its dialect, and its content from the start."""

from collections.abc import Callable, Iterator
from itertools import chain

from msgspec.structs import replace

from mailroom.invoices.files.detection import HEAD_BYTES, detect
from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.formats.compression import content
from mailroom.invoices.files.formats.workbooks import held_workbook, is_workbook, sheet_content
from mailroom.invoices.files.rules import DecimalMark, Rules

Passing = Callable[[Iterator[bytes]], Iterator[bytes]]
"""Takes the empty blocks out of a stream, and may do something now and then."""


def without_empty(stream: Iterator[bytes]) -> Iterator[bytes]:
    """The same stream without its empty blocks."""
    return (block for block in stream if block)


def open_file(raw: Iterator[bytes], rules: Rules, passing: Passing = without_empty) -> tuple[Dialect, Iterator[bytes]]:
    """The dialect of an object, and its content. `raw` are the object's bytes. Raises FileRejected."""
    head, complete, raw = head_of(raw)
    if not is_workbook(head):
        dialect = detect(head, rules, complete=complete)
        return dialect, content_of(raw, dialect, passing)
    held = held_workbook(passing(raw))
    mark: DecimalMark = rules.decimal_mark or "."
    while True:
        head, complete, body = head_of(passing(sheet_content(held, mark, rules.sheet)))
        dialect = detect(head, replace(rules, encoding="utf-8"), complete=complete, workbook=True)
        if dialect.decimal_mark in (mark, ""):
            return replace(dialect, sheet_mark=mark, sheet=rules.sheet), body
        # A hint, or other cells, told the mark. The numbers have to be written with the mark that they are read by.
        mark, rules = dialect.decimal_mark, replace(rules, decimal_mark=dialect.decimal_mark)


def content_of(raw: Iterator[bytes], dialect: Dialect, passing: Passing) -> Iterator[bytes]:
    """The content of an object, from its start or, if it is not compressed, from where `raw` begins."""
    if dialect.compression == "none":
        return content(raw, dialect)
    return passing(content(passing(raw), dialect))


def head_of(stream: Iterator[bytes]) -> tuple[bytes, bool, Iterator[bytes]]:
    """The first bytes, whether they are all, and the whole stream again."""
    head, complete = bytearray(), True
    for some in stream:
        head += some
        if len(head) >= HEAD_BYTES:
            complete = False
            break
    return bytes(head[:HEAD_BYTES]), complete, chain([bytes(head)], stream)
