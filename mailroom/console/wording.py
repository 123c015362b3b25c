"""States of the APIs as people read them, and how they are coloured."""

from __future__ import annotations

from mailroom.console.texts import gettext, later

IMPORT_STATES = {
    "pending": later("waiting"),
    "running": later("running"),
    "done": later("done"),
    "failed": later("failed"),
    "superseded": later("superseded"),
    "cancelled": later("cancelled"),
    "undone": later("undone"),
}
IMPORT_KINDS = {"pending": "busy", "running": "busy", "done": "good", "failed": "bad"}

MAIL_STATUSES = {
    "queued": later("waiting"),
    "sending": later("being sent"),
    "sent": later("sent"),
    "partial": later("sent to some"),
    "failed": later("failed"),
    "suppressed": later("suppressed"),
    "cancelled": later("cancelled"),
    "unknown": later("outcome unknown"),
}
MAIL_KINDS = {"queued": "busy", "sending": "busy", "sent": "good", "partial": "bad", "failed": "bad", "unknown": "bad"}


def import_states() -> dict[str, str]:
    """The text of each state, for a choice."""
    return {state: gettext(text) for state, text in IMPORT_STATES.items()}


def import_state(state: str) -> str:
    return gettext(IMPORT_STATES.get(state, state))


def mail_statuses() -> dict[str, str]:
    return {status: gettext(text) for status, text in MAIL_STATUSES.items()}


def mail_status(status: str) -> str:
    return gettext(MAIL_STATUSES.get(status, status))
