"""The results as a table in Markdown, for the terminal and for docs/lab/performance.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bench.measure import Usage

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLUMNS = ("way", "rows", "rows/s", "processor time per row", "times csv.reader", "peak memory", "what landed")
TEXTS = (0, 6)  # left-aligned columns


@dataclass(frozen=True)
class Line:
    """The result of one way; no usage if it failed. `readings` are those of csv.reader before and after it."""

    name: str
    usage: Usage | None
    readings: Sequence[Usage]
    landed: str

    @property
    def reader_microseconds(self) -> float:
        """Processor time per row of csv.reader, measured just before and after this way."""
        return fmean(each.microseconds_per_row for each in self.readings)

    @property
    def times_reader(self) -> float:
        """The processor time of this way as a multiple of csv.reader's. 0 if the way failed."""
        return self.usage.microseconds_per_row / self.reader_microseconds if self.usage else 0.0


def reader_line(lines: Sequence[Line]) -> Line:
    """csv.reader alone: the median of its readings between the trials."""
    readings = sorted((each for line in lines for each in line.readings), key=lambda each: each.microseconds_per_row)
    middle = readings[len(readings) // 2]
    return Line("csv.reader alone", middle, [middle], "nothing")


def table(lines: Sequence[Line]) -> str:
    """The table, with csv.reader alone as its first line."""
    rows = [COLUMNS, *map(_cells, [reader_line(lines), *lines])]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    padded = [[_aligned(text, at, widths[at]) for at, text in enumerate(row)] for row in rows]
    rule = ["-" * width if at in TEXTS else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:]))


def put_into(page: Path, measured: str) -> None:
    """Replaces the text between the two marks of the page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{measured}\n{END}{after}", encoding="utf-8")


def _aligned(text: str, column: int, width: int) -> str:
    return text.ljust(width) if column in TEXTS else text.rjust(width)


def _cells(line: Line) -> tuple[str, ...]:
    usage = line.usage
    if usage is None:
        return (line.name, "", "", "", "", "", line.landed)
    return (
        line.name,
        f"{usage.rows:,}",
        f"{usage.rows_per_second:,.0f}",
        f"{usage.microseconds_per_row:.2f} µs",
        f"{line.times_reader:.1f}",
        f"{usage.peak_bytes / 1e6:.0f} MB" if usage.peak_bytes else "?",
        line.landed,
    )
