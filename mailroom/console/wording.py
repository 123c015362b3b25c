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

RECIPIENT_STATUSES = {
    "pending": later("not sent yet"),
    "sent": later("taken by the relay"),
    "failed": later("refused"),
    "suppressed": later("on the suppression list, not tried"),
    "unknown": later("outcome unknown"),
}
RECIPIENT_KINDS = {"pending": "busy", "sent": "good", "failed": "bad", "suppressed": "plain", "unknown": "bad"}

DELIVERIES = {"delivered": later("delivered"), "bounced": later("came back"), "complained": later("called spam")}
DELIVERY_KINDS = {"delivered": "good", "bounced": "bad", "complained": "bad"}

OUTCOMES = MAIL_STATUSES | {"queued": later("to be tried again"), "interrupted": later("interrupted")}

PRIORITIES = {"normal": later("normal"), "high": later("high"), "low": later("low")}


def import_states() -> dict[str, str]:
    """The text of each state, for a choice."""
    return {state: gettext(text) for state, text in IMPORT_STATES.items()}


def import_state(state: str) -> str:
    return gettext(IMPORT_STATES.get(state, state))


def mail_statuses() -> dict[str, str]:
    return {status: gettext(text) for status, text in MAIL_STATUSES.items()}


def mail_status(status: str) -> str:
    return gettext(MAIL_STATUSES.get(status, status))


def mail_outcome(outcome: str) -> str:
    """How an attempt ended."""
    return gettext(OUTCOMES.get(outcome, outcome))


def recipient_status(status: str) -> str:
    return gettext(RECIPIENT_STATUSES.get(status, status))


def delivery(status: str) -> str:
    """What was reported after the relay took the mail."""
    return gettext(DELIVERIES.get(status, status))


def priorities() -> dict[str, str]:
    return {each: gettext(text) for each, text in PRIORITIES.items()}
