"""The texts that a preset or a profile gives for columns that a file lacks."""

from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.files.values.amounts import read_amount
from mailroom.invoices.files.values.currencies import read_currency
from mailroom.invoices.files.values.dates import read_date
from mailroom.invoices.files.values.rates import read_rate
from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, TEXTS, VAT_RATE
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.model.texts import BadValue, read_text

CONSTANTS = tuple(column for column in (*COLUMNS, VAT_RATE) if column != "invoiceNumber")
"""The columns of which all rows of a file may have the same value."""


def constants_of(rules: Rules) -> dict[str, str]:
    """The constants of the rules. Raises FileRejected `constants.invalid`."""
    for column, text in rules.constants.items():
        if message := fault_of_constant(column, text, rules):
            raise FileRejected(
                "constants.invalid", f"The preset's constants.{column} cannot be used. {message}", column
            )
    return dict(rules.constants)


def fault_of_constant(column: str, text: str, rules: Rules) -> str:
    """What is wrong with a constant; empty: nothing. It is read by the grammar of its column."""
    if column not in CONSTANTS:
        return f"{column!r} is not one of {', '.join(CONSTANTS)}."
    if not text.strip():
        return "It is empty."
    value: object
    if column in TEXTS:
        value = Statuses(rules.statuses).read(text) if column == "status" else read_text(text, TEXTS[column])
    elif column in AMOUNTS:
        value = read_amount(text, rules.decimal_mark, "", None, rules.minor_units)
    elif column == "currency":
        value = read_currency(text)
    elif column == VAT_RATE:
        value = read_rate(text)
    else:
        value = read_date(text, rules.date_order, rules.year_pivot)
    return value.message if isinstance(value, BadValue) else ""
