"""The only way for tests to wait for another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# A busy machine may need this long. A test that passes does not wait for it.
SECONDS = 60.0


def eventually(find: Callable[[], T], seconds: float = SECONDS, what: str = "") -> T:
    """The result of `find` once it is true. Fails the test after `seconds`."""
    end, pause = time.monotonic() + seconds, 0.005
    while not (found := find()):
        assert time.monotonic() < end, f"{what or find} did not come within {seconds:g} s"
        time.sleep(pause)
        pause = min(0.2, pause * 1.2)
    return found
