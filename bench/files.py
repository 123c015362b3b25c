"""The files that are imported: those of samples/generate.py, and one in which one row in a hundred was changed."""

from pathlib import Path

from samples.generate import HEADER, rows

AMOUNTS = ("grossAmount", "netAmount", "vatAmount")


def write(folder: Path, count: int) -> Path:
    """A file of `count` valid rows, about 105 bytes each, all of them different invoices."""
    file = folder / f"{count}.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(HEADER)
        stream.writelines(rows(count))
    return file


def write_wide(folder: Path, count: int) -> Path:
    """The same with rows of about 1,000 bytes: a large file of few invoices, for what depends on the size alone."""
    file = folder / f"{count}.wide.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(HEADER)
        stream.writelines(row.replace('",EUR', f', {"x" * 890}",EUR') for row in rows(count))
    return file


def with_changes(file: Path) -> Path:
    """The same file with another status in every hundredth row."""
    changed = file.with_suffix(".changed.csv")
    with file.open("rb") as before, changed.open("wb") as after:
        after.write(before.readline())
        for number, line in enumerate(before):
            after.write(line.rpartition(b",")[0] + b",disputed\n" if number % 100 == 0 else line)
    return changed
