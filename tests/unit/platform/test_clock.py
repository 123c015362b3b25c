"""How times are written."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailroom.platform.clock import rfc3339

NOON = datetime(2024, 1, 31, 12, 0, 0, 5_900, tzinfo=UTC)


@pytest.fixture
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock on the wall of the machine is not that of UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    "given",
    [NOON.replace(tzinfo=None), NOON, NOON.astimezone(timezone(timedelta(hours=2)))],
    ids=["without a zone", "in UTC", "in another zone"],
)
def test_times_are_written_in_utc(given: datetime) -> None:
    assert rfc3339(given) == "2024-01-31T12:00:00.005Z"
