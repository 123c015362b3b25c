"""How values are shown: times, money, numbers, sizes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from mailroom.console.months import by_currency

_NO_BREAK = "\u202f"  # a narrow space that no line breaks at
_UNITS = ("B", "kB", "MB", "GB", "TB")


def time(value: str | None) -> Markup:
    """A time of an API as `<time>`: in UTC here, made local by console.js. The title stays in UTC."""
    if not value:
        return Markup("&ndash;")
    moment = datetime.fromisoformat(value).astimezone(UTC)
    shown, title = f"{moment:%Y-%m-%d %H:%M} UTC", f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(f"{moment:%Y-%m-%dT%H:%M:%SZ}", title, shown)


def number(value: int) -> str:
    """1234567 as `1 234 567`, which no language takes for a decimal."""
    return f"{value:,}".replace(",", _NO_BREAK)


def money(value: str, currency: str = "") -> Markup:
    """An amount of an API, such as `1190.00`, with its currency."""
    whole, point, fraction = value.partition(".")
    sign, digits = ("\u2212", whole[1:]) if whole.startswith("-") else ("", whole)
    grouped = f"{int(digits):,}".replace(",", _NO_BREAK) if digits.isdecimal() else digits
    shown = f"{sign}{grouped}{point}{fraction}"
    return Markup('<span class="money">{}{}</span>').format(shown, f"\u00a0{currency}" if currency else "")


def size(value: int) -> str:
    """A number of bytes, such as `1.4 MB`."""
    amount = float(value)
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


FILTERS: dict[str, Callable[..., Any]] = {
    "time": time,
    "number": number,
    "money": money,
    "size": size,
    "by_currency": by_currency,
}
