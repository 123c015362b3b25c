"""The figures of an overview as the API shows them. `computedAt` says how old they are: up to a minute."""

from __future__ import annotations

from mailroom.invoices.api.schemas import ImportDetails, RowCounts
from mailroom.web.schemas import Money, Schema, Time


class ImportFigures(Schema):
    """The imports that were made in the last `days`: all `files`, and how many of them are in which state."""

    days: int
    files: int
    states: dict[str, int]
    rows: RowCounts
    rejected: int
    computed_at: Time


class MonthFigures(Schema):
    """The invoices of a month in one currency. `total` is the sum of their gross amounts."""

    month: str
    currency: str
    count: int
    total: Money


class InvoiceFigures(Schema):
    """The months of the last two years, and those to come, by month and currency."""

    items: list[MonthFigures]
    computed_at: Time


class WaitingFigures(Schema):
    """How many imports wait for a worker, and the one that has waited for longest."""

    waiting: int
    oldest: ImportDetails | None
    computed_at: Time
