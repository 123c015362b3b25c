"""The calls of these tests are made when the tests were read: minutes may pass between the two."""

from __future__ import annotations

import pytest

from tests.support import provider_calls


@pytest.fixture(autouse=True)
def calls_at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_calls, "clock", lambda: request.module.NOW)
