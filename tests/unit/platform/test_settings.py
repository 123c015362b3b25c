"""Settings: read once, checked, and written down in docs/settings.md."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from mailroom.errors import InvalidSetting
from mailroom.platform.environment import load
from mailroom.platform.settings import Settings, table

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
        ("PUBLIC_URL", "mail.example.com"),
        ("PUBLIC_URL", "https://mail.example.com/?a=b"),
        ("PUBLIC_URL", "https://mail.example.com/>\r\nX: y"),
        ("PUBLIC_URL", "https://" + "x" * 193),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(InvalidSetting, match=name):
        load({name: value})


def test_settings_that_contradict_each_other_are_named():
    with pytest.raises(InvalidSetting, match=r"SEND_LEASE_SECONDS.*SMTP_DATA_TIMEOUT_SECONDS"):
        load({"SEND_LEASE_SECONDS": "40"})
    with pytest.raises(InvalidSetting, match="REJECTS_BUCKET"):
        load({"REJECTS_BUCKET": "invoices"})


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"WORK_BUDGET_SECONDS": "55"}, "WORK_BUDGET_SECONDS"),
        ({"SMTP_DATA_TIMEOUT_SECONDS": "60"}, "SMTP_DATA_TIMEOUT_SECONDS"),
        ({"SEND_LEASE_SECONDS": "50"}, "SEND_LEASE_SECONDS"),
    ],
)
@pytest.mark.parametrize("name", ["exec_timeout", "write_timeout"])
def test_a_limit_longer_than_the_call_is_named(environment, named, name):
    with pytest.raises(InvalidSetting, match=f"{named}.*{name}"):
        load({**environment, name: "55s"})
    assert load({name: "55s"}) == load({name: "1m"}) == Settings()


def test_the_documents_have_the_table_of_all_settings():
    assert table() in (ROOT / "docs/settings.md").read_text(), "renew it: python -m mailroom settings"


def test_every_variable_of_stack_yml_is_a_setting():
    functions = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]
    names = {name for function in functions.values() for name in function["environment"] if name.isupper()}
    runtime = {"MAX_BODY_BYTES", "THREADS", "DRAIN_SECONDS", "METRICS_PORT"}
    assert names <= {field.name.upper() for field in fields(Settings)} | runtime
