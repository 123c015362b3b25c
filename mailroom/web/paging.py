"""Parameters of a query as typed values: the limit and the cursor of a page, ids, dates and times."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from bson import ObjectId, json_util
from bson.errors import InvalidId
from msgspec import Meta

from mailroom.errors import Invalid
from mailroom.platform.clock import parse_time
from mailroom.platform.keyset import Key, Order

T = TypeVar("T")

DEFAULT_LIMIT = 100
MOST = 1000

_MOST_DIGITS = 9  # of a version in a query
_StoredVersion = Annotated[int, Meta(ge=0, le=2**62)]  # MongoDB's integers have 8 bytes

_CURSOR_OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=True, tzinfo=UTC)


def limit_of(query: Mapping[str, str]) -> int:
    """The most items of a page. Raises `Invalid`."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise Invalid("limit", "limit.invalid", f"limit must be a whole number from 1 to {MOST}")
    return int(text)


def cursor_of(order: Order, last: Key | None) -> str | None:
    """The cursor of the page after the item with the key `last`, or None if there is no further page."""
    return None if last is None else to_cursor([order.field, last.value, last.id])


def key_of(query: Mapping[str, str], order: Order, id_kind: type[ObjectId | str] = ObjectId) -> Key | None:
    """The key of the last item of the page before, or None for the first page. `id_kind` is the type of the ids.

    Raises:
        Invalid: the cursor is one of another list.
    """
    kind: Any = tuple[str, datetime, id_kind]  # type: ignore[valid-type]
    match cursor_values(query, kind):
        case None:
            return None
        case [order.field, value, id_]:
            return Key(value, id_)
        case _:
            raise bad_cursor()


def to_cursor(parts: list[Any]) -> str:
    """The values as text that can stand in a query."""
    text = json_util.dumps(parts, json_options=_CURSOR_OPTIONS)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_values(query: Mapping[str, str], kind: type[T]) -> T | None:
    """The values in the cursor of the call, or None without one. Raises `Invalid` for the cursor of another list."""
    if "cursor" not in query:
        return None
    cursor = query["cursor"]
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        msgspec.json.decode(text)  # refuses halves of surrogate pairs, which no query can hold
        values = json_util.loads(text, json_options=_CURSOR_OPTIONS)
        return msgspec.convert(values, kind, builtin_types=(datetime,))  # no text is a time
    except Exception:  # forged: the driver's reader raises errors of many kinds for an unexpected value
        raise bad_cursor() from None


def after_name(query: Mapping[str, str]) -> str:
    """The name that the cursor of a list by name holds; empty for the first page."""
    [name] = cursor_values(query, tuple[str]) or [""]
    return name


def before_version(query: Mapping[str, str]) -> int | None:
    """The version that the cursor of a list of versions holds, or None for the first page."""
    [version] = cursor_values(query, tuple[_StoredVersion]) or [None]
    return version


def version_parameter(query: Mapping[str, str]) -> int | None:
    """The parameter `version`, or None without it. Raises `Invalid`."""
    text = query.get("version")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise Invalid("version", "version.invalid", "version must be a whole number")
    return int(text)


def bad_cursor() -> Invalid:
    return Invalid("cursor", "cursor.invalid", "cursor must be the nextCursor of a list with the same sort")


def object_id(text: str, field: str) -> ObjectId:
    """An id of 24 hexadecimal digits. Raises `Invalid`."""
    try:
        return ObjectId(text)
    except InvalidId:
        raise Invalid(field, "id.invalid", f"{field} must be 24 hexadecimal digits") from None


def time_parameter(text: str, field: str) -> datetime:
    """A time such as `2024-01-31T12:00:00Z`; the offset must be given. Raises `Invalid`."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise Invalid(field, "time.invalid", f"{field} {error}") from None


def date_parameter(text: str, field: str) -> date:
    """A date such as `2024-01-31`. Raises `Invalid`."""
    try:
        if len(text) == 10 and text[4] == text[7] == "-":
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Invalid(field, "date.invalid", f"{field} must be a date such as 2024-01-31")
