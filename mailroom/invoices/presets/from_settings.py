"""Turns `IMPORT_PROFILES` and `IMPORT_ALIASES` into presets that read each file as these settings do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, count

from mailroom.invoices.presets.options import Options, merged
from mailroom.invoices.presets.preset import Preset, check_name, check_preset
from mailroom.invoices.presets.profiles import Profile, Profiles
from mailroom.invoices.presets.store import Presets
from mailroom.platform.mongo import Document

_NAME_CHARACTERS = 60


def import_settings(profiles: Profiles, presets: Presets, key_id: str) -> Iterator[tuple[str, Document | None]]:
    """Makes a preset for each prefix of the settings that has none yet.

    Yields the name of each prefix's preset, and the preset as it was made, or None if it was there before.
    """
    present = dict(presets.present())
    by_prefix = {preset.prefix: name for name, preset in present.items() if preset.prefix is not None}
    taken = set(present)
    for preset in _presets(profiles):
        prefix = preset.prefix or ""
        if prefix in by_prefix:
            yield by_prefix[prefix], None
            continue
        name = _name(prefix, taken)
        taken.add(name)
        check_name(name)
        check_preset(preset)
        yield name, presets.save(name, preset, key_id)[0]


def _presets(profiles: Profiles) -> Iterator[Preset]:
    """Aliases hold in every folder: so each preset has them."""
    aliases = profiles.default.aliases
    by_prefix = dict(profiles.by_prefix)
    if aliases:
        by_prefix.setdefault("", Profile())
    for prefix, profile in sorted(by_prefix.items()):
        given = {name: getattr(profile, name) for name in Options.__struct_fields__}
        yield Preset(**given, prefix=prefix, columns=merged(aliases, profile.aliases))


def _name(prefix: str, taken: set[str]) -> str:
    """A free name that tells of the prefix."""
    letters = unicodedata.normalize("NFKD", prefix.casefold()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", letters)
    name = "-".join(words)[:_NAME_CHARACTERS].strip("-") or ("folder" if prefix else "all-files")
    further = (f"{name}-{number}" for number in count(2))
    return next(each for each in chain([name], further) if each not in taken)
