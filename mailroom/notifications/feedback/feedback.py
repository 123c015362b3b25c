"""Applies reports to messages, and teaches the suppression list."""

from __future__ import annotations

from enum import StrEnum

from mailroom.notifications.model.reports import Report


class Applied(StrEnum):
    """What a report changed. Only `applied` changed something."""

    APPLIED = "applied"
    REPEATED = "repeated"
    UNKNOWN_MESSAGE = "unknown_message"
    NOT_A_RECIPIENT = "not_a_recipient"


class Feedback:
    """Made by `Components` as `components.feedback`, and in the API as `context().feedback`."""

    def apply(self, report: Report) -> Applied:
        """Notes the report in its message, then suppresses the address if it says so.

        If the process dies in between, the same report applied again finishes it. Blocks for MongoDB's answers; errors
        are the driver's: nothing is lost, apply the report again.
        """
        raise NotImplementedError  # the next commit
