"""How files are to be read, by the folder they are in: the deployment's rules, a profile's, the object's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from mailroom.errors import InvalidSetting
from mailroom.invoices.files import FileRejected, Rules
from mailroom.invoices.model.columns import MAPPABLE

T = TypeVar("T")

# The object's user metadata that maps its header to our columns: JSON, {"header name": "column"}.
METADATA_COLUMNS = "x-amz-meta-columns"


class Profile(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What `IMPORT_PROFILES` says about a prefix. The deployment's rules hold for what it leaves out."""

    date_order: Literal["", "dmy", "mdy"] | None = None
    decimal_mark: Literal["", ".", ","] | None = None
    encoding: str | None = None
    statuses: frozenset[str] | None = None
    amount_tolerance: Decimal | None = None
    extra_columns: Literal["reject", "keep"] | None = None
    aliases: dict[str, str | None] = {}


class Profiles(msgspec.Struct, frozen=True):
    """`default` holds for all objects, and the longest of the prefixes `by_prefix` that fits changes it."""

    default: Rules
    by_prefix: Mapping[str, Profile]

    def rules(self, key: str) -> Rules:
        """The rules for the object `key`."""
        prefix = max((each for each in self.by_prefix if key.startswith(each)), key=len, default=None)
        if prefix is None:
            return self.default
        profile = self.by_prefix[prefix]
        given = {name: value for name, value in msgspec.structs.asdict(profile).items() if value is not None}
        return replace(self.default, **given | {"aliases": {**self.default.aliases, **profile.aliases}})


def read_profiles(text: str) -> dict[str, Profile]:
    """`IMPORT_PROFILES`: JSON such as `{"acme/": {"dateOrder": "dmy"}}`. Raises `InvalidSetting`."""
    profiles = _json("IMPORT_PROFILES", text, dict[str, Profile])
    for prefix, profile in profiles.items():
        _check_columns(f"IMPORT_PROFILES, {prefix!r}", profile.aliases)
        if profile.amount_tolerance is not None and not profile.amount_tolerance >= 0:
            raise InvalidSetting(f"IMPORT_PROFILES, {prefix!r}: amountTolerance must be at least 0")
    return profiles


def all_statuses(default: frozenset[str], profiles: Iterable[Profile]) -> frozenset[str]:
    """What files may say somewhere; empty: anything."""
    sets = [default, *(profile.statuses for profile in profiles if profile.statuses is not None)]
    return frozenset().union(*sets) if all(sets) else frozenset()


def read_aliases(text: str) -> dict[str, str | None]:
    """`IMPORT_ALIASES`: JSON, header name to column or null. Raises `InvalidSetting`."""
    aliases = _json("IMPORT_ALIASES", text, dict[str, str | None])
    _check_columns("IMPORT_ALIASES", aliases)
    return aliases


def mapped(rules: Rules, metadata: Mapping[str, str]) -> Rules:
    """The rules with the mapping of columns that the object's metadata holds, if any.

    Raises `FileRejected` `metadata.invalid`.
    """
    text = metadata.get(METADATA_COLUMNS, "")
    if not text:
        return rules
    try:
        columns = _json(f"the metadata {METADATA_COLUMNS}", text, dict[str, str | None])
        _check_columns(f"the metadata {METADATA_COLUMNS}", columns)
    except InvalidSetting as error:
        raise FileRejected("metadata.invalid", str(error)) from error
    return replace(rules, aliases={**rules.aliases, **columns})


def _json(name: str, text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text or "{}", type=kind)
    except msgspec.DecodeError as error:
        raise InvalidSetting(f"{name} is not JSON of the right form: {error}") from error


def _check_columns(name: str, aliases: Mapping[str, str | None]) -> None:
    for header, column in aliases.items():
        if column is not None and column not in MAPPABLE:
            raise InvalidSetting(f"{name}: {header!r} is mapped to {column!r}, which is none of {', '.join(MAPPABLE)}")
