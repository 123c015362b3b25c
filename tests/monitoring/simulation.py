"""Faults as Prometheus sees them: what changes in the series of a deployment where everything is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.monitoring.rules import FUNCTIONS, healthy, series

IMPORTER, SENDER, EVENTS = "invoice-importer", "notification-sender", "invoice-events"
BACKUPS = tuple(
    series("mailroom_backup_last_success_timestamp_seconds", IMPORTER, part=part) for part in ("database", "buckets")
)
FIRST_BACKUP = series("mailroom_backup_first_success_timestamp_seconds", IMPORTER)
NOT_READ = None  # a server that is away: what it would tell is missing

Changes = Mapping[str, str | None]


def without(function: str, *but: str) -> dict[str, None]:
    """All that a function tells is missing, but for these metrics."""
    named = (name for name in healthy() if f'function="{function}"' in name)
    return {name: NOT_READ for name in named if name.split("{")[0] not in but}


def of_mongodb() -> dict[str, None]:
    """What is missing when no function reaches MongoDB."""
    kept = ("up", "process_", "function_call", "mailroom_secret", "mailroom_metrics_up", "mailroom_relay_up")
    return {name: NOT_READ for name in healthy() if not name.startswith(kept)}


def absent(begins: int, ends: int, *functions: str) -> dict[str, str]:
    """These functions, by default all, are not there from one minute to another, as before they are deployed."""

    def values(told: str) -> str:
        first, step = (int(each) for each in told.rsplit("+", 1))
        before = f"{told}x{begins - 1} stale _x{ends - begins - 1}" if begins else f"_x{ends}"
        return f"{before} {first + step * ends}+{step}"

    those = [f'function="{name}"' for name in functions or FUNCTIONS]
    return {name: values(told) for name, told in healthy().items() if any(each in name for each in those)}


def starting(function: str) -> str:
    return series("process_start_time_seconds", function)


@dataclass(frozen=True)
class Fault:
    """What changes in Prometheus' eyes, and the alerts that fire `minutes` after the fault began.

    `fired` are alerts that fire before and end: until then, no others fire at any time.
    """

    changes: Changes
    fires: tuple[str, ...]
    minutes: int = 20
    labels: Mapping[str, str] = field(default_factory=dict)
    fired: tuple[str, ...] = ()
