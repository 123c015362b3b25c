"""Pages by key: a cursor holds the sort key of the last item, so pages stay stable under inserts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from bson import ObjectId, json_util
from bson.errors import BSONError, InvalidId

from mailroom.platform.clock import rfc3339
from mailroom.platform.http import Problem
from mailroom.platform.mongo import Document, Documents

DEFAULT_LIMIT = 100
MOST = 1000


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
) -> tuple[list[Document], str | None]:
    """One page of `collection` in the order of (`sort`, `_id`), and the cursor of the next one.

    The caller sees to it that an index serves `filters` with this order.
    """
    limit, direction = limit_of(query), -1 if descending else 1
    if "cursor" in query:
        filters = {"$and": [filters, _after(sort, descending, query["cursor"])]}
    found = list(collection.find(filters, projection).sort([(sort, direction), ("_id", direction)]).limit(limit + 1))
    items = found[:limit]
    return items, _cursor(sort, items[-1]) if len(found) > limit else None


def _cursor(sort: str, last: Document) -> str:
    value = last
    for part in sort.split("."):
        value = value[part]
    text = json_util.dumps([sort, value, last["_id"]], json_options=json_util.CANONICAL_JSON_OPTIONS)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _after(sort: str, descending: bool, cursor: str) -> Document:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        made_for, value, last = json_util.loads(text, json_options=json_util.CANONICAL_JSON_OPTIONS)
    except (binascii.Error, BSONError, ValueError, TypeError, KeyError, RecursionError):
        raise _bad_cursor() from None
    if made_for != sort or not isinstance(last, ObjectId) or not isinstance(value, datetime):
        raise _bad_cursor()
    operator = "$lt" if descending else "$gt"
    # The first condition bounds the index scan; the second leaves out what the page before has shown.
    return {
        sort: {f"{operator}e": value},
        "$or": [{sort: {operator: value}}, {sort: value, "_id": {operator: last}}],
    }


def _bad_cursor() -> Problem:
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
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or len(text) < 20 or time.year < 1900:
        raise Problem(422, "time.invalid", f"{field} must be a time such as 2024-01-31T12:00:00Z", field=field)
    return time


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
