"""Reads stack.yml as faas-cli does: variables first, in the text, then YAML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class StackError(Exception):
    """stack.yml cannot be run as it is; the message says where and why."""


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
        """The cron expression, if cron-connector would call this function."""
        return self.annotations.get("schedule") if self.annotations.get("topic") == "cron-function" else None


def read_stack(file: Path, variables: Mapping[str, str]) -> tuple[Function, ...]:
    """The functions of a stack file. Raises StackError for a file that faas-cli would not take either."""
    try:
        document = yaml.safe_load(substitute(file.read_text(encoding="utf-8"), variables))
        functions = document["functions"].items()
    except (OSError, yaml.YAMLError, StackError) as error:
        raise StackError(f"{file}: {error}") from error
    except (TypeError, KeyError, AttributeError) as error:
        raise StackError(f"{file}: no functions in it") from error
    return tuple(_function(file, name, entry or {}) for name, entry in functions)


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
    """An environment value as faas-cli passes it on: YAML's `true` is the text true, an empty value is empty."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `${NAME}` and `${NAME:-default}`; an unset or empty NAME takes the default, or nothing.

    As in drone/envsubst, which faas-cli uses, a default may hold variables, ends at the first `}` that is not theirs,
    `$$` is a dollar sign, and `$NAME` without braces is left alone. Raises StackError for any other `${…`.
    """
    done, end = _until(text, 0, variables, nested=False)
    assert end == len(text)
    return done


def _until(text: str, start: int, variables: Mapping[str, str], *, nested: bool) -> tuple[str, int]:
    """Substitutes from `start` to the end, or nested to the brace that closes the default; where it stopped, too."""
    parts: list[str] = []
    at = start
    while at < len(text):
        if nested and text[at] == "}":
            return "".join(parts), at
        if text.startswith("${", at):
            value, at = _variable(text, at, variables)
            parts.append(value)
        elif text.startswith("$$", at) and not nested:
            parts.append("$")
            at += 2
        else:
            parts.append(text[at])
            at += 1
    if nested:
        raise StackError("missing closing brace of a ${…}")
    return "".join(parts), at


def _variable(text: str, start: int, variables: Mapping[str, str]) -> tuple[str, int]:
    match = NAME.match(text, start + 2)
    rest = match.end() if match else start + 2
    if match and text.startswith("}", rest):
        return variables.get(match[0], ""), rest + 1
    if not match or not text.startswith(":-", rest):
        raise StackError(f"cannot substitute {text[start : start + 30]!r}…: only ${{NAME}} and ${{NAME:-default}}")
    default, end = _until(text, rest + 2, variables, nested=True)
    return variables.get(match[0]) or default, end + 1
