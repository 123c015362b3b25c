"""Logs: one JSON object a line on stderr, each with the id of the call it belongs to.

Functions use `logging` as usual. What they pass as `extra` becomes fields of the line.
"""

import io
import json
import logging
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

call_id: ContextVar[str | None] = ContextVar("call_id", default=None)

# of-watchdog's log reader gives up on a line of 64 KiB, and with it on every line after.
MAX_LINE_BYTES = 60 * 1024
# The longest text of a line that had to be cut. JSON writes a control character as six bytes, and four such texts fit.
CUT_CHARACTERS = 2400

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON, below MAX_LINE_BYTES whatever was logged."""

    def format(self, record: logging.LogRecord) -> str:
        fields = self._fields(record)
        extra = {key: value for key, value in vars(record).items() if key not in STANDARD and key not in fields}
        line = _dump(fields | extra)
        if len(line.encode("utf-8", "replace")) < MAX_LINE_BYTES:
            return line
        return _dump({key: _cut(key, value) for key, value in fields.items()} | {"truncated": True})

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "callId": call_id.get(),
        }
        if record.exc_info and record.exc_info[0]:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return fields


def configure() -> None:
    """Send every log line, warning and uncaught exception of this process to stderr in this form."""
    if isinstance(sys.stderr, io.TextIOWrapper):
        # What UTF-8 can't hold is written as \udc80, which JSON reads back.
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # Calls that wait for a thread are normal under load; a line for each would only add to it.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    exc_info = (kind, error, trace) if error is not None else None
    logging.getLogger("function").critical("uncaught exception", exc_info=exc_info)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a wrong format string must not lose the line, nor print a second one that is not JSON
        return f"{record.msg} (with arguments that do not fit)"


def _dump(fields: dict[str, Any]) -> str:
    try:
        return json.dumps(fields, ensure_ascii=False, allow_nan=False, default=str)
    except Exception:  # a key that is no string, a cycle, NaN, an object whose str() fails: keep what is text
        plain = {key: value if isinstance(value, str | int | None) else _text(value) for key, value in fields.items()}
        return json.dumps(plain, ensure_ascii=False)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _cut(key: str, value: Any) -> Any:
    """The start of a text, or the end of a traceback, where the error itself stands."""
    if not isinstance(value, str) or len(value) <= CUT_CHARACTERS:
        return value
    return "…" + value[-CUT_CHARACTERS:] if key in ("exception", "stack") else value[:CUT_CHARACTERS] + "…"
