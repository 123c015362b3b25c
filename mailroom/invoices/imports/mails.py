"""A mail when an import ends, through the outbox of the notifications. Its failure never touches the import."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from mailroom.errors import InvalidSetting, Refusal
from mailroom.invoices.imports.ledger import AWAITS_MAIL, DONE, FAILED
from mailroom.platform.idempotency import RepeatableCall
from mailroom.platform.kick import IMPORTER, SENDER
from mailroom.platform.mongo import Document
from mailroom.services import Services

if TYPE_CHECKING:
    from mailroom.notifications.message.request import Send

log = logging.getLogger(__name__)

_AT_ONCE = 100


def mailer(services: Services) -> Callable[[], None]:
    """Puts a mail into the outbox for each import that ended and awaits one. Call it after each slice.

    After a crash before the mark is taken away, the same mail comes once more: its Idempotency-Key keeps it out.

    Raises:
        InvalidSetting: IMPORT_NOTIFY or MAIL_FROM is no address.
    """
    to = services.settings.import_notify
    if not to:
        return lambda: None
    # These modules take time and memory to load: only where mails are wanted.
    from mailroom.notifications.message.request import check
    from mailroom.notifications.model import addresses
    from mailroom.notifications.outbox.accept import Submission, Submissions

    try:
        check(_message(to, "-", {"state": "-", "key": "-", "checkpoint": {"counts": {}}, "error": None}))
    except Refusal as refusal:
        raise InvalidSetting(f"IMPORT_NOTIFY is {to!r}: {refusal.message}") from refusal
    sender = addresses.sender(services.settings.mail_from)
    imports = services.database["imports"]

    def tell(document: Document) -> None:
        message = _message(to, str(document["_id"]), document)
        # After a retry the same import ends once more: the epoch tells the two ends apart.
        once = RepeatableCall(f"import:{document['_id']}:{document['epoch']}", message.digest())
        submissions = Submissions(services.database["notifications"], services.clock)
        submissions.accept([Submission(check(message), sender, once)], IMPORTER, answered=True)
        imports.update_one({"_id": document["_id"], "epoch": document["epoch"]}, {"$unset": {AWAITS_MAIL: ""}})

    def write_mails() -> None:
        told = 0
        try:
            waiting = imports.find({AWAITS_MAIL: True}).hint("unannounced").limit(_AT_ONCE)
            for document in waiting:
                if document["state"] in (DONE, FAILED):  # else it was retried or undone meanwhile
                    tell(document)
                    told += 1
        except Exception:  # whatever it is, the imports have ended, and the next slice tries again
            log.exception("no mail tells of the end of an import")
        if told:
            services.kicker.kick(SENDER)

    return write_mails


def _message(to: str, import_id: str, document: Document) -> Send:
    from mailroom.notifications.message.request import Send

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
