"""Settings: read once, checked, and written down in the README."""

from dataclasses import fields
from pathlib import Path

import pytest

from mailroom.errors import InvalidSetting
from mailroom.platform.settings import Settings, load

ROOT = Path(__file__).parents[3]


def test_defaults_hold_without_an_environment():
    assert load({}) == Settings()


def test_an_empty_variable_means_the_default():
    assert load({"WORK_BUDGET_SECONDS": " "}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORK_BUDGET_SECONDS", "soon"),
        ("WORK_BUDGET_SECONDS", "nan"),
        ("IMPORT_BATCH_ROWS", "0"),
        ("IMPORT_AMOUNT_TOLERANCE", "1e"),
        ("SMTP_TLS", "maybe"),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(InvalidSetting, match=name):
        load({name: value})


def test_settings_that_contradict_each_other_are_named():
    with pytest.raises(InvalidSetting, match="SEND_LEASE_SECONDS.*SMTP_DATA_TIMEOUT_SECONDS"):
        load({"SEND_LEASE_SECONDS": "40"})
    with pytest.raises(InvalidSetting, match="REJECTS_BUCKET"):
        load({"REJECTS_BUCKET": "invoices"})


def test_every_setting_stands_in_the_readme_with_its_default():
    readme = (ROOT / "README.md").read_text()
    for field in fields(Settings):
        default = field.default if not isinstance(field.default, float) else f"{field.default:g}"
        shown = f"`{default}`" if str(default) else "(empty)"
        assert f"| `{field.name.upper()}` | {shown} |" in readme
