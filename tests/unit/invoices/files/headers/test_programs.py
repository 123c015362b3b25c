"""The exports of known programs are recognised by their header, and nothing else is."""

import csv
import io
from pathlib import Path

import pytest

from mailroom.invoices.files.headers.header_names import HEADER_NAMES
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.files.headers.programs import Program, programs, recognised
from mailroom.invoices.model.columns import COLUMNS, MAPPABLE

SAMPLES = Path(__file__).parents[4] / "samples" / "programs"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.csv"))


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.csv").read_bytes()


def rows_of(name: str) -> list[list[str]]:
    data = sample(name)
    text = data.decode("cp1252" if name == "datev" else "utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=";" if ";" in text.splitlines()[1] else ","))


def marks(program: Program) -> set[str]:
    return {normalised(name) for name in program.recognise}


def test_every_program_has_a_sample():
    assert sorted(programs()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_header_of_a_sample_is_recognised_and_no_other_row(name):
    found = [program.name for row in rows_of(name) if (program := recognised(row))]
    assert found == [name]


@pytest.mark.parametrize("name", NAMES)
def test_no_sample_has_the_marks_of_two_programs(name):
    headers = [{normalised(each) for each in row} for row in rows_of(name)]
    fitting = {
        each.name
        for header in headers
        for each in programs().values()
        if marks(each) <= header and not {normalised(other) for other in each.without} & header
    }
    assert fitting == {name}


@pytest.mark.parametrize("name", NAMES)
def test_the_data_of_a_program_is_sound(name):
    program = programs()[name]
    assert program.source.startswith("https://")
    assert set(filter(None, program.columns.values())) <= set(MAPPABLE)
    assert len({normalised(each) for each in program.columns}) == len(program.columns)
    assert program.needs.keys() <= set(COLUMNS)
    assert len(program.recognise) >= 4


@pytest.mark.parametrize("language", HEADER_NAMES)
def test_a_header_of_the_known_names_is_no_programs(language):
    names = [name for known in HEADER_NAMES[language].values() for name in known.replace(";", ",").split(",")]
    assert recognised(names) is None


@pytest.mark.parametrize(
    "header",
    [
        ",".join(COLUMNS),
        "_row,_errors," + ",".join(COLUMNS),
        "id," + ",".join(COLUMNS),
        "Number,Date,Total,Net,VAT,Supplier,Address,Currency,Status",
        "Rechnungsnummer,Rechnungsdatum,Brutto,Netto,MwSt,Lieferant,Adresse,Währung,Status,Belegnummer,Position",
        "ID,Name,Email,Total,Currency,Date,Status,Customer,Number",
    ],
)
def test_our_own_files_and_plain_ones_are_no_programs(header):
    assert recognised(header.split(",")) is None
