"""Has a file's beginning examined in a process of its own, with limits of time and memory."""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess  # nosec B404
import sys
from collections.abc import Iterator

import msgspec

from mailroom.errors import Invalid
from mailroom.invoices.files import HEAD_BYTES, is_workbook
from mailroom.invoices.files.formats.workbooks import MAX_WORKBOOK_BYTES
from mailroom.invoices.preview.__main__ import TOO_MUCH_MEMORY
from mailroom.invoices.preview.examination import SAMPLE_BYTES, Examination, PreviewTask
from mailroom.platform.concurrency import ConcurrencyLimit

log = logging.getLogger(__name__)

_LOGGED_CHARACTERS = 2000
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}  # openpyxl loads numpy where it is; each thread takes address space


def beginning(stream: Iterator[bytes]) -> bytearray:
    """So much of an object as its preview needs: a workbook is needed whole, up to the size that is read."""
    held = bytearray()
    for chunk in stream:
        held += chunk
        most = MAX_WORKBOOK_BYTES + 1 if is_workbook(bytes(held[:HEAD_BYTES])) else SAMPLE_BYTES
        if len(held) >= most:
            break
    return held


class Previewer(msgspec.Struct, frozen=True):
    """A process takes at most `seconds`, also of processor time, and `mebibytes` of memory.

    `limit` is how many there may be at once: hold a slot of it from before the file is read.
    The process gets nothing of this one but its input: no settings, no secrets in its environment.
    """

    seconds: float
    mebibytes: int
    limit: ConcurrencyLimit

    def examine(self, task: PreviewTask, data: bytes | bytearray) -> Examination:
        """Blocks until the process ends.

        Raises:
            Invalid: `preview.too_large`, `preview.too_slow` or `preview.failed`: no more can be said about the file.
        """
        try:
            done = subprocess.run(  # noqa: S603  # nosec B603
                self._command(),
                input=msgspec.json.encode(task) + b"\n" + data,
                capture_output=True,
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **_ONE_THREAD},
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None
        if done.returncode:
            raise self._failed(done.returncode, done.stderr)
        try:
            return msgspec.json.decode(done.stdout, type=Examination)
        except msgspec.DecodeError as error:
            raise self._failed(done.returncode, str(error).encode()) from error

    def _command(self) -> list[str]:
        module = "mailroom.invoices.preview"
        return [sys.executable, "-B", "-m", module, str(math.ceil(self.seconds)), str(self.mebibytes)]

    def _failed(self, code: int, errors: bytes) -> Invalid:
        text = errors.decode("utf-8", "replace")[-_LOGGED_CHARACTERS:]
        log.warning("the process of a preview ended with %d: %s", code, text)
        if code == -signal.SIGXCPU:
            return self._too_slow()
        if code == TOO_MUCH_MEMORY or code < 0 or "MemoryError" in text or "cannot allocate memory" in text.lower():
            message = f"the file takes more than {self.mebibytes} MiB of memory to look into (PREVIEW_MEMORY_MIB)"
            return Invalid("key", "preview.too_large", message)
        return Invalid("key", "preview.failed", "the file cannot be looked into: the log has more under this call id")

    def _too_slow(self) -> Invalid:
        message = f"the file takes longer than {self.seconds:g} seconds to look into (PREVIEW_SECONDS)"
        return Invalid("key", "preview.too_slow", message)
