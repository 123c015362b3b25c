"""The process that reads a file for a preview: its limits, and what is said when it comes to one."""

from __future__ import annotations

import sys

import pytest

from mailroom.errors import Invalid
from mailroom.invoices.files import Rules
from mailroom.invoices.preview.examination import Examination, PreviewTask
from mailroom.invoices.preview.runner import Previewer
from mailroom.platform.concurrency import ConcurrencyLimit

CSV = (
    b"invoiceNumber,invoiceDate,grossAmount,netAmount,vatAmount,supplierName,currency\n"
    b"1,2024-01-31,119.00,100.00,19.00,Acme,EUR\n"
)
LIMITED = (
    "from mailroom.invoices.preview import __main__ as child; child._answer = lambda: {}; sys.exit(child.main(1, 96))"
)


def previewer(seconds: float = 30.0) -> Previewer:
    return Previewer(seconds, 256, ConcurrencyLimit(1))


def examine(of: Previewer, data: bytes = CSV) -> Examination:
    return of.examine(PreviewTask(Rules(), len(data), complete=True), data)


def test_a_file_is_read_in_another_process() -> None:
    found = examine(previewer())

    assert found.error is None
    [row] = found.rows
    assert row.invoice is not None
    assert row.invoice.gross_amount == "119.00"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("os.kill(os.getpid(), 9)", "preview.too_large"),
        ("while True: pass", "preview.too_slow"),
        ("raise ValueError", "preview.failed"),
        ("print('no JSON')", "preview.failed"),
        (LIMITED.format("bytearray(200 << 20)"), "preview.too_large"),
        (LIMITED.format("sum(iter(int, 1))"), "preview.too_slow"),
        (LIMITED.format("open('/tmp/a-file-of-a-preview', 'w').write('x').to_bytes()"), "preview.failed"),
    ],
)
def test_a_process_that_breaks_is_a_refusal(monkeypatch: pytest.MonkeyPatch, program: str, code: str) -> None:
    monkeypatch.setattr(Previewer, "_command", lambda self: [sys.executable, "-c", f"import os, sys\n{program}"])

    with pytest.raises(Invalid) as refused:
        examine(previewer(3.0))

    assert (refused.value.code, refused.value.field) == (code, "key")


def test_the_process_has_no_settings_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", "/secret")
    program = "import os, sys; print('null' if 'SECRETS_DIR' in os.environ else '{}')"
    monkeypatch.setattr(Previewer, "_command", lambda self: [sys.executable, "-c", program])

    assert examine(previewer()) == Examination()
