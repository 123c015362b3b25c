"""Versions of a bucket in pages, for whoever goes on from a key."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from mailroom.platform.objects import ObjectVersion

_KEYS_AT_ONCE = 200


def pages(versions: Iterator[ObjectVersion]) -> Iterator[list[ObjectVersion]]:
    """Pages that never end within the versions of one key. So a list goes on after the last key of a page."""
    by_key = (list(group) for _, group in groupby(versions, key=lambda version: version.key))
    while groups := list(islice(by_key, _KEYS_AT_ONCE)):
        yield [version for group in groups for version in group]
