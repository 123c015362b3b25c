"""Query parameters and cursors, as the values that the domain takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mailroom.errors import Invalid
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import State
from mailroom.notifications.outbox.history import HistoryFilter
from mailroom.platform.keyset import Key, KeysetPage, Order
from mailroom.web import paging

Query = Mapping[str, str]

_NEWEST = Order("createdAt", descending=True)
_LARGEST_VERSION = 2**62  # MongoDB's integers have 8 bytes


def history_filter(query: Query) -> HistoryFilter:
    """The messages that `status`, `emailTo`, `tag`, `from` and `to` select. Raises `Invalid`."""
    since, until = times(query)
    status = _state(query["status"]) if "status" in query else None
    email_to = addresses.address(query["emailTo"], "emailTo").shown if "emailTo" in query else None
    return HistoryFilter(status, email_to, query.get("tag"), since, until)


def times(query: Query) -> tuple[datetime | None, datetime | None]:
    """The times of `from` (inclusive) and `to` (exclusive). Raises `Invalid`."""
    since, until = (paging.time_parameter(query[name], name) if name in query else None for name in ("from", "to"))
    return since, until


def after(query: Query) -> Key | None:
    """The key of the cursor of a list that is ordered by `createdAt`, or None for the first page."""
    return paging.key_of(query, _NEWEST)


def next_cursor(page: KeysetPage[Any]) -> str | None:
    """The cursor of the page after `page`, whose order is by `createdAt`."""
    return paging.cursor_of(_NEWEST, page.last)


def after_name(query: Query) -> str:
    """The name that the cursor of the templates holds; empty for the first page."""
    if "cursor" not in query:
        return ""
    match paging.from_cursor(query["cursor"]):
        case [str() as name]:
            return name
        case _:
            raise paging.bad_cursor()


def before_version(query: Query) -> int | None:
    """The version that the cursor of a template's versions holds, or None for the first page."""
    if "cursor" not in query:
        return None
    match paging.from_cursor(query["cursor"]):
        case [int() as version] if 0 <= version <= _LARGEST_VERSION:
            return version
        case _:
            raise paging.bad_cursor()


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Invalid("status", "status.invalid", f"status must be one of {', '.join(State)}") from None
