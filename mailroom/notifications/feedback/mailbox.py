"""Reads the mailbox that bounces and complaints come to, and applies what they report.

    fetch a mail  ->  apply its reports  ->  move it to the folder of processed mail

A process may die at any point. Then the mail is still there, and is read again: a report that was applied changes
nothing more. Two replicas may read the same mailbox for the same reason.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

from bson import ObjectId
from pymongo.errors import PyMongoError

from mailroom.notifications.feedback.feedback import Applied, Feedback
from mailroom.notifications.feedback.imap import ImapAccount, MailboxDown, OpenMailbox, StoredMail
from mailroom.notifications.feedback.mailbox_mark import MailboxMark
from mailroom.notifications.feedback.parsing.addressing import same
from mailroom.notifications.feedback.parsing.found import Found, Outcome, ParsedMail
from mailroom.notifications.feedback.parsing.returned_mail import parse
from mailroom.notifications.feedback.tokens import MessageTokens
from mailroom.notifications.model import addresses
from mailroom.notifications.model.reports import Delivery, Report
from mailroom.platform import mongo
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Documents
from mailroom.platform.server_clock import ServerClock

log = logging.getLogger(__name__)

_DELIVERIES = {
    Outcome.DELIVERED: Delivery.DELIVERED,
    Outcome.BOUNCED: Delivery.BOUNCED,
    Outcome.COMPLAINED: Delivery.COMPLAINED,
}


class Mailbox:
    """The mailbox of reports. A report is believed only with a valid token of the message that it is about."""

    def __init__(
        self,
        account: ImapAccount,
        tokens: MessageTokens,
        feedback: Feedback,
        messages: Documents,
        clock: ServerClock,
        mark: MailboxMark,
    ) -> None:
        self._account = account
        self._tokens = tokens
        self._feedback = feedback
        self._messages = messages
        self._clock = clock
        self._mark = mark

    def poll(self, budget: Budget) -> int:
        """Reads mails until none is left or the budget is spent. Returns how many it has put away.

        A mailbox or a database that does not answer ends it with a line in the log.
        """
        if not self._tokens.available:
            log.warning("no report by mail can be believed without the secret mailroom-signing-key: nothing is read")
            self._mark.note(up=False)
            return 0
        done, up = 0, False
        try:
            with self._account.open(budget) as mailbox:
                for uid in self._uids(mailbox, budget):
                    mail = mailbox.fetch(uid)
                    if mail is not None:
                        mailbox.put_away(uid, flagged=not self._understands(mail))
                        done += 1
            up = True
        except MailboxDown as error:
            log.warning("the mailbox of the reports: %s", error)
        except PyMongoError as error:
            log.warning("MongoDB does not answer, the reports wait in their mailbox", exc_info=error)
        finally:
            self._mark.note(up=up)
        return done

    def _uids(self, mailbox: OpenMailbox, budget: Budget) -> Iterator[str]:
        """Each mail once, also if the server lists one that it cannot read."""
        seen: set[str] = set()
        while not budget.spent() and (uids := [each for each in mailbox.uids() if each not in seen]):
            for uid in uids:
                if budget.spent():
                    return
                seen.add(uid)
                yield uid

    def _understands(self, mail: StoredMail) -> bool:
        """Applies the reports of a mail. Returns False if a person should look at it."""
        try:
            parsed = parse(mail.raw)
        except Exception:
            # The mail is a stranger's, and others wait behind it.
            log.exception("mail %s of the mailbox cannot be read", mail.uid)
            return False
        message = self._message(parsed)
        if not parsed.found or message is None:
            log.info("mail %s of the mailbox: %s", mail.uid, parsed.reason or "no valid token of a message")
            return False
        try:
            applied = [self._apply(found, message, _identity(parsed, mail), parsed) for found in parsed.found]
        except PyMongoError as error:
            if mongo.is_transient(error):
                raise
            log.exception("what mail %s of the mailbox reports cannot be stored", mail.uid)
            return False
        log.info("mail %s of the mailbox reports about notification %s: %s", mail.uid, message, ", ".join(applied))
        return not all(each == Applied.NOT_A_RECIPIENT for each in applied)

    def _message(self, parsed: ParsedMail) -> ObjectId | None:
        now = self._clock.now()
        named = (self._tokens.message(token, now) for token in parsed.tokens)
        return next((message for message in named if message is not None), None)

    def _apply(self, found: Found, message: ObjectId, identity: str, parsed: ParsedMail) -> str:
        """Applies what the mail says about one recipient: under the first of its addresses that is a recipient's."""
        delivery = _DELIVERIES.get(found.outcome)
        if delivery is None:
            return found.outcome.value
        applied = Applied.NOT_A_RECIPIENT
        recipients = self._only_recipient(found, message) if found.guessed else (found.recipient, *found.others)
        for recipient in recipients:
            report = Report(
                id=_report_id(identity, found),
                message=message,
                recipient=recipient,
                delivery=delivery,
                permanent=found.permanent,
                code=found.code,
                text=found.text,
                at=parsed.date,
            )
            applied = self._feedback.apply(report)
            if applied is not Applied.NOT_A_RECIPIENT:
                break
        return applied.value

    def _only_recipient(self, found: Found, message: ObjectId) -> tuple[str, ...]:
        """The recipient of a message that has only one, if the complaint names no other."""
        document = self._messages.find_one({"_id": message}, {"recipients.address": 1})
        shown = [each["address"] for each in document["recipients"]] if document else []
        if len(shown) != 1 or (found.recipient and not same(found.recipient, shown[0])):
            return ()
        return (shown[0],)


class MailboxPoller:
    """Polls in the background, so that a mailbox that hangs holds up nothing. Thread-safe."""

    def __init__(self, poll: Callable[[Budget], object], every_seconds: float, budget_seconds: float) -> None:
        self._poll = poll
        self._every_seconds = every_seconds
        self._budget_seconds = budget_seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._begun: float | None = None

    def begin(self) -> None:
        """Starts a poll, unless one runs or began less than `every_seconds` ago. Does not wait for it."""
        with self._lock:
            now = time.monotonic()
            if self._thread is not None and self._thread.is_alive():
                return
            if self._begun is not None and now - self._begun < self._every_seconds:
                return
            self._begun = now
            # A daemon: the process may end in the middle of a poll, as it may by a crash.
            self._thread = threading.Thread(target=self._run, name="mailbox", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._poll(Budget(self._budget_seconds))
        except Exception:
            log.exception("reading the mailbox failed")


def _identity(parsed: ParsedMail, mail: StoredMail) -> str:
    """The same for each copy of one mail: a copy has other bytes, because of its Received headers."""
    return parsed.message_id or hashlib.sha256(mail.raw).hexdigest()


def _report_id(identity: str, found: Found) -> str:
    text = "\n".join((identity, found.outcome, addresses.key(found.recipient)))
    return f"imap:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
