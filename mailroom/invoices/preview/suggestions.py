"""What the columns of a file may be: known names first, then similar ones, then what the values look like.

A suggestion is for people. No import reads a file by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from mailroom.invoices.files import Dialect, Rules
from mailroom.invoices.files.headers.header import known_names
from mailroom.invoices.files.headers.header_currency import header_currencies, split_currency
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.files.values.derived import are_determined
from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, MAPPABLE, REQUIRED, VAT_RATE
from mailroom.invoices.preview.examination import ColumnMapping, MissingColumn, Reason
from mailroom.invoices.preview.similarity import similar_columns
from mailroom.invoices.preview.values import ColumnValues, evidence_of

_SUGGESTED = (*COLUMNS, VAT_RATE)
_LEAST = 0.3
_NAME_COUNTS = 0.9
"""A similar name is never as sure as a known one."""
_BOTH = 0.1


class _Candidate(msgspec.Struct, frozen=True, order=True):
    confidence: float
    place: int  # negative: of equal ones, the first column in the file is taken
    column: str
    reason: Reason


def mapping_of(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    rules: Rules,
    dialect: Dialect | None,
    *,
    of_program: bool = False,
) -> list[ColumnMapping]:
    """What each column of the file is, or may be. With a `dialect`, its columns are certain.

    Nothing is suggested for a known program's file: what its other columns are is known too, and is not needed.
    """
    own = {normalised(each): column for each, column in rules.aliases.items()}
    all_names = known_names(rules)
    known = [_known(name, at, own, all_names, dialect) for at, name in enumerate(names)]
    _only_once(known)
    fixed = {each.target: at for at, each in enumerate(known) if each and each.target}
    values = [ColumnValues.of([row[at] if at < len(row) else "" for row in rows]) for at in range(len(names))]
    places = {column: at for column, at in fixed.items() if column}
    found = evidence_of(values, places)
    candidates = [
        candidate
        for at, name in enumerate(names)
        if known[at] is None and not of_program
        for candidate in _candidates(at, name, values[at], found[at])
        if candidate.column not in places
    ]
    taken: set[str] = set()
    for candidate in sorted(candidates, reverse=True):
        at = -candidate.place
        if known[at] is None and candidate.column not in taken:
            taken.add(candidate.column)
            known[at] = ColumnMapping(names[at], candidate.column, round(candidate.confidence, 2), candidate.reason)
    return [each or ColumnMapping(names[at], None, 0.0, "none") for at, each in enumerate(known)]


def missing_of(mapping: Sequence[ColumnMapping], rules: Rules) -> list[MissingColumn]:
    """Our columns that an import needs, and that neither the file, as it is mapped, nor the rules give."""
    given = {each.target for each in mapping if each.target} | set(rules.constants)
    if header_currencies([each.name for each in mapping], [each.target for each in mapping]):
        given.add("currency")
    derived = AMOUNTS if are_determined(given) else ()
    return [MissingColumn(each, _advice(each)) for each in REQUIRED if each not in given and each not in derived]


def _advice(column: str) -> str:
    if column == "invoiceNumber":
        return "Map the column with the invoices' numbers to invoiceNumber in a preset, or add one to the file."
    if column in AMOUNTS:
        return (
            f"Map a column to {column} in a preset. Of gross, net and VAT two are enough, or one with vatRate, also as "
            'a constant: {"constants": {"vatRate": "19"}}.'
        )
    example = {"currency": "EUR", "supplierName": "Acme GmbH", "invoiceDate": "2024-01-31"}[column]
    constant = f'{{"constants": {{"{column}": "{example}"}}}}'
    return f"Map a column to {column} in a preset, or give one value for all rows: {constant}."


def _known(
    name: str, at: int, own: Mapping[str, str | None], names: Mapping[str, str], dialect: Dialect | None
) -> ColumnMapping | None:
    """What is certain about a column, by `own` names and all `names`; None for an unknown one."""
    if normalised(name) in own and (dialect is None or dialect.has_header):
        return ColumnMapping(name, own[normalised(name)], 1.0, "preset")
    if dialect is not None:
        column = dialect.columns[at]
        reason: Reason = "name" if dialect.has_header else "order"
        return ColumnMapping(name, column, 1.0, reason) if column in MAPPABLE else None
    found = names.get(normalised(name)) or names.get(normalised(_without_currency(name)))
    return ColumnMapping(name, found, 1.0, "name") if found else None


def _without_currency(name: str) -> str:
    split = split_currency(name)
    return split[0] if split else name


def _only_once(known: list[ColumnMapping | None]) -> None:
    """Of two columns with names for the same, the first one a preset names, else the first, is suggested."""
    for column in {each.target for each in known if each and each.target}:
        places = [at for at, each in enumerate(known) if each and each.target == column]
        kept = min(places, key=lambda at: (known[at] is None or known[at].reason != "preset", at))  # type: ignore[union-attr]
        for at in places:
            if at != kept:
                known[at] = None


def _candidates(at: int, name: str, values: ColumnValues, found: Mapping[str, float]) -> list[_Candidate]:
    similar = similar_columns(_without_currency(name))
    candidates = []
    for column in _SUGGESTED:
        by_name, by_values = _NAME_COUNTS * similar.get(column, 0.0), found.get(column, 0.0)
        if max(by_name, by_values) < _LEAST or not values.may_be(column):
            continue
        confidence = max(by_name, by_values) + (_BOTH if by_name and by_values else 0.0)
        reason: Reason = "similar" if by_name >= by_values else "values"
        candidates.append(_Candidate(min(confidence, 0.95), -at, column, reason))
    return candidates
