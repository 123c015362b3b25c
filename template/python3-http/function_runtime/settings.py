"""The settings of the runtime, read once from the environment."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
TERM = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class InvalidSetting(ValueError):
    """A variable of the environment has a wrong value. The message names it."""


@dataclass(frozen=True)
class Settings:
    """How to serve. Times are in seconds, sizes in bytes."""

    function_dir: Path
    host: str
    port: int
    threads: int
    max_body_bytes: int
    quiet_seconds: float  # after SIGTERM, how long no call must have been seen before the process ends
    drain_seconds: float  # after SIGTERM, when to end whatever is in flight
    metrics_host: str  # by default all addresses: Prometheus comes from another machine
    metrics_port: int  # where Prometheus reads the metrics, or 0 for nowhere
    lock_file: Path | None  # to be made once the port is open: of-watchdog is healthy while it is there


def read(environ: Mapping[str, str], home: Path) -> Settings:
    """The settings in `environ`; `home` is the folder of index.py. Raises InvalidSetting."""
    return Settings(
        function_dir=Path(environ.get("FUNCTION_DIR") or home / "function").absolute(),
        host=environ.get("HOST") or "127.0.0.1",
        port=_integer(environ, "PORT", 5000, least=0),
        threads=_integer(environ, "THREADS", 8, least=1),
        max_body_bytes=_integer(environ, "MAX_BODY_BYTES", 1 << 20, least=1),
        quiet_seconds=_duration(environ, "healthcheck_interval", "5s"),
        drain_seconds=_integer(environ, "DRAIN_SECONDS", 25, least=0),
        metrics_host=environ.get("METRICS_HOST") or "0.0.0.0",  # noqa: S104  # nosec B104
        metrics_port=_integer(environ, "METRICS_PORT", 0, least=0),
        lock_file=Path(tempfile.gettempdir()) / ".lock" if environ.get("suppress_lock") == "true" else None,
    )


def log_level(environ: Mapping[str, str]) -> str:
    """LOG_LEVEL as `logging` names it. Raises InvalidSetting."""
    level = (environ.get("LOG_LEVEL") or "info").upper()
    if level not in LEVELS:
        raise InvalidSetting(f"LOG_LEVEL is one of {', '.join(LEVELS).lower()}")
    return level


def _integer(environ: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < least:
        raise InvalidSetting(f"{name} is a whole number, at least {least}")
    return int(text)


def _duration(environ: Mapping[str, str], name: str, default: str) -> float:
    """Seconds of a duration as of-watchdog writes it: `5s`, `1m30s`, `500ms`, or a bare number of seconds."""
    text = environ.get(name) or default
    if re.fullmatch(r"[0-9]{1,12}", text):
        return float(text)
    if not re.fullmatch(f"(?:{TERM.pattern})+", text):
        raise InvalidSetting(f"{name} is a duration such as 5s, 1m30s or 500ms")
    return sum(float(count) * SECONDS[unit] for count, unit in TERM.findall(text))
