"""The deployment's rules, and the profiles of folders: what the settings IMPORT_… say about reading files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from mailroom.errors import Invalid, InvalidSetting
from mailroom.invoices.files import Rules
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.presets.options import Options, applied, check, check_columns
from mailroom.platform.settings import Settings

T = TypeVar("T")


class Profile(Options, frozen=True):
    """What `IMPORT_PROFILES` says about a prefix."""

    aliases: dict[str, str | None] = msgspec.field(default_factory=dict)


class Profiles(msgspec.Struct, frozen=True):
    """`default` holds for all objects, and the longest of the prefixes `by_prefix` that fits changes it."""

    default: Rules
    by_prefix: Mapping[str, Profile]

    @classmethod
    def of(cls, settings: Settings) -> Profiles:
        """Raises `InvalidSetting`."""
        return cls(_rules(settings), read_profiles(settings.import_profiles))

    def rules(self, key: str) -> Rules:
        """The rules for the object `key`."""
        prefix = longest_prefix(key, self.by_prefix)
        if prefix is None:
            return self.default
        profile = self.by_prefix[prefix]
        return applied(self.default, profile, profile.aliases)


def longest_prefix(key: str, prefixes: Iterable[str]) -> str | None:
    """The longest of the prefixes that `key` begins with."""
    return max((each for each in prefixes if key.startswith(each)), key=len, default=None)


def read_profiles(text: str) -> dict[str, Profile]:
    """`IMPORT_PROFILES`: JSON such as `{"acme/": {"dateOrder": "dmy"}}`. Raises `InvalidSetting`."""
    profiles = _json("IMPORT_PROFILES", text, dict[str, Profile])
    for prefix, profile in profiles.items():
        try:
            check(profile)
            check_columns("aliases", profile.aliases)
        except Invalid as error:
            raise InvalidSetting(f"IMPORT_PROFILES, {prefix!r}, {error.field}: {error.message}") from error
    return profiles


def read_columns(name: str, text: str) -> dict[str, str | None]:
    """A mapping of columns that `name` holds as JSON. Raises `InvalidSetting`."""
    columns = _json(name, text, dict[str, str | None])
    try:
        check_columns(name, columns)
    except Invalid as error:
        raise InvalidSetting(f"{name}: {error.message}") from error
    return columns


def all_statuses(default: frozenset[str], options: Iterable[Options]) -> frozenset[str]:
    """What files may say somewhere; empty: anything."""
    sets = [default, *(each.statuses for each in options if each.statuses is not None)]
    return frozenset().union(*sets) if all(sets) else frozenset()


def _json(name: str, text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text or "{}", type=kind)
    except msgspec.DecodeError as error:
        raise InvalidSetting(f"{name} is not JSON of the right form: {error}") from error


def _rules(settings: Settings) -> Rules:
    """The rules for reading files that the settings give."""
    return Rules(
        date_order=settings.import_date_order,  # type: ignore[arg-type]  # checked by settings
        decimal_mark=settings.import_decimal_mark,  # type: ignore[arg-type]
        statuses=Statuses.parse(settings.import_statuses).allowed,
        amount_tolerance=settings.import_amount_tolerance,
        extra_columns=settings.import_extra_columns,  # type: ignore[arg-type]
        aliases=read_columns("IMPORT_ALIASES", settings.import_aliases),
        encoding=settings.import_encoding,
        year_pivot=settings.import_year_pivot,
    )
