"""What the routes of the figures take and answer."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from mailroom.invoices.api.figures.schemas import ImportFigures, InvoiceFigures, WaitingFigures
from mailroom.web.endpoints import Operation, Parameter

_OLD = "Computed at most once a minute by each replica; `computedAt` says when."

IMPORT_FIGURES = Operation(
    "Files and rows of the last days",
    {200: ImportFigures},
    parameters=(
        Parameter(
            "days",
            "1 (the default) or 30 days of 24 hours.",
            Annotated[str, Meta(extra_json_schema={"enum": ["1", "30"]})],
        ),
    ),
    text=f"Dry runs do not count. {_OLD}",
)
INVOICE_FIGURES = Operation(
    "Invoices by month and currency",
    {200: InvoiceFigures},
    text=f"{_OLD} 422 `totals.too_many` if they cannot be summed within `EXPORT_SECONDS`.",
)
WAITING_FIGURES = Operation("The import that has waited for longest", {200: WaitingFigures}, text=_OLD)
