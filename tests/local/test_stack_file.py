"""stack.yml is read as faas-cli reads it. The expected values are those of drone/envsubst 1.0.3."""

from pathlib import Path

import pytest

from local.stack_file import StackError, read_stack, substitute
from tests.support.processes import ROOT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a${NOPE}b", "ab"),
        ("${SET} ${SET:-d} ${EMPTY:-d} ${NOPE:-d}", "s s d d"),
        ("${NOPE:-${OTHER:-inner}} ${NOPE:-pre/${OTHER:-inner}/post}", "inner pre/inner/post"),
        ("${NOPE:-a/{b}}", "a/{b}"),
        ("${SET:-a/{b}}", "s}"),  # the default ends at the first brace: such a value must not be written
        ("${NOPE:-http://g:8080}/{function}", "http://g:8080/{function}"),
        ("$HOME $$ $${SET} $1", "$HOME $ ${SET} $1"),
        ("${NOPE:-Mailroom <mailroom@localhost>}", "Mailroom <mailroom@localhost>"),
    ],
)
def test_variables_are_substituted_as_by_faas_cli(text: str, expected: str) -> None:
    assert substitute(text, {"SET": "s", "EMPTY": ""}) == expected


@pytest.mark.parametrize("text", ["${NOPE-d}", "${SET", "${:-d}", "${NOPE:-d", "${SET^}", "${NOPE:-${NOPE:-${SET}}}"])
def test_what_cannot_be_substituted_is_an_error(text: str) -> None:
    with pytest.raises(StackError):
        substitute(text, {"SET": "s"})


def test_our_own_stack_file_is_read() -> None:
    functions = {entry.name: entry for entry in read_stack(ROOT / "stack.yml", {"IMPORT_LEASE_SECONDS": "2"})}

    importer = functions["invoice-importer"]
    assert importer.handler == ROOT / "functions" / "invoice-importer"
    assert importer.schedule == "* * * * *"
    assert importer.environment["IMPORT_LEASE_SECONDS"] == "2"
    assert importer.environment["prefix_logs"] == "false"
    assert "mailroom-s3-secret-key" in importer.secrets
    assert functions["invoices"].schedule is None
    assert functions["notifications"].secrets == (
        "mailroom-mongodb-notifications",
        "mailroom-smtp-username",
        "mailroom-smtp-password",
        "mailroom-dkim-key",
        "mailroom-dkim-keys",
        "mailroom-signing-key",
        "mailroom-events-postmark",
        "mailroom-events-mailgun",
        "mailroom-events-generic",
        "mailroom-attachments-access-key",
        "mailroom-attachments-secret-key",
    )


@pytest.mark.parametrize("url", ["", "http://elsewhere:8080"])
def test_the_address_for_kicks_keeps_its_place_for_the_name(url: str) -> None:
    functions = read_stack(ROOT / "stack.yml", {"GATEWAY_URL": url})

    expected = f"{url or 'http://gateway.openfaas:8080'}/async-function/{{function}}"
    assert {entry.environment["KICK_URL"] for entry in functions if entry.name != "console"} == {expected}


@pytest.mark.parametrize("text", ["", "functions: [a]", "functions: {a: {lang: x}}", "a: ${", "a: [", "functions:"])
def test_an_unusable_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "stack.yml"
    file.write_text(text)
    with pytest.raises(StackError, match=r"stack\.yml"):
        read_stack(file, {})
