"""How the dates and amounts of a file are written, and what its header or its rules say once for all rows."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, cast

from msgspec.structs import replace

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.headers.header_currency import agreed_currency, header_currency
from mailroom.invoices.files.rejects import (
    CURRENCY_NAME,
    DATE_ORDER_NAME,
    DECIMAL_MARK_NAME,
    FIRST_DAY_NAME,
    MINOR_UNITS_NAME,
    YEAR_PIVOT_NAME,
)
from mailroom.invoices.files.rules import DateOrder, DecimalMark, Rules
from mailroom.invoices.files.values.amounts import evidence
from mailroom.invoices.files.values.constants import constants_of
from mailroom.invoices.files.values.dates import date_format, has_order, possible_orders, read_date
from mailroom.invoices.model.columns import AMOUNTS

_NUMBER = re.compile("[0-9]{1,4}")
_ORDERS: dict[frozenset[str], DateOrder] = {frozenset({"dmy"}): "dmy", frozenset({"mdy"}): "mdy"}


def with_value_forms(dialect: Dialect, rows: Sequence[list[str]], rules: Rules) -> Dialect:
    """The dialect with what its first `rows`, its header and the rules say about values.

    Raises FileRejected: `dialect.ambiguous_date`, `constants.invalid`, `header.currency`.
    """
    dialect = _with_dates(_with_decimal_mark(dialect, rows, rules), rows, rules)
    return replace(dialect, **_constants(dialect, rules))


def _constants(dialect: Dialect, rules: Rules) -> dict[str, Any]:
    """The fields of the dialect about what the header or the rules say once for all rows."""
    mark, order = dialect.decimal_mark, dialect.date_order
    rules = replace(rules, minor_units=dialect.minor_units, year_pivot=dialect.year_pivot)
    constants = constants_of(replace(rules, decimal_mark=mark, date_order=order))
    if said := _hint(dialect, CURRENCY_NAME) or dialect.constants.get("currency", ""):
        constants["currency"] = agreed_currency(said, constants.get("currency", ""))
    currency = header_currency(dialect.names, dialect.columns, constants.get("currency", ""))
    if currency:
        constants["currency"] = currency
    return {"constants": constants, "header_currency": currency}


def _with_decimal_mark(dialect: Dialect, rows: Sequence[list[str]], rules: Rules) -> Dialect:
    """A mark that some amounts prove and none contradicts. After a contradiction, each amount is read by itself.

    Amounts in minor units have none.
    """
    if rules.minor_units or _hint(dialect, MINOR_UNITS_NAME):
        return replace(dialect, minor_units=True)
    at = [index for index, column in enumerate(dialect.columns) if column in AMOUNTS]
    found = {evidence(fields[index]) for fields in rows for index in at}
    hinted = _hint(dialect, DECIMAL_MARK_NAME)
    mark: DecimalMark = rules.decimal_mark
    for candidate, other in ((".", ","), (",", ".")):
        if hinted == candidate or (not mark and not hinted and candidate in found and other not in found):
            mark = cast(DecimalMark, candidate)
    return replace(dialect, decimal_mark=mark, grouped=bool(mark) and "?" in found)


def _with_dates(dialect: Dialect, rows: Sequence[list[str]], rules: Rules) -> Dialect:
    at = [index for index, column in enumerate(dialect.columns) if column == "invoiceDate"]
    dates = [fields[index] for fields in rows for index in at]
    formats = {date_format(text) for text in dates} - {""}
    pivot, first_day = _hint(dialect, YEAR_PIVOT_NAME), read_date(_hint(dialect, FIRST_DAY_NAME), "")
    dialect = replace(
        dialect,
        date_formats=tuple(sorted(formats)),
        year_pivot=int(pivot) if _NUMBER.fullmatch(pivot) else rules.year_pivot,
        first_day=first_day if isinstance(first_day, date) else dialect.first_day,
    )
    order: DateOrder = rules.date_order
    hinted = _hint(dialect, DATE_ORDER_NAME)
    if hinted in ("dmy", "mdy"):
        order = cast(DateOrder, hinted)
    elif not order and any(map(has_order, formats)):
        order = _proven_order(dates, dialect.year_pivot)
    return replace(dialect, date_order=order)


def _proven_order(dates: Sequence[str], year_pivot: int) -> DateOrder:
    """The order of day and month that the dates prove, of those that need one.

    Raises FileRejected `dialect.ambiguous_date` when they contradict each other, or when most dates would be ambiguous.
    """
    possible = {text: orders for text in dates if (orders := possible_orders(text, year_pivot))}
    proven = frozenset[str].intersection(*possible.values()) if possible else frozenset()
    if possible and not proven:
        first = next(text for text, orders in possible.items() if len(orders) == min(map(len, possible.values())))
        second = next((text for text, orders in possible.items() if not orders & possible[first]), "another date")
        message = f"{first!r} and {second!r} have the day and the month in different orders: set IMPORT_DATE_ORDER."
        raise FileRejected("dialect.ambiguous_date", message, "invoiceDate")
    if proven in _ORDERS:
        return _ORDERS[proven]
    if 2 * sum(_is_unclear(possible.get(text, frozenset())) for text in dates) > len(dates):
        example = next(text for text, orders in possible.items() if orders >= proven)
        message = f"{example!r} may be day/month or month/day: set IMPORT_DATE_ORDER to 'dmy' or 'mdy'."
        raise FileRejected("dialect.ambiguous_date", message, "invoiceDate")
    return ""


def _is_unclear(orders: frozenset[str]) -> bool:
    return bool(orders) and orders not in _ORDERS


def _hint(dialect: Dialect, prefix: str) -> str:
    """What the rejects file of an earlier import says about the file it came from."""
    return next((name.removeprefix(prefix) for name in dialect.names if name.startswith(prefix)), "")
