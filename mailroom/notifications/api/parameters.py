"""Query parameters and cursors, as the values that the domain takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mailroom.errors import Invalid
from mailroom.notifications.model import addresses, senders
from mailroom.notifications.model.messages import MailFrom, State
from mailroom.notifications.outbox.history import HistoryFilter
from mailroom.web import paging

Query = Mapping[str, str]

FORMS = ("html", "text", "source")


def history_filter(query: Query, mail_from: MailFrom) -> HistoryFilter:
    """The messages that `status`, `emailTo`, `sender`, `tag`, `test`, `from` and `to` select. Raises `Invalid`."""
    since, until = times(query)
    return HistoryFilter(
        status=_state(query["status"]) if "status" in query else None,
        email_to=email_to(query),
        sender=senders.address_of(query["sender"], "sender", mail_from) if "sender" in query else None,
        tag=query.get("tag"),
        test=_test(query),
        since=since,
        until=until,
    )


def email_to(query: Query) -> str | None:
    """The address that `emailTo` names. Raises `Invalid`."""
    return addresses.address(query["emailTo"], "emailTo").shown if "emailTo" in query else None


def times(query: Query) -> tuple[datetime | None, datetime | None]:
    """The times of `from` (inclusive) and `to` (exclusive). Raises `Invalid`."""
    since, until = (paging.time_parameter(query[name], name) if name in query else None for name in ("from", "to"))
    return since, until


def form(query: Query) -> str:
    """The form of a message that `form` names. Raises `Invalid`."""
    if query.get("form") not in FORMS:
        raise Invalid("form", "form.invalid", f"form must be one of {', '.join(FORMS)}")
    return query["form"]


def _test(query: Query) -> bool:
    if query.get("test", "true") != "true":
        raise Invalid("test", "test.invalid", "test must be true")
    return "test" in query


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Invalid("status", "status.invalid", f"status must be one of {', '.join(State)}") from None
