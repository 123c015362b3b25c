"""Which rules a file is read by.

A preset that the request names, else the one that the object's metadata names, else the one with the longest prefix
that fits; else a profile of the settings, and their aliases. The object's own mapping of columns goes before all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace

from mailroom.errors import InvalidSetting, NotFound
from mailroom.invoices.files import FileRejected, Rules
from mailroom.invoices.files.dialect import PresetVersion
from mailroom.invoices.model.metadata import METADATA_COLUMNS, METADATA_PRESET
from mailroom.invoices.presets.options import merged
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.presets.profiles import Profiles, read_columns
from mailroom.invoices.presets.store import Presets


class Selected(msgspec.Struct, frozen=True):
    """The rules for a file, and the preset that they come from."""

    rules: Rules
    version: PresetVersion | None = None


class Selection(msgspec.Struct, frozen=True):
    """Every method may block for one or two answers of MongoDB."""

    profiles: Profiles
    presets: Presets

    def of_dialect(self, key: str, used: PresetVersion | None) -> Selected:
        """What a file is read on with, once its dialect is known and names the preset that was `used`.

        Raises FileRejected `preset.not_found`.
        """
        if used is None:
            return Selected(self.profiles.rules(key))
        try:
            return self._with(self.presets.read(used), used)
        except NotFound as error:  # somebody has deleted documents of the collection
            raise FileRejected("preset.not_found", f"{error.message}: import the file with `force`") from error

    def select(self, key: str, metadata: Mapping[str, str], named: str, at: datetime) -> Selected:
        """What a file is read with for the first time, of the presets that were there at a time.

        The answer is the same however often it is asked for: no version of a preset changes.

        Raises:
            FileRejected: `preset.not_found`, `metadata.invalid`.
        """
        selected = self._selected(key, named or metadata.get(METADATA_PRESET, ""), at)
        return _with_own_columns(selected, metadata)

    def of_preset(self, preset: Preset, metadata: Mapping[str, str]) -> Selected:
        """What a file would be read with if this were its preset. Raises FileRejected `metadata.invalid`."""
        return _with_own_columns(Selected(preset.rules(self.profiles.default)), metadata)

    def _selected(self, key: str, name: str, at: datetime) -> Selected:
        version = self.presets.named(name, at) if name else self.presets.for_key(key, at)
        if version is not None:
            return self._with(self.presets.read(version), version)
        if name:
            raise FileRejected("preset.not_found", f"There is no preset {name[:100]!r}: make it, and retry the import.")
        return Selected(self.profiles.rules(key))

    def _with(self, preset: Preset, version: PresetVersion) -> Selected:
        return Selected(preset.rules(self.profiles.default), version)


def _with_own_columns(selected: Selected, metadata: Mapping[str, str]) -> Selected:
    aliases = merged(selected.rules.aliases, _own_columns(metadata))
    return replace(selected, rules=replace(selected.rules, aliases=aliases))


def _own_columns(metadata: Mapping[str, str]) -> dict[str, str | None]:
    """The mapping of columns that the object's metadata holds. Raises `FileRejected` `metadata.invalid`."""
    try:
        return read_columns(f"the metadata {METADATA_COLUMNS}", metadata.get(METADATA_COLUMNS, ""))
    except InvalidSetting as error:
        raise FileRejected("metadata.invalid", str(error)) from error
