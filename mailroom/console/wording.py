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
    "held": later("waits for you"),
}
IMPORT_KINDS = {"pending": "busy", "running": "busy", "done": "good", "failed": "bad", "held": "busy"}

COLUMNS = {
    "invoiceNumber": later("Invoice number"),
    "invoiceDate": later("Invoice date"),
    "grossAmount": later("Gross amount"),
    "netAmount": later("Net amount"),
    "vatAmount": later("VAT amount"),
    "supplierName": later("Supplier"),
    "supplierAddress": later("Supplier's address"),
    "currency": later("Currency"),
    "status": later("Status"),
    "vatRate": later("VAT rate"),
    "lineNumber": later("Line: number"),
    "lineText": later("Line: text"),
    "lineQuantity": later("Line: quantity"),
    "lineNet": later("Line: net amount"),
    "lineRate": later("Line: VAT rate"),
}
# Why a column of a file is taken for one of ours.
REASONS = {
    "preset": later("a preset or the settings say so"),
    "name": later("its name is known"),
    "order": later("by its place: the file has no names"),
    "similar": later("its name is like a known one"),
    "values": later("its values look so"),
    "none": later("nothing is known about it"),
}
ROW_COUNTS = {
    "inserted": later("new"),
    "updated": later("changed"),
    "unchanged": later("as before"),
    "stale": later("older than what is stored"),
    "rejected": later("rejected"),
}
ROW_FORECASTS = {"inserted": later("would be new"), "updated": later("would be changed")}
DELIMITERS = {",": later("commas"), ";": later("semicolons"), "\t": later("tabs"), "|": later("bars")}
DATE_ORDERS = {
    "dmy": later("day, month, year"),
    "mdy": later("month, day, year"),
    "ymd": later("year, month, day"),
    "": later("as they can be read in one way only"),
}

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


SCOPES = {
    "invoices:read": later("see files, imports and invoices"),
    "invoices:write": later("upload and import files, change invoices"),
    "notifications:read": later("see mail"),
    "notifications:send": later("send mail"),
    "notifications:test": later("send test mail"),
    "notifications:erase": later("erase the content of mail"),
    "templates:read": later("see templates"),
    "templates:write": later("change templates"),
    "webhooks:read": later("see webhooks"),
    "webhooks:write": later("change webhooks"),
    "keys:manage": later("make and revoke keys"),
    "operations:read": later("see the health of Mailroom"),
}

KEY_STATES = {"valid": later("valid"), "expired": later("expired"), "revoked": later("revoked")}
KEY_KINDS = {"valid": "good"}

CHECKS = {
    "setup": later("Set-up"),
    "invoice-importer": later("Imports of files"),
    "notification-sender": later("Sending of mail"),
    "webhook-sender": later("Webhooks"),
    "imports": later("Files that wait"),
    "bucket": later("Bucket"),
    "backups": later("Newest backup"),
}


def scopes() -> dict[str, str]:
    """What each scope allows."""
    return {scope: gettext(text) for scope, text in SCOPES.items()}


def key_state(state: str) -> str:
    return gettext(KEY_STATES.get(state, state))


def check(name: str) -> str:
    """What a check of the health looks at."""
    return gettext(CHECKS.get(name, name))


def columns() -> dict[str, str]:
    return {column: gettext(text) for column, text in COLUMNS.items()}


def column(name: str | None) -> str:
    """One of our columns; another name stays as it is."""
    return gettext(COLUMNS[name]) if name in COLUMNS else name or ""


def reason(name: str) -> str:
    return gettext(REASONS.get(name, name))


def row_count(name: str, forecast: bool = False) -> str:
    """What became of rows, or would become of them."""
    text = ROW_FORECASTS.get(name) if forecast else None
    return gettext(text or ROW_COUNTS[name])


def delimiter(sign: str) -> str:
    return gettext(DELIMITERS[sign]) if sign in DELIMITERS else sign


def date_order(order: str) -> str:
    return gettext(DATE_ORDERS.get(order.lower(), order))


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
