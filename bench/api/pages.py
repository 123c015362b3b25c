"""Measures pages of every combination of filters and sort, and makes a table of the times."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import quantiles

from bench.api.calls import Call, Caller
from bench.api.combinations import Query, served, values_of
from mailroom.invoices.api.parameters import invoice_filter
from mailroom.invoices.views.filters import INVOICE_FILTERS
from mailroom.platform.mongo import Document
from mailroom.web.paging import cursor_of

COLUMNS = (
    *("filters", "calls", "first pages: p50", "p99", "pages inside: p50", "p99"),
    *("processor time of the function: p50", "p99", "of MongoDB: p50", "p99", "of both: p50", "p99"),
    *("slowest: p99", "of"),
)
Key = tuple[tuple[str, ...], str]


@dataclass
class Combination:
    """A combination, with the calls for first pages and for later pages."""

    filters: tuple[str, ...]  # in the order the API declares them
    sort: str  # empty: by default
    first: list[Call] = field(default_factory=list)
    inside: list[Call] = field(default_factory=list)

    @property
    def family(self) -> str:
        """Its filters without the dates, which every combination can have."""
        names = [name for name in self.filters if not name.startswith("date")]
        return ", ".join(names) or ("dates" if self.filters else "none")

    @property
    def p99(self) -> float:
        return percentiles([call.clock for call in self.first + self.inside])[1]


def measure(caller: Caller, sample: Iterable[Document]) -> list[Combination]:
    """Fetches a first and a later page of every combination, for every invoice of the sample.

    Raises RuntimeError for an answer that is not 200.
    """
    found: dict[Key, Combination] = {}
    caller.get("/", {})  # opens the function's connections
    for invoice in sample:
        for query in served(values_of(invoice)):
            key = tuple(name for name in INVOICE_FILTERS if name in query), query.get("sort", "")
            kept = found.setdefault(key, Combination(*key))
            order = invoice_filter(query).order
            cursor = cursor_of(order, order.key(invoice)) or ""
            kept.first.append(_page(caller, query))
            kept.inside.append(_page(caller, query | {"cursor": cursor}))
    return list(found.values())


def table(combinations: list[Combination]) -> str:
    """A table in Markdown: a line for each set of filters, with its slowest combination, and a line for all."""
    lines = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 2), "---")]
    for family in dict.fromkeys(each.family for each in combinations):
        lines.append(_line(family, [each for each in combinations if each.family == family]))
    lines.append(_line("**all**", combinations))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _page(caller: Caller, query: Query) -> Call:
    call = caller.get("/", query)
    if call.status != 200:
        raise RuntimeError(f"{query}: {call.status}")
    return call


def _line(name: str, combinations: list[Combination]) -> tuple[str, ...]:
    first = [call for each in combinations for call in each.first]
    inside = [call for each in combinations for call in each.inside]
    slowest = max(combinations, key=lambda each: each.p99)
    figures = (
        *percentiles([call.clock for call in first]),
        *percentiles([call.clock for call in inside]),
        *percentiles([call.function for call in first + inside]),
        *percentiles([call.mongodb for call in first + inside]),
        *percentiles([call.function + call.mongodb for call in first + inside]),
        slowest.p99,
    )
    words = " ".join((*slowest.filters, slowest.sort)).strip()
    return (name, str(len(first + inside)), *(f"{figure:.1f}" for figure in figures), f"`{words}`" if words else "none")
