"""Time, injected where it matters, and how it is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache


class Budget:
    """How much of an invocation's time is left. Seconds, on a clock that never goes back."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left; negative when overdrawn."""
        return self._end - self._clock()

    def spent(self) -> bool:
        return self.remaining() <= 0


def days(setting: float) -> timedelta | None:
    """The span of a setting in days. None, if it is 0: for ever."""
    return timedelta(days=setting) if setting else None


def to_milliseconds(time_: datetime) -> int:
    """A time as whole milliseconds since 1970, cut off, not rounded."""
    return int(time_.timestamp() * 1000 + 0.0005)


def from_milliseconds(time_: int) -> datetime:
    """The time that `to_milliseconds` gives."""
    return datetime.fromtimestamp(time_ / 1000, UTC)


def parse_time(text: str) -> datetime:
    """The time that a text such as `2024-01-31T12:00:00Z` gives, in UTC.

    Raises:
        ValueError: it has no offset, is before 1900, or is no time. Its text completes "the field …".
    """
    try:
        time_ = datetime.fromisoformat(text)
        if time_.tzinfo is not None and len(text) >= 20 and time_.year >= 1900:
            return time_.astimezone(UTC)
    except (ValueError, OverflowError):  # 9999-12-31T23:59:59-01:00 has no time in UTC
        pass
    raise ValueError("must be a time such as 2024-01-31T12:00:00Z")


@lru_cache(maxsize=4096)  # what was imported together has the same times
def rfc3339(time_: datetime) -> str:
    """`2024-01-31T12:00:00.000Z`. A time without a zone is in UTC, as `bson.decode` has it."""
    utc = time_.astimezone(UTC).replace(tzinfo=None) if time_.tzinfo else time_
    return f"{utc.isoformat(timespec='milliseconds')}Z"
