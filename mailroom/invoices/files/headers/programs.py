"""Known programs: their exports are recognised by the names in the header, and read as the program's data says.

The data of each program is a file of `mailroom/invoices/programs`. What a folder, a preset or a setting says goes
before it, field by field and column by column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
from msgspec.structs import replace

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.headers.header import known_names
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.files.rules import DateOrder, DecimalMark, LineItems, Rules
from mailroom.invoices.model.columns import VAT_RATE

_FOLDER = Path(__file__).parents[2] / "programs"
_VALUE = re.compile(r"[-+\d.,:/ ]*\d[-+\d.,:/ ]*")
"""A number or a date: such a row is data, whose cells need not be compared with names."""
_INSTEAD = {"netAmount": ("grossAmount",), "vatAmount": (VAT_RATE,)}
"""What may stand for a column that a program needs."""


class Program(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """How the export of one program is recognised and read. `source` is the page that documents it.

    A header is the program's if it has all names of `recognise` and none of `without`. `columns` and the last fields
    mean what they mean in a preset; of several names for one column, the first that the header has counts. `needs` says
    what a file must have and this program does not write, or not always: a column, and what the user can do.
    """

    name: str
    title: str
    source: str
    recognise: tuple[str, ...]
    columns: dict[str, str | None]
    note: str = ""
    without: tuple[str, ...] = ()
    needs: dict[str, str] = {}
    constants: dict[str, str] = {}
    date_order: DateOrder = ""
    decimal_mark: DecimalMark = ""
    statuses: frozenset[str] = frozenset()
    status_required: bool = False
    line_items: LineItems = "reject"
    invoice_amounts: frozenset[str] = frozenset()
    continuation_rows: bool = False
    minor_units: bool = False


_OPTIONS = tuple(name for name in Program.__struct_fields__ if name in Rules.__struct_fields__ and name != "constants")


@cache
def programs() -> Mapping[str, Program]:
    """Every known program by its name."""
    found = [msgspec.json.decode(path.read_bytes(), type=Program) for path in sorted(_FOLDER.glob("*.json"))]
    return {program.name: program for program in found}


def recognised(names: Sequence[str]) -> Program | None:
    """The program that wrote a header, if all the names that make it out are there."""
    if len(names) < _fewest_names() or any(map(_VALUE.fullmatch, names)):
        return None
    header = {normalised(name) for name in names}
    fitting = [name for name, (all_of, none_of) in _marks().items() if all_of <= header and not none_of & header]
    return programs()[max(fitting, key=lambda name: len(_marks()[name][0]))] if fitting else None


@cache
def _marks() -> Mapping[str, tuple[frozenset[str], frozenset[str]]]:
    return {
        name: (frozenset(map(normalised, program.recognise)), frozenset(map(normalised, program.without)))
        for name, program in programs().items()
    }


@cache
def _fewest_names() -> int:
    return min(len(all_of) for all_of, _ in _marks().values())


def with_program(rules: Rules, program: Program, names: Sequence[str]) -> Rules:
    """The rules for a file of the program with this header. What the rules say already stays."""
    default = Rules()
    given = {
        option: getattr(program, option)
        for option in _OPTIONS
        if option not in rules.stated and getattr(rules, option) == getattr(default, option)
    }
    constants = {**program.constants, **rules.constants}
    return replace(rules, **given, constants=constants, aliases=_columns(program, rules, names) | dict(rules.aliases))


def rules_of(dialect: Dialect, rules: Rules) -> Rules:
    """The rules that the rows of a file are read by: those it was detected with, and those of its program."""
    program = programs().get(dialect.program)
    return rules if program is None else with_program(rules, program, dialect.names)


def _columns(program: Program, rules: Rules, names: Sequence[str]) -> dict[str, str | None]:
    """The columns of the program that the header has and the rules say nothing about."""
    header = {normalised(name) for name in names}
    own = {normalised(name): column for name, column in rules.aliases.items()}
    taken = {column for name, column in own.items() if name in header}
    columns: dict[str, str | None] = {}
    for name, column in program.columns.items():
        if normalised(name) in own or normalised(name) not in header or (column and column in taken):
            continue
        columns[name] = column
        taken.add(column)
    return columns


def check_needs(program: Program, names: Sequence[str], rules: Rules) -> None:
    """Raises FileRejected `header.missing_column` for what the program does not write and nobody gave."""
    known = known_names(rules)
    present = {known.get(normalised(name), "") for name in names}.union(rules.constants)
    missing = [column for column in program.needs if present.isdisjoint((column, *_INSTEAD.get(column, ())))]
    if missing:
        says = " ".join(program.needs[column] for column in missing)
        raise FileRejected("header.missing_column", f"This is a file of {program.title}. {says}", missing[0])
