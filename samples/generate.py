"""Made-up invoices for trying and measuring: `python samples/generate.py ROWS > file.csv`. The same rows every time."""

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain

HEADER = "invoiceNumber,invoiceDate,grossAmount,netAmount,vatAmount,supplierName,supplierAddress,currency,status\n"
_FIRST_DAY = date(2024, 1, 1)
_NAMES = ("Atlas", "Birke", "Corona", "Delta", "Esche", "Falke", "Granit", "Hafen", "Isar", "Jura", "Kupfer", "Linde")
_TRADES = ("Energie", "Papier", "Logistik", "Druck", "Software", "Metall", "Textil", "Catering", "Mobil")
_FORMS = ("GmbH", "AG", "Ltd", "KG", "SARL")
_CITIES = ("20457 Hamburg", "50667 Köln", "04109 Leipzig", "80331 München", "8001 Zürich", "69002 Lyon", "4020 Linz")
_STATUSES = ("open", "paid", "paid", "paid", "overdue")


def rows(n: int) -> Iterator[str]:
    """Data lines, without a header: every one valid, every invoice number different."""
    for i in range(n):
        net = 100 + (i * 7919) % 5_000_000  # cents; the primes only spread the values
        vat = net * 19 // 100
        gross = net + vat
        day = _FIRST_DAY + timedelta(days=i % 730)
        name = f"{_NAMES[i % 12]} {_TRADES[i // 12 % 9]} {_FORMS[i // 108 % 5]}"
        address = f'"Hauptstraße {i % 97 + 1}, {_CITIES[i % 7]}"'
        money = ",".join(f"{cents // 100}.{cents % 100:02d}" for cents in (gross, net, vat))
        yield f"S{i:08d},{day},{money},{name},{address},EUR,{_STATUSES[i % 5]}\n"


def main() -> None:
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    sys.stdout.writelines(chain([HEADER], rows(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
