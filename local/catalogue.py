"""`python -m local.catalogue`: writes mailroom/console/locale/console.pot, the list of all texts of the console."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment

from local.stack_file import ROOT

CONSOLE = ROOT / "mailroom/console"
CATALOGUE = CONSOLE / "locale/console.pot"
FUNCTIONS = ("_", "gettext", "later", "ngettext")
HEADER = """# The texts of the console. Made by `python -m local.catalogue`.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""

Text = tuple[str, ...]
"""A text, or its forms for one and for many."""


def main() -> None:
    CATALOGUE.write_text(catalogue(), encoding="utf-8")


def catalogue() -> str:
    """The content of the catalogue. Texts are in the order of their first place, which is named."""
    places: dict[Text, str] = {}
    for place, text in [*_of_templates(), *_of_modules()]:
        places.setdefault(text, place)
    return HEADER + "".join(_entry(text, place) for text, place in places.items())


def _of_templates() -> Iterator[tuple[str, Text]]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for file in sorted(CONSOLE.rglob("*.html")):
        extracted = environment.extract_translations(file.read_text(encoding="utf-8"), FUNCTIONS)  # type: ignore[attr-defined]
        for _, _, message in extracted:
            parts = message if isinstance(message, tuple) else (message,)
            if text := tuple(part for part in parts if part):
                yield _place(file), text


def _of_modules() -> Iterator[tuple[str, Text]]:
    for file in sorted(CONSOLE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
                forms = 2 if node.func.id == "ngettext" else 1
                texts = [each.value for each in node.args[:forms] if isinstance(each, ast.Constant)]
                if texts:
                    yield _place(file), tuple(map(str, texts))


def _place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _entry(text: Text, place: str) -> str:
    lines = [f"\n#: {place}", f"msgid {_quoted(text[0])}"]
    if len(text) > 1:
        lines += [f"msgid_plural {_quoted(text[1])}", 'msgstr[0] ""', 'msgstr[1] ""']
    else:
        lines.append('msgstr ""')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


if __name__ == "__main__":
    main()
