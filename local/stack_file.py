"""Reads stack.yml as faas-cli does: first it substitutes variables in the text, then it parses YAML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]  # the folder of our own stack.yml
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_INNER = rf"\$\{{{_NAME}(?::-[^}}]*)?}}"  # a variable in a default
VARIABLE = re.compile(rf"\$\{{(?:({_NAME})(?::-((?:{_INNER}|[^$}}]|\$(?!\{{))*))?}}|.{{0,28}})", re.DOTALL)
DOLLARS_OR_VARIABLE = re.compile(rf"\$\$|{VARIABLE.pattern}", re.DOTALL)


class StackError(Exception):
    """stack.yml cannot be used. The message says where and why."""


@dataclass(frozen=True)
class Function:
    """One entry under `functions`, with its variables substituted."""

    name: str
    handler: Path
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    annotations: Mapping[str, str]

    @property
    def schedule(self) -> str | None:
        """The cron expression, if cron-connector calls this function."""
        return self.annotations.get("schedule") if self.annotations.get("topic") == "cron-function" else None


def load(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The content of a stack file, with its variables substituted. Raises StackError when it holds no functions."""
    try:
        document: dict[str, Any] = yaml.safe_load(substitute(file.read_text(encoding="utf-8"), variables))
        document["functions"].items()
    except (OSError, yaml.YAMLError, StackError) as error:
        raise StackError(f"{file}: {error}") from error
    except (TypeError, KeyError, AttributeError) as error:
        raise StackError(f"{file}: no functions in it") from error
    return document


def read_stack(file: Path, variables: Mapping[str, str]) -> tuple[Function, ...]:
    """The functions of a stack file. Raises StackError for a file that faas-cli does not accept either."""
    return tuple(_function(file, name, entry or {}) for name, entry in load(file, variables)["functions"].items())


def _function(file: Path, name: str, entry: Mapping[str, Any]) -> Function:
    if "handler" not in entry:
        raise StackError(f"{file}: function {name} has no handler")
    return Function(
        name=name,
        handler=(file.parent / entry["handler"]).resolve(),
        environment={key: _text(value) for key, value in (entry.get("environment") or {}).items()},
        secrets=tuple(entry.get("secrets") or ()),
        annotations={key: _text(value) for key, value in (entry.get("annotations") or {}).items()},
    )


def _text(value: object) -> str:
    """The environment value that faas-cli makes of a YAML value: `true` becomes the text true, null an empty text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `${NAME}` and `${NAME:-default}`. An unset or empty NAME takes the default, or nothing.

    Follows drone/envsubst, which faas-cli uses. A default may hold variables; it ends at the first `}` that is not
    theirs. `$$` becomes a dollar sign, except in a default. `$NAME` without braces stays.
    Raises StackError for any other `${…`, and for a variable in the default of a default.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, default = match[1], match[2] or ""
        if not name:
            raise StackError(f"cannot substitute {match[0]!r}…: only ${{NAME}} and ${{NAME:-default}}")
        default = VARIABLE.sub(value, default)
        return variables.get(name) or default

    return DOLLARS_OR_VARIABLE.sub(value, text)
