"""The build context of one function: the template, with the function and the shared code in `function/`."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.stack_file import StackError, substitute

# Caches that tools make between the sources.
CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")


@dataclass(frozen=True)
class Build:
    """One image to build. The paths lead to the sources."""

    function: str
    image: str
    template: Path
    handler: Path
    copied: tuple[Path, ...]
    arguments: Mapping[str, str]


def read_builds(file: Path, variables: Mapping[str, str]) -> list[Build]:
    """The images of a stack file. Raises StackError when it cannot be read."""
    try:
        document = yaml.safe_load(substitute(file.read_text(encoding="utf-8"), variables))
        copied = tuple(file.parent / path for path in (document.get("configuration") or {}).get("copy") or ())
        return [_build(file.parent, name, entry, copied) for name, entry in document["functions"].items()]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise StackError(f"{file}: {error!r}") from error


def _build(root: Path, name: str, entry: Mapping[str, Any], copied: tuple[Path, ...]) -> Build:
    arguments = {key: str(value) for key, value in (entry.get("build_args") or {}).items()}
    return Build(name, entry["image"], root / "template" / entry["lang"], root / entry["handler"], copied, arguments)


def assemble(build: Build, folder: Path) -> None:
    """Writes the build context into an empty folder."""
    # The real function replaces the template's sample function.
    shutil.copytree(build.template, folder, ignore=_leave_out("function"), dirs_exist_ok=True)
    shutil.copytree(build.handler, folder / "function", ignore=_leave_out())
    for shared in build.copied:
        shutil.copytree(shared, folder / "function" / shared.name, ignore=_leave_out())


def _leave_out(*names: str) -> Callable[..., set[str]]:
    return shutil.ignore_patterns(*CACHES, *names)
