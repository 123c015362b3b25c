"""`python -m mailroom presets`: settings become presets, and presets move from one deployment to another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailroom.cli.main import main
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.presets.store import Presets
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, bucket_with, line

PROFILES = {
    "acme/": {"dateOrder": "dmy", "aliases": {"BELEG": "status"}, "statuses": ["open", "paid"]},
    "Müller & Söhne/2024/": {"constants": {"currency": "CHF"}, "amountTolerance": "0.5"},
    "müller-söhne 2024": {"decimalMark": ","},
    "ß/": {},
}
ALIASES = {"Beleg": "invoiceNumber", "Rech. $": None}


@pytest.fixture
def make_bucket(make_services: Callable[..., Services]) -> Callable[..., Bucket]:
    return lambda **settings: bucket_with(make_services, **settings)


def command(services: Services, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(Services, "from_environment", lambda: services)
    monkeypatch.setattr(services, "close", lambda: None)
    result = CliRunner().invoke(main, ["presets", *arguments], catch_exceptions=False)
    return result.exit_code, result.stdout or result.stderr


def test_the_settings_become_presets_that_read_files_in_the_same_way(
    make_bucket: Callable[..., Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_settings = make_bucket(import_profiles=json.dumps(PROFILES), import_aliases=json.dumps(ALIASES))
    services = with_settings.services

    status, printed = command(services, monkeypatch, "import")

    names = [row.split("\t")[0] for row in printed.splitlines()]
    assert (status, names) == (0, ["all-files", "muller-sohne-2024", "acme", "muller-sohne-2024-2", "ss"])
    kept = {preset.prefix: preset for _, preset in Presets(services.database).present()}
    assert set(kept) == {"", *PROFILES}
    assert kept["acme/"].columns == {"BELEG": "status", "Rech. $": None}
    assert kept["ß/"].columns == ALIASES
    assert kept["acme/"].statuses == {"open", "paid"}
    # A second run makes nothing new, and leaves alone what people have changed.
    Presets(services.database).save("acme", Preset(prefix="acme/"), "somebody")
    assert command(services, monkeypatch, "import") == (0, "".join(f"{name}\twas there\n" for name in names))
    assert Presets(services.database).find("acme")["version"] == 2


def test_without_the_settings_files_are_read_as_with_them(
    make_bucket: Callable[..., Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = {"acme/": {"dateOrder": "dmy"}}
    with_settings = make_bucket(import_profiles=json.dumps(profiles), import_aliases=json.dumps(ALIASES))
    without, header = make_bucket(), HEADER.replace("invoiceNumber", "beleg")

    def import_all(bucket: Bucket, number: int) -> list[str]:
        jobs = [
            bucket.import_(
                f"{folder}{number}.csv", (header + line(f"{folder}{number}").replace("2024-01-31", day)).encode()
            )
            for folder, day in (("acme/", "02/03/2024"), ("other/", "2024-03-02"))
        ]
        return [job["state"] for job in jobs]

    assert import_all(with_settings, 1) == ["done", "done"]
    assert import_all(without, 2) == ["failed", "failed"]
    command(with_settings.services, monkeypatch, "import")
    assert import_all(without, 3) == ["done", "done"]

    assert {each["invoiceDate"].month for each in without.invoices()} == {3}


def test_without_settings_nothing_is_made(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(bucket.services, monkeypatch, "import") == (0, "")
    assert command(bucket.services, monkeypatch, "list") == (0, "")


def test_presets_are_shown_and_move_to_another_deployment(
    make_bucket: Callable[..., Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = make_bucket().services
    Presets(here.database).save("acme", Preset(prefix="", columns={"Größe, m²": None}), "somebody")
    Presets(here.database).save("acme", Preset(prefix="", columns={"Größe, m²": "status"}), "somebody")
    Presets(here.database).save("us", Preset(date_order="mdy"), "somebody")
    Presets(here.database).save("gone", Preset(), "somebody")
    Presets(here.database).delete("gone", "somebody")
    _, listed = command(here, monkeypatch, "list")
    assert [row.split("\t")[:3] for row in listed.splitlines()] == [["acme", "''", "2"], ["us", "-", "1"]]
    assert json.loads(command(here, monkeypatch, "show", "acme", "--version", "1")[1])["columns"] == {"Größe, m²": None}
    assert command(here, monkeypatch, "show", "gone")[0] == 1

    file = tmp_path / "presets.json"
    exported = command(here, monkeypatch, "export")
    file.write_text(exported[1], encoding="utf-8")
    here.database["presets"].delete_many({})

    assert command(here, monkeypatch, "import", str(file)) == (0, "acme\t1\nus\t1\n")
    assert command(here, monkeypatch, "import", str(file)) == (0, "acme\t1\nus\t1\n")
    assert command(here, monkeypatch, "export") == exported


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"a": {"columns": {"x": "y"}}}', "a, columns: 'x' is mapped to 'y'"),
        ('{"A": {}}', "A, name"),
        ('{"a": {"prefix": "x/"}, "b": {"prefix": "x/"}}', "b, prefix: the preset a is for 'x/' already"),
    ],
)
def test_a_file_with_a_wrong_preset_is_refused_as_a_whole(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "presets.json"
    file.write_text(text)

    status, said = command(bucket.services, monkeypatch, "import", str(file))

    assert status == 1
    assert message in said
    assert list(Presets(bucket.services.database).present()) == []
