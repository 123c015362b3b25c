"""The packages that an image has: those of its function's requirements. A missing one fails only when it is used."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.unit.test_structure import MODULES, ROOT, imports

# The other functions import modules of which they use a part that needs fewer packages.
FUNCTIONS = ("invoice-importer", "notifications", "notification-sender")


def pinned(function: str) -> set[str]:
    """The distributions in the image of the function."""
    files = (ROOT / "functions" / function / "requirements.txt", ROOT / "template/python3-http/requirements.txt")
    return {name.lower() for file in files for name in re.findall(r"^([\w.-]+)==", file.read_text(), re.M)}


def used_by(handler: Path) -> set[str]:
    """All modules that the handler may import, at its start or later."""
    found, new = set[str](), set(imports(ast.parse(handler.read_text())))
    while new:
        module = new.pop()
        found.add(module)
        if module in MODULES:
            packages = {module.rpartition(".")[0]} & MODULES.keys()
            new |= (set(imports(MODULES[module])) | packages) - found
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_image_has_the_packages_that_its_function_imports(function: str) -> None:
    used = {each.partition(".")[0] for each in used_by(ROOT / "functions" / function / "handler.py")}
    others = used - sys.stdlib_module_names - {"mailroom", "function_runtime"}
    distributions = packages_distributions()

    missing = {each for each in others if not {name.lower() for name in distributions[each]} & pinned(function)}

    assert missing == set()
