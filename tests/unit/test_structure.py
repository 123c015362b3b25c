"""The structure in docs/architecture.md: imports go one way, without a circle, and each name means one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# From the bottom to the top. A module may import from its own layer and from those before it, never from a later one.
LAYERS = (
    ("mailroom.errors",),
    ("mailroom.platform",),
    ("mailroom.webhooks",),
    ("mailroom.services", "mailroom.function"),
    ("mailroom.notifications.model",),
    ("mailroom.keys",),
    ("mailroom.notifications.templates",),
    ("mailroom.notifications.message",),
    ("mailroom.notifications.domains",),
    ("mailroom.notifications.outbox", "mailroom.notifications.indexes"),
    ("mailroom.notifications.feedback",),
    ("mailroom.notifications.smtp",),
    ("mailroom.notifications.sending",),
    ("mailroom.invoices.model",),
    ("mailroom.invoices.files",),
    ("mailroom.invoices.columnar",),
    ("mailroom.invoices.presets",),
    ("mailroom.invoices.preview",),
    ("mailroom.invoices.imports", "mailroom.invoices.indexes"),
    ("mailroom.invoices.rejected",),
    ("mailroom.invoices.views",),
    ("mailroom.web",),
    ("mailroom.console",),
    (
        "mailroom.notifications.api",
        "mailroom.invoices.api",
        "mailroom.webhooks.api",
        "mailroom.keys.api",
        "mailroom.events",
    ),
    # app, worker and what they are assembled from
    ("mailroom.notifications", "mailroom.invoices", "mailroom.webhooks.worker"),
    ("mailroom.deploy", "mailroom.backups"),
    ("mailroom.cli", "mailroom.__main__"),
)
WEB = LAYERS.index(("mailroom.web",))
FRAMEWORKS = {"flask", "flask_cors", "werkzeug", "waitress"}


def modules(package: str) -> dict[str, ast.Module]:
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text())
    return found


MODULES = modules("mailroom")


def imports(tree: ast.AST) -> Iterator[str]:
    """Everything that is imported, anywhere in the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def layer_of(module: str) -> int:
    """The layer whose name is the longest beginning of the module's."""
    places = [
        (len(name), place)
        for place, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    return max(places)[1] if places else -1


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_nothing_from_a_later_layer(module: str) -> None:
    if module == "mailroom":
        return
    layer = layer_of(module)
    assert layer >= 0, f"{module} is in no layer"
    upward = {each for each in imports(MODULES[module]) if each in MODULES and layer_of(each) > layer}
    assert not upward


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {each for each in imports(tree) if each in MODULES} - {name} for name, tree in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"circle: {' -> '.join((*path[path.index(name) :], name))}"
        if name not in done:
            for each in graph[name]:
                visit(each, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_the_domain_knows_no_web_framework() -> None:
    for module, tree in MODULES.items():
        if layer_of(module) < WEB:
            used = {each.partition(".")[0] for each in imports(tree)}
            assert not used & FRAMEWORKS, module


@pytest.mark.parametrize("package", ["mailroom", "local", "bench", "template"])
def test_no_two_classes_of_a_package_share_a_name(package: str) -> None:
    places = defaultdict(list)
    for module, tree in modules(package).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
