"""Pages by key: a cursor holds the sort key of the last item, so pages stay stable under inserts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bson import ObjectId, json_util
from bson.errors import BSONError, InvalidId
from pymongo.cursor import Cursor

from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.windows import Course, Item, read
from mailroom.web.problems import Problem

DEFAULT_LIMIT = 100
MOST = 1000

# MongoDB knows no times in between.
MILLISECOND = timedelta(milliseconds=1)

Page = tuple[list[Item], str | None]

_CURSOR_OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=True, tzinfo=UTC)


def limit_of(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise Problem(422, "limit.invalid", f"limit must be a whole number from 1 to {MOST}", field="limit")
    return int(text)


def page(
    collection: Documents,
    filters: Document,
    sort: str,
    descending: bool,
    query: Mapping[str, str],
    projection: Document | None = None,
    index: str | None = None,
) -> Page[Document]:
    """One page of `collection` in the order of (`sort`, `_id`), and the cursor of the next one.

    The caller sees to it that an index serves `filters` with this order, and may name it: a server's own choice can be
    wrong where few values are many documents'.
    """
    others = {name: value for name, value in filters.items() if name != sort}
    bounds = filters.get(sort, {})
    after = behind(query, sort)
    course = Course(sort, descending=descending, bounds=bounds, step=MILLISECOND, after=after, at_once=1)

    def ordered(ranges: list[Document]) -> Cursor[Document]:
        [conditions] = ranges
        found = collection.find(others | conditions, projection).sort(order(sort, descending))
        return found.hint(index) if index and (others or conditions) else found

    limit = limit_of(query)
    return page_of(read(ordered, course, expected=0, wanted=limit + 1), limit, sort)


def order(sort: str, descending: bool) -> list[tuple[str, int]]:
    direction = -1 if descending else 1
    return [(sort, direction), ("_id", direction)]


def page_of(documents: Iterable[Item], limit: int, sort: str) -> Page[Item]:
    """The first `limit` documents, and the cursor of the page behind them if there is one document more."""
    found = list(documents)
    items = found[:limit]
    return items, cursor_behind(sort, items[-1]) if len(found) > limit else None


def cursor_behind(sort: str, last: Mapping[str, Any]) -> str:
    """The cursor of what comes after `last` in the order of (`sort`, `_id`)."""
    return to_cursor([sort, last[sort], last["_id"]])


def behind(query: Mapping[str, str], sort: str) -> tuple[datetime, ObjectId] | None:
    """The last item of the page before. Raises `Problem` 422 for the cursor of another list."""
    if "cursor" not in query:
        return None
    match from_cursor(query["cursor"]):
        case [made_for, datetime() as value, ObjectId() as last] if made_for == sort:
            return value, last
        case _:
            raise bad_cursor()


def to_cursor(parts: list[Any]) -> str:
    """The values as text that can stand in a query."""
    text = json_util.dumps(parts, json_options=_CURSOR_OPTIONS)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> list[Any]:
    """The values of a cursor, which the caller has yet to check. Raises `Problem` 422."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json_util.loads(text, json_options=_CURSOR_OPTIONS)
    except (binascii.Error, BSONError, ValueError, TypeError, KeyError, RecursionError, ArithmeticError):
        raise bad_cursor() from None
    if not isinstance(parts, list):
        raise bad_cursor()
    return parts


def bad_cursor() -> Problem:
    return Problem(422, "cursor.invalid", "cursor must be the nextCursor of a list with the same sort", field="cursor")


def only(query: Mapping[str, str], *allowed: str) -> None:
    """Refuses a parameter that would otherwise be ignored without a word."""
    for name in query:
        if name not in allowed and name not in ("limit", "cursor"):
            raise Problem(422, "query.unknown", f"unknown parameter {name}", field=name)


def object_id(text: str, field: str) -> ObjectId:
    try:
        return ObjectId(text)
    except InvalidId:
        raise Problem(422, "id.invalid", f"{field} must be 24 hexadecimal digits", field=field) from None


def time_parameter(text: str, field: str) -> datetime:
    """A time such as `2024-01-31T12:00:00Z`; the offset must be given."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None and len(text) >= 20 and time.year >= 1900:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):  # 9999-12-31T23:59:59-01:00 has no time in UTC
        pass
    raise Problem(422, "time.invalid", f"{field} must be a time such as 2024-01-31T12:00:00Z", field=field)


def date_parameter(text: str, field: str) -> date:
    """A date such as `2024-01-31`."""
    try:
        if len(text) == 10 and text[4] == text[7] == "-":
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Problem(422, "date.invalid", f"{field} must be a date such as 2024-01-31", field=field)


def optional_time(document: Document, name: str) -> str | None:
    value: Any = document.get(name)
    return None if value is None else rfc3339(value)
