"""The health of Mailroom as the API shows it."""

from __future__ import annotations

from mailroom.web.schemas import Schema, Time


class CheckedPart(Schema):
    """One thing that was looked at. `text` is one sentence; `since` is when a problem began, if that is known.

    `code` is stable and for programs; it is null without a problem.
    """

    name: str
    healthy: bool
    code: str | None
    text: str
    since: Time | None


class SystemHealth(Schema):
    """`healthy` says whether every check is."""

    healthy: bool
    checks: list[CheckedPart]
    computed_at: Time
