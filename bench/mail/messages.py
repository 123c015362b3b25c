"""The messages that every way sends: the same subjects, HTML and text, about 2 kB each."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

SENDER = "billing@mailroom.example.com"

_LINE = "Your order of last week was sent today and should reach you within three working days. "
_ROW = '<tr><td style="padding: 4px 8px">Item {n}</td><td align="right">{n}9.90 &euro;</td></tr>\n'


@dataclass(frozen=True)
class Plain:
    """A message, before a way turns it into its own form."""

    to: str
    subject: str
    text: str
    html: str


def messages(count: int) -> Iterator[Plain]:
    """`count` messages, each to a different recipient."""
    rows = "".join(_ROW.format(n=n) for n in range(1, 13))
    for number in range(count):
        greeting = f"Dear customer {number},"
        yield Plain(
            to=f"customer{number}@example.com",
            subject=f"Your order {number}",
            text=f"{greeting}\n\n{_LINE * 7}\n\nKind regards,\nthe shop\n",
            html=f"<html><body><p>{greeting}</p>\n<table>\n{rows}</table>\n<p>{_LINE}</p></body></html>",
        )


def write(file: Path, count: int) -> None:
    """Writes one JSON object per line, for ways that are not in Python."""
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(dumps(asdict(each)) + "\n" for each in messages(count))
