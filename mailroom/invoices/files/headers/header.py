"""Matches the names of a header with our columns."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mailroom.invoices.files.dialect import EXTRA
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.headers.further_amounts import further_amounts
from mailroom.invoices.files.headers.header_currency import header_currencies, split_currency
from mailroom.invoices.files.headers.header_names import FIRST_LANGUAGES, HEADER_NAMES, LINE_NAMES
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.files.rejects import MOST_ADDED
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.files.values.amounts import is_nonzero
from mailroom.invoices.files.values.derived import are_determined
from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, LINE_COLUMNS, REQUIRED, VAT_RATE

MAX_COLUMNS = 1000
MAX_NAME_CHARACTERS = 100

_MOST_NAMED = 100
"""Of a thousand columns, in an error."""


def _names_of(columns: Mapping[str, str]) -> dict[str, str]:
    return {normalised(name): column for column, names in columns.items() for name in re.split("[,;]", names)}


def _all_names(table: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {name: column for columns in table.values() for name, column in _names_of(columns).items()}


_KNOWN = _all_names(HEADER_NAMES) | {normalised(column): column for column in (*COLUMNS, VAT_RATE)}
_FIRST = {normalised(column) for column in COLUMNS}.union(
    normalised(name)
    for language in FIRST_LANGUAGES
    for names in HEADER_NAMES[language].values()
    for name in names.partition(";")[0].split(",")
)
_LAST = {
    normalised(name)
    for columns in HEADER_NAMES.values()
    for names in columns.values()
    for name in ",".join(names.split(";")[2:]).split(",")
}
_EXAMPLES = {"currency": '"EUR"', "supplierName": '"Acme Ltd"', "invoiceDate": '"2024-12-31"'}
_BY_ITS_NAME = frozenset({"invoiceNumber", "invoiceDate", "status"})
"""Columns that may stand beside others of their meaning, as `Invoice Number` beside `Invoice ID`: the name decides."""
_FURTHER = frozenset({VAT_RATE, *LINE_COLUMNS})
"""Columns that no invoice needs: of two with such a name, the second is extra."""
_OF_LINES = _all_names(LINE_NAMES) | {normalised(column): column for column in LINE_COLUMNS}


def known_names(rules: Rules) -> Mapping[str, str]:
    """Normalised header name -> one of MAPPABLE, or "" to drop the column. Own aliases go before the built-in ones."""
    of_lines = _OF_LINES if rules.has_lines else {}
    return of_lines | _KNOWN | {normalised(name): column or "" for name, column in rules.aliases.items()}


def count_known(names: Sequence[str], known: Mapping[str, str]) -> int:
    """How many different columns the names stand for."""
    return len({column for name in names if (column := known.get(normalised(name)))})


def find_header(rows: Sequence[Sequence[str]], rules: Rules) -> int:
    """The index of the first row with a name for every required column, else of the one with the most known names."""
    known = known_names(rules)
    complete = (at for at, names in enumerate(rows) if has_required(names, rules))
    best = max(range(len(rows)), key=lambda at: count_known(rows[at], known))
    return next(complete, best)


def has_required(names: Sequence[str], rules: Rules) -> bool:
    """Whether there is a name, or a constant, for every required column."""
    return not _missing(_matched(names, known_names(rules)), names, rules)


def match_header(names: Sequence[str], rules: Rules) -> tuple[str, ...]:
    """The entries of `Dialect.columns` for a header.

    Raises FileRejected: `header.too_many_columns`, `header.unknown_column`, `header.duplicate_column`,
    `header.missing_column`, each naming all columns at fault.
    """
    added = sum(name.startswith("_") for name in names[:MOST_ADDED])
    if len(names) - added > MAX_COLUMNS:
        raise FileRejected("header.too_many_columns", f"The header has {len(names)} columns, more than {MAX_COLUMNS}.")
    names = [name.strip() for name in names]
    columns = _columns_of(names, rules)
    if missing := _missing(columns, names, rules):
        advice = f"{_unknown(columns)} {_missing_advice(missing, rules)}"
        message = f"The header has no column for {', '.join(missing)}.{advice}"
        raise FileRejected("header.missing_column", message, missing[0])
    return tuple(columns)


def check_derived(columns: Sequence[str], rows: Sequence[Sequence[str]], rules: Rules) -> None:
    """Refuses a file whose missing amount would be derived from the net amount, although its rows have further amounts.

    `rows` are the first ones. Raises FileRejected `header.missing_column`.
    """
    lacking = [column for column in AMOUNTS if column not in columns and column not in rules.constants]
    if not lacking or "netAmount" not in columns:
        return
    further = [index for index in further_amounts(columns) if any(is_nonzero(row[index]) for row in rows)]
    if others := [columns[index].removeprefix(EXTRA) for index in further]:
        message = (
            f"The header has no column for {', '.join(lacking)}. It cannot be derived: {_listed(others)} may be in it. "
            "Map the column that has it. If these make no difference, map them to null in a preset."
        )
        raise FileRejected("header.missing_column", message, lacking[0])


def _missing(columns: Sequence[str | None], names: Sequence[str], rules: Rules) -> list[str]:
    """The required columns that have no column, no constant, and cannot be derived."""
    present = set(columns) | rules.constants.keys()
    if header_currencies(names, columns):
        present.add("currency")
    derived = AMOUNTS if are_determined([each for each in present if each]) else ()
    return [column for column in REQUIRED if column not in present and column not in derived]


def _missing_advice(missing: Sequence[str], rules: Rules) -> str:
    """How a preset can help, and what amounts are enough."""
    advice = []
    if constant := [column for column in missing if column not in (*AMOUNTS, "invoiceNumber")]:
        example = f'{{"{constant[0]}": {_EXAMPLES[constant[0]]}}}'
        advice.append(f"If it is the same in all rows, give it in a preset as a constant: {example}.")
    if any(column in AMOUNTS for column in missing):
        advice.append(
            "Two of gross, net and VAT are enough, or gross or net with a VAT rate; "
            'the rate may be a constant of a preset: {"vatRate": "19"}, or "0" if there is no VAT.'
        )
    return " ".join(advice)


def _columns_of(names: Sequence[str], rules: Rules) -> list[str]:
    columns = _matched(names, known_names(rules))
    own = {normalised(name) for name in rules.aliases}
    for column in dict.fromkeys(each for each in columns if each):
        places = [index for index, each in enumerate(columns) if each == column]
        mapped = [index for index in places if normalised(names[index]) in own]
        first = [index for index in places if normalised(names[index]) in _FIRST]
        first = first or [index for index in places if normalised(names[index]) not in _LAST]
        if column in _BY_ITS_NAME:
            first = [index for index in places if normalised(names[index]) == normalised(column)] or first
        if column in LINE_COLUMNS and not rules.has_lines and rules.extra_columns == "keep":
            kept = []  # each row is an invoice, and has no lines
        else:
            kept = _with_meaning(column, mapped or first or places, mapped=bool(mapped))
        if len(kept) > 1:
            raise _duplicate(column, [names[index] for index in places])
        for index in set(places).difference(kept):
            columns[index] = None
    extra = [name for name, column in zip(names, columns, strict=True) if column is None]
    _check_extra(extra, rules)
    kept_as = iter(_numbered(extra))
    return [EXTRA + next(kept_as) if column is None else column for column in columns]


def _matched(names: Sequence[str], known: Mapping[str, str]) -> list[str | None]:
    """The column that each name means; "" to drop it, None to keep it as an extra one.

    An amount may have its currency in its name, unless there is a column with the plain name too.
    """
    columns = [_column(name, known) for name in names]
    plain = set(columns)
    for index, name in enumerate(names):
        if columns[index] is None and (split := split_currency(name)):
            column = known.get(normalised(split[0]))
            columns[index] = column if column in AMOUNTS and column not in plain else None
    return columns


def _column(name: str, known: Mapping[str, str]) -> str | None:
    """The column that a name means; "" to drop it, None to keep it as an extra one."""
    return "" if name.startswith("_") or not name else known.get(normalised(name))


def _with_meaning(column: str, places: list[int], *, mapped: bool) -> list[int]:
    """Which of the `places` have the values of a column: more than one if that is unclear. The rules may name them."""
    if mapped:
        return places
    return places[:1] if column in _FURTHER else places


def _duplicate(column: str, names: Sequence[str]) -> FileRejected:
    both = " and ".join(repr(name[:MAX_NAME_CHARACTERS]) for name in names[:_MOST_NAMED])
    advice = f"Remove one, or map one of them to {column} in a preset or IMPORT_ALIASES, or the other to null."
    return FileRejected("header.duplicate_column", f"{both} both mean {column}. {advice}", column)


def _numbered(names: Sequence[str]) -> Iterator[str]:
    """The names. Repeated ones get a number: Notes, Notes (2)."""
    taken = set(names)
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        if seen[name] == 1:
            yield name
            continue
        while (numbered := f"{name} ({seen[name]})") in taken:
            seen[name] += 1
        taken.add(numbered)
        yield numbered


def _unknown(columns: Sequence[str]) -> str:
    """Names the unknown columns: one of them may be the missing one under another name."""
    names = [column.removeprefix(EXTRA) for column in columns if column.startswith(EXTRA)]
    if not names:
        return " Add it to the file."
    return f" Not known are {_listed(names)}: say in a preset or IMPORT_ALIASES which of them it is, or add it."


def _check_extra(names: Sequence[str], rules: Rules) -> None:
    if rules.extra_columns == "reject" and names:
        advice = "Rename or remove them, map them to null, or set IMPORT_EXTRA_COLUMNS to 'keep'."
        message = f"These are no known columns: {_listed(names)}. {advice}"
        raise FileRejected("header.unknown_column", message, names[0][:MAX_NAME_CHARACTERS])
    wrong = [name for name in names if len(name) > MAX_NAME_CHARACTERS or not name.isprintable()]
    if wrong:
        message = f"These column names are too long or have control characters: {_listed(wrong)}. Rename them."
        raise FileRejected("header.unknown_column", message, wrong[0][:MAX_NAME_CHARACTERS])


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:MAX_NAME_CHARACTERS]) for name in names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown
