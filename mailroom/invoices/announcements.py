"""A mail when an import ends, through the outbox of the notifications. Its failure never touches the import."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from bson import ObjectId

from mailroom.errors import InvalidSetting
from mailroom.platform.http import Problem
from mailroom.platform.mongo import Document
from mailroom.wiring import Services

if TYPE_CHECKING:
    from mailroom.notifications.requests import Send

log = logging.getLogger(__name__)

_CALLER = "invoice-importer"
_SENDER = "notification-sender"


def announcements(services: Services) -> Callable[[ObjectId], None]:
    """What to call with the id of an import that ended.

    Raises:
        InvalidSetting: IMPORT_NOTIFY or MAIL_FROM is no address.
    """
    to = services.settings.import_notify
    if not to:
        return lambda _: None
    # What mails need takes time to import, and memory: only where they are wanted.
    from mailroom.notifications import addresses
    from mailroom.notifications.clock import ServerClock
    from mailroom.notifications.requests import check
    from mailroom.notifications.store import Idempotency, Order, Store

    try:
        check(_message(to, "-", {"state": "-", "key": "-", "checkpoint": {"counts": {}}, "error": None}))
    except Problem as problem:
        raise InvalidSetting(f"IMPORT_NOTIFY is {to!r}: {problem.detail}") from problem
    sender = addresses.sender(services.settings.mail_from)

    def announce(import_id: ObjectId) -> None:
        try:
            document = services.database["imports"].find_one({"_id": import_id})
            if document is None or document["dryRun"]:
                return
            message = _message(to, str(import_id), document)
            # The same import ends once more after a retry: the epoch tells the two ends apart.
            once = Idempotency(f"import:{import_id}:{document['epoch']}", message.digest())
            store = Store(services.database["notifications"], ServerClock(services.database), sender)
            store.accept([Order(check(message), once)], _CALLER, answered=True)
            services.kicker.kick(_SENDER)
        except Exception:  # whatever it is: the import has ended and stays so
            log.exception("no mail tells of the end of an import", extra={"importId": str(import_id)})

    return announce


def _message(to: str, import_id: str, document: Document) -> Send:
    from mailroom.notifications.requests import Send

    key, state, error = document["key"], document["state"], document["error"]
    lines = [f"The import of {key!a} is {state}."]
    lines += [f"{error['message']} ({error['code']})"] if error else []
    lines += [f"{name}: {count}" for name, count in document["checkpoint"]["counts"].items()]
    lines += [f"Import {import_id}"]
    name = "".join(character for character in key if character.isprintable())[:200]
    return Send(
        email_to=to,
        subject=f"Import {state}: {name}",
        message="".join(f"<p>{escape(each)}</p>" for each in lines if each.isprintable()),
    )
