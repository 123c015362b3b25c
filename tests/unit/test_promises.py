"""Every test named in the documents exists, and `make test` shows each promise."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTIFICATIONS = ROOT / "tests" / "integration" / "notifications"
Named = tuple[Path, str]


def lines(document: str) -> list[list[Named]]:
    """The tests that each line names, as a file and a function; without a function, the whole file is named."""
    folder, found = ROOT, []
    for line in (ROOT / "docs" / document).read_text().splitlines():
        if line.startswith("## "):
            folder = NOTIFICATIONS if line == "## Notifications" else ROOT
        file, named = folder / "none", []
        for name, test in re.findall(r"`([\w/]*\.py|)(?:::(\w+))?`", line):
            if not name and not test:
                continue  # the fence of an example
            if name:  # without a folder: in that of the last one of the line
                file = ROOT / name if "/" in name else file.parent / name
            named.append((file, test))
        found.append(named)
    return [named for named in found if named]


@cache
def cases(file: Path) -> dict[str, bool]:
    """The tests of a file, and whether `make test` runs them, or at least some of their parameters."""
    body = ast.parse(file.read_text()).body
    marks = [ast.unparse(each) for each in body if isinstance(each, ast.Assign) and "pytestmark" in ast.unparse(each)]
    slow = any("mark.slow" in mark for mark in marks)
    return {
        each.name: not slow and "pytest.mark.slow" not in map(ast.unparse, each.decorator_list)
        for each in body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
    }


@pytest.mark.parametrize(("document", "least"), [("promises.md", 41), ("api.md", 25)])
def test_every_test_that_is_named_exists(document: str, least: int):
    named = [each for line in lines(document) for each in line]
    missing = [(file, test) for file, test in named if not file.is_file() or (test and test not in cases(file))]
    assert len(named) >= least
    assert missing == []


def test_each_promise_has_a_test_that_is_not_slow():
    promises = [[each for each in line if each[0].name.startswith("test_")] for line in lines("promises.md")]
    slow = [
        named
        for named in promises
        if named and not any(cases(file)[test] if test else any(cases(file).values()) for file, test in named)
    ]
    assert len(promises) >= 41
    assert slow == []
