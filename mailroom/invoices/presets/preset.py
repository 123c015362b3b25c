"""How the files of a folder or program are read. People manage presets by the API; old versions stay."""

from __future__ import annotations

import re

import msgspec

from mailroom.errors import Invalid
from mailroom.invoices.files import Rules
from mailroom.invoices.presets.options import Options, applied, check, check_columns, invalid
from mailroom.platform.mongo import Document

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"

_MAX_PREFIX_CHARACTERS = 500


class Preset(Options, frozen=True):
    """`prefix` is the folder, or the beginning of the names, of the files that are read so; `""` stands for all files.

    Without a prefix, it is used only where it is named. `columns` maps the names in the header: null drops a column.
    """

    prefix: str | None = None
    columns: dict[str, str | None] = msgspec.field(default_factory=dict)

    def rules(self, default: Rules) -> Rules:
        """How a file is read with it. What it leaves out is as `default` says."""
        return applied(default, self, self.columns)


def check_preset(preset: Preset) -> None:
    """Raises `Invalid` for the first value that is wrong, with the path of its field."""
    prefix = preset.prefix or ""
    if prefix.startswith("/") or len(prefix) > _MAX_PREFIX_CHARACTERS or not prefix.isprintable():
        raise invalid("prefix", "prefix must be the beginning of an object's name, such as acme/")
    check_columns("columns", preset.columns)
    check(preset)


def check_name(name: str) -> None:
    """Raises `Invalid`."""
    if not re.fullmatch(NAME, name):
        detail = "a name has up to 64 small letters, digits and . _ -, and begins with a letter or a digit"
        raise Invalid("name", "preset.name", detail)


def content_of(preset: Preset) -> Document:
    """The preset as MongoDB keeps it. Equal presets give equal contents."""
    content: Document = msgspec.to_builtins(preset, order="sorted")
    return content


def preset_of(content: Document) -> Preset:
    """The preset that MongoDB keeps."""
    return msgspec.convert(content, Preset)
