"""Makes invoices like a firm's: many at the end of a month, few large suppliers, rare currencies and statuses."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from samples.generate import HEADER

YEARS = range(2022, 2026)
SUPPLIERS = 3_000
AT_MONTH_END = 0.3
CURRENCIES = {"EUR": 0.80, "USD": 0.15, "CHF": 0.049, "SEK": 0.001}
STATUSES = {"paid": 0.80, "open": 0.15, "overdue": 0.049, "disputed": 0.001}


def files(count: int, parts: int) -> Iterator[str]:
    """CSV files with `count` invoices in total. Every call gives the same."""
    rows = _rows(count)
    for part in range(parts):
        size = count * (part + 1) // parts - count * part // parts
        yield HEADER + "".join(next(rows) for _ in range(size))


def _rows(count: int) -> Iterator[str]:
    random = Random(7)
    first = date(YEARS[0], 1, 1)
    days = (date(YEARS[-1] + 1, 1, 1) - first).days
    all_days = [first + timedelta(days=day) for day in range(days)]
    month_ends = [day for day in all_days if (day + timedelta(days=1)).day == 1]
    numbers = [0] * SUPPLIERS
    currencies, statuses = (_drawn(random, parts, count) for parts in (CURRENCIES, STATUSES))
    for currency, status in zip(currencies, statuses, strict=True):
        # The largest supplier has 7 % of the invoices, most suppliers 0.01 %.
        supplier = int(SUPPLIERS * random.random() ** 3)
        numbers[supplier] += 1
        day = random.choice(month_ends if random.random() < AT_MONTH_END else all_days)
        net = random.randrange(100, 5_000_000)
        money = ",".join(f"{cents // 100}.{cents % 100:02d}" for cents in (net + net * 19 // 100, net, net * 19 // 100))
        yield (
            f"R-{numbers[supplier]:06d},{day},{money},Supplier {supplier} GmbH,"
            f'"Hauptstraße {supplier % 97 + 1}, 20457 Hamburg",{currency},{status}\n'
        )


def _drawn(random: Random, parts: dict[str, float], count: int) -> list[str]:
    return random.choices(list(parts), list(parts.values()), k=count)
