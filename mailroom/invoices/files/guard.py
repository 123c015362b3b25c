"""Guards the text in CSV files that people open in a spreadsheet, and takes the guard off when a file comes back.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` (https://owasp.org/www-community/attacks/CSV_Injection).
Which text begins a cell depends on the reader: where the list separator is `;`, `"x;=1"` in a file with commas is two
cells. So an apostrophe goes before each such sign at the beginning of the text, and after each separator and line end
in it. Apostrophes that stand there already stay and get one more: to take one off at each of these places gives exactly
the text before. Plain negative numbers need no guard and stay numbers.
"""

import re
from collections.abc import Iterable

GUARD_NAME = "_guard=apostrophe"
"""The column without values that says that the texts of a file are guarded."""

# Full-width signs too: a spreadsheet takes them for the plain ones.
_SIGNS = "=+\\-@＝＋－＠"  # noqa: RUF001 - they are meant
_SEPARATORS = ",;\t|\r\n"
# What a reader may skip or drop at the beginning of a cell: spaces, quotes, controls and what nobody sees.
_SKIPPED = (
    '[\x00-\x08\x0b\x0c\x0e-\x20"\x7f-\xa0\xad\u1680\u180e\u2000-\u200f'
    "\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff]*"
)
_FIRST, _INNER = rf"\A{_SKIPPED}", rf"[{_SEPARATORS}]{_SKIPPED}"
_RUN_FIRST, _RUN_INNER = rf"(?='*[{_SIGNS}\t\r\n])", rf"(?='*[{_SIGNS}])"

_PLACES = re.compile(f"{_FIRST}{_RUN_FIRST}|{_INNER}{_RUN_INNER}")
_GUARDED_PLACES = re.compile(f"({_FIRST})'{_RUN_FIRST}|({_INNER})'{_RUN_INNER}")
_NUMBER = re.compile(r"-?[0-9][0-9.,]*")


def guarded(text: str) -> str:
    """`text` as a spreadsheet may see it, with whatever list separator."""
    if _PLACES.search(text) is None or _NUMBER.fullmatch(text):
        return text
    return _PLACES.sub(r"\g<0>'", text)


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return _GUARDED_PLACES.sub(r"\1\2", text) if "'" in text else text


def guarded_line(cells: Iterable[str], delimiter: str, line_end: str) -> str:
    """A line of CSV with every cell guarded and in quotes."""
    quoted = ('"' + guarded(cell).replace('"', '""') + '"' for cell in cells)
    return delimiter.join(quoted) + line_end
