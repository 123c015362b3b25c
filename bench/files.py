"""The files to import: made by samples/generate.py, and one with a change in every hundredth row."""

from pathlib import Path

from samples.generate import HEADER, rows

AMOUNTS = ("grossAmount", "netAmount", "vatAmount")


def write(folder: Path, count: int) -> Path:
    """Writes a file of `count` valid rows, about 105 bytes each. Every row is a different invoice."""
    file = folder / f"{count}.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(HEADER)
        stream.writelines(rows(count))
    return file


def write_wide(folder: Path, count: int) -> Path:
    """The same with rows of about 1,000 bytes, to measure the effect of the file's size."""
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
