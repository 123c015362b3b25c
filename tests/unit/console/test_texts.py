"""Every text of the console is in the one catalogue, and could be in another language."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

import pytest

from local.catalogue import CATALOGUE, catalogue
from mailroom.console import filters

ROOT = Path(__file__).parents[3]
TEMPLATES = sorted((ROOT / "mailroom/console/templates").rglob("*.html"))
# Names, signs and units, which every language has.
AS_IT_IS = {"Mailroom", "· Mailroom", "ms", "webhook-id"}


def test_the_catalogue_has_every_text() -> None:
    assert CATALOGUE.read_text() == catalogue(), "make it anew: python -m local.catalogue"


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(TEMPLATES[0].parents[0])))
def test_no_template_says_anything_beside_the_catalogue(file: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}", " ", file.read_text(), flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>|[\w-]+=\"[^\"]*\"|\brequired\b", "\n", text)
    said = {line.strip() for line in html.unescape(text).split("\n") if re.search(r"[A-Za-z]{2}", line)}
    assert said - AS_IT_IS == set()


def test_every_text_is_written_where_it_is_marked() -> None:
    """`_(variable)` would look for texts that the catalogue may lack; `gettext(variable)` shows what `later` marked."""
    for file in sorted((ROOT / "mailroom/console").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "later"):
                assert isinstance(node.args[0], ast.Constant), f"{file.name}:{node.lineno}"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("1190.00", "1\u202f190.00\u00a0EUR"),
        ("-0.50", "\u22120.50\u00a0EUR"),
        ("1234567", "1\u202f234\u202f567\u00a0EUR"),
        ("12345678901234567890.12", "12\u202f345\u202f678\u202f901\u202f234\u202f567\u202f890.12\u00a0EUR"),
    ],
)
def test_money(amount: str, shown: str) -> None:
    assert filters.money(amount, "EUR") == f'<span class="money">{shown}</span>'


def test_sizes_and_times() -> None:
    assert [filters.size(value) for value in (0, 999, 1400, 16_000_000)] == ["0 B", "999 B", "1.4 kB", "16.0 MB"]
    shown = filters.time("2024-01-31T12:00:00.123Z")
    assert shown == '<time datetime="2024-01-31T12:00:00Z" title="2024-01-31 12:00:00 UTC">2024-01-31 12:00 UTC</time>'
    assert "<time" not in filters.time(None)
