"""The documents: every link leads somewhere, every file that is named exists, and lines of prose are short."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_LINE = 120

LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
DOCUMENTS = sorted(LISTED.split())


def prose(document: str) -> Iterator[str]:
    """The lines that are not in a block of code."""
    in_code = False
    for line in (ROOT / document).read_text().splitlines():
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield line


def anchors(document: str) -> set[str]:
    """The anchors that GitHub gives to the headings."""
    headings = [line.lstrip("#").strip() for line in prose(document) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_relative_link_leads_to_a_file_and_a_heading(document: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", "\n".join(prose(document)))
    wrong = []
    for link in links:
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / document).parent / path).resolve() if path else ROOT / document
        found = target.exists() and (not anchor or anchor in anchors(str(target.relative_to(ROOT))))
        wrong += [] if found else [link]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_lines_of_prose_are_short(document: str) -> None:
    prose_lines = (line for line in prose(document) if not line.lstrip().startswith("|"))
    assert [line for line in prose_lines if len(line) > LONGEST_LINE] == []


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    named = re.findall(
        r"`((?:mailroom|tests|functions|template|local|docs|bench)/[\w/.-]*)`", (ROOT / document).read_text()
    )
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
