"""The operators' commands: exit codes, and the modules that a command loads."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from mailroom.cli.main import main


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["keys"],
        ["keys", "create", "--name", "x"],
        ["keys", "create", "--name", "x", "--scope", "invoices:fly"],
        *(
            ["keys", "create", "--name", "x", "--scope", "invoices:read", "--expires-days", days]
            for days in ("0", "-1", "1e9", "nan", "soon")
        ),
        ["keys", "revoke"],
        *(
            ["keys", "create", "--name", "x", "--scope", "notifications:send", "--from", pattern]
            for pattern in ("", "*", "shop.example", "*@", "@shop.example", "a*@shop.example", "*@*.example")
        ),
        ["keys", "create", "--name", "x", "--scope", "notifications:send", "--from", "*@b\u00fccher.example"],
        ["senders", "check"],
        ["backups", "restore", "--only", "mail"],
        ["templates", "show", "x", "--version", "newest"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_refusal_ends_with_1_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PORT", "x")
    result = CliRunner().invoke(main, ["keys", "list"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "mailroom: SMTP_PORT is 'x': not a number\n"


def test_a_command_loads_only_what_it_needs() -> None:
    program = "import mailroom.cli.main, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"flask", "jinja2", "minio", "pyarrow", "urllib3"} & set(loaded)
