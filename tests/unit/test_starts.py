"""A function loads at its start only what it needs to answer. The first work loads the rest."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LATER = ("aiosmtplib", "dkim", "minio", "openpyxl", "prometheus_client", "pyarrow", "urllib3")
METRICS = ("mailroom.platform.metrics", "mailroom.invoices.imports.metrics", "mailroom.notifications.outbox.metrics")
IMPORTER = ("mailroom.invoices.imports.importer", "mailroom.invoices.columnar")
MAILBOX = ("imaplib", "mailroom.notifications.feedback.mailbox", "mailroom.notifications.feedback.parsing")
API = ("flask", "mailroom.web.app", "mailroom.web.endpoints")
INVOICES_API = ("mailroom.invoices.api.invoices", "mailroom.invoices.views.lists", "mailroom.invoices.api.operations")


# Without it, a function would look for its secrets.
NOT_WIRED = (
    "import mailroom.function; mailroom.function.Function = lambda *_: SimpleNamespace(close=None, metrics=None);"
)


def loaded_by(function: str, before: str = NOT_WIRED) -> set[str]:
    """The modules of a new process after it loaded that function's handler."""
    program = (
        "import sys; from types import SimpleNamespace;"
        f"import function_runtime.calls, function_runtime.server; {before}"
        "import handler; print(*sys.modules)"
    )
    path = f"{ROOT}:{ROOT / 'template/python3-http'}:{ROOT / 'functions' / function}"
    run = [sys.executable, "-c", program]
    return set(subprocess.run(run, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("function", "others"),
    [
        ("invoice-events", (*IMPORTER, *INVOICES_API, "mailroom.invoices.files", "mailroom.notifications")),
        ("invoice-importer", (*API, *INVOICES_API, "mailroom.notifications")),
        ("invoices", (*IMPORTER, "mailroom.notifications", "mailroom.web.openapi")),
        ("notifications", (*MAILBOX, "mailroom.invoices", "mailroom.web.openapi")),
        (
            "notification-sender",
            (*API, *MAILBOX, "mailroom.notifications.api", "mailroom.notifications.api.operations"),
        ),
        ("webhook-sender", (*API, "mailroom.notifications", "mailroom.invoices")),
    ],
)
def test_a_function_loads_at_its_start_only_what_it_answers_with(function: str, others: tuple[str, ...]) -> None:
    modules = loaded_by(function)
    assert "mailroom.services" in modules
    assert not modules & {*LATER, *METRICS, *others}


def test_the_console_knows_neither_the_database_nor_the_domains() -> None:
    modules = loaded_by("console", before="")
    assert "mailroom.console.app" in modules
    assert not modules & {
        "bson",
        "pymongo",
        "minio",
        "mailroom.services",
        "mailroom.invoices",
        "mailroom.notifications",
    }
