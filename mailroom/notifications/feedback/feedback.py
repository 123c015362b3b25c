"""Applies reports to messages, and teaches the suppression list.

    1  the message gets the report, as `unfinished` if it is to have a consequence; webhooks are told in this update
    2  the consequence: the address is suppressed, or one more soft bounce is counted
    3  the report is finished

If the process dies in between, the reporter repeats the report, and the repetition goes on at 2. A report that is
finished changes nothing more: an address that a person took off the list stays off.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import msgspec
from pymongo.database import Database

from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import Recipient, RecipientStatus, State
from mailroom.notifications.model.reports import LONGEST_CODE, LONGEST_ID, LONGEST_TEXT, Delivery, Report
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.outbox.history import as_shown
from mailroom.notifications.outbox.soft_bounces import SoftBounces
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.platform.mongo import Document
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks.announcements import ANNOUNCEMENTS, Announcer
from mailroom.webhooks.model import EventType

# Reports of one message; the oldest go. 50 recipients have four each.
MOST_REPORTS_KEPT = 200

_READ = dict.fromkeys(("state", "epoch", "recipients", "attemptCount", "reports", "test"), 1)

_EVENTS = {
    Delivery.DELIVERED: EventType.NOTIFICATION_DELIVERED,
    Delivery.BOUNCED: EventType.NOTIFICATION_BOUNCED,
    Delivery.COMPLAINED: EventType.NOTIFICATION_COMPLAINED,
}


class Applied(StrEnum):
    """What a report changed. Only `applied` changed something."""

    APPLIED = "applied"
    REPEATED = "repeated"
    UNKNOWN_MESSAGE = "unknown_message"
    NOT_A_RECIPIENT = "not_a_recipient"


class Feedback:
    """`Components` makes it. Blocks for MongoDB's answers.

    Errors are the driver's. Nothing is lost then: apply the report again.
    """

    def __init__(
        self,
        database: Database[Document],
        clock: ServerClock,
        claims: Claims,
        suppressions: Suppressions,
        soft_bounces: SoftBounces,
        announcer: Announcer,
    ) -> None:
        self._messages = database["notifications"]
        self._clock = clock
        self._claims = claims
        self._suppressions = suppressions
        self._soft_bounces = soft_bounces
        self._announcer = announcer

    def apply(self, report: Report) -> Applied:
        """Notes the report in its message, then suppresses the address if the report says so."""
        report = _cleaned(report)
        found = self._messages.find_one({"_id": report.message}, _READ)
        if found is None:
            return Applied.UNKNOWN_MESSAGE
        if (noted := _noted(found, report.id)) is None:
            if (recipient := self._handed_over_to(report, found)) is None:
                return Applied.NOT_A_RECIPIENT
            if self._note(report, recipient, found):
                self._finish(report, recipient.shown)
                return Applied.APPLIED
            # Another process was faster, or the message was erased meanwhile.
            found = self._messages.find_one({"_id": report.message}, _READ)
            noted = found and _noted(found, report.id)
            if found is None or noted is None:
                return Applied.UNKNOWN_MESSAGE
        if noted.get("unfinished"):
            shown = next(each.shown for each in _recipients(found) if addresses.key(each.shown) == noted["recipient"])
            self._finish(_as_noted(report, noted), shown)
        return Applied.REPEATED

    def forget(self, shown: str) -> None:
        """Forgets the soft bounces of an address that a person took off the suppression list."""
        self._soft_bounces.forget(addresses.key(shown))

    def _handed_over_to(self, report: Report, found: Document) -> Recipient | None:
        """The recipient that the report names, if a relay was ever given the message for it."""
        key = addresses.key(report.recipient)
        named = [each for each in _recipients(found) if key in (addresses.key(each.shown), addresses.key(each.wire))]
        if not named or (found.get("test") and not addresses.is_simulated(named[0].shown)):
            return None
        if _may_have(found, named[0].status):
            return named[0]
        # A fast report comes before the sender has written its result: then its lease has the hand-over. If the lease
        # has just gone, the result is written.
        if any(each.id == report.message for each in self._claims.handed_over()):
            return named[0] if named[0].status is RecipientStatus.PENDING else None
        again = self._messages.find_one({"_id": report.message}, _READ)
        recipient = again and next((each for each in _recipients(again) if each.wire == named[0].wire), None)
        return recipient if again and recipient and _may_have(again, recipient.status) else None

    def _note(self, report: Report, recipient: Recipient, found: Document) -> bool:
        """Writes the report to the message, once. It touches nothing that a sender writes, and takes no epoch."""
        now = self._clock.now()
        entry = {
            **msgspec.structs.asdict(report),
            "recipient": addresses.key(recipient.shown),
            "source": report.id.partition(":")[0],
            "receivedAt": now,
            **({} if report.delivery is Delivery.DELIVERED else {"unfinished": True}),
        }
        del entry["message"]
        push: Document = {"reports": {"$each": [entry], "$slice": -MOST_REPORTS_KEPT}}
        announcement = self._announcer.make(_EVENTS[report.delivery], self._event(found, report, recipient))
        if announcement is not None:
            push[ANNOUNCEMENTS] = announcement
        which = {"_id": report.message, "reports.id": {"$ne": report.id}}
        noted = self._messages.update_one(which, {"$push": push, "$set": {"updatedAt": now}}).matched_count > 0
        if noted and announcement is not None:
            self._announcer.announced()
        return noted

    def _event(self, found: Document, report: Report, recipient: Recipient) -> Document:
        """What webhooks are told beside the fields of the message that never change."""
        if found["state"] == State.QUEUED:  # a fast report comes before the result
            found = as_shown(found, self._claims.handed_over())
        return {"status": found["state"], "recipient": recipient.shown, "code": report.code, "text": report.text}

    def _finish(self, report: Report, shown: str) -> None:
        """What follows from a report that is noted. Every step of it can be repeated."""
        if report.delivery is Delivery.DELIVERED:
            return
        if reason := self._reason_to_suppress(report, shown):
            self._suppressions.add(shown, reason[:LONGEST_TEXT], report.message)
        which = {"_id": report.message, "reports.id": report.id}
        self._messages.update_one(which, {"$unset": {"reports.$.unfinished": ""}})

    def _reason_to_suppress(self, report: Report, shown: str) -> str:
        if addresses.is_simulated(shown):
            return ""
        words = " ".join(part for part in (report.code, report.text) if part)
        if report.delivery is Delivery.COMPLAINED:
            return f"complaint: {words}" if words else "complaint"
        if report.is_hard:
            return words or "bounced"
        if not report.is_soft:
            return ""
        now = self._clock.now()
        many = self._soft_bounces.add(addresses.key(shown), report.message, min(report.at or now, now), now)
        return f"{many}; the last: {words}" if many and words else many


def _recipients(found: Document) -> tuple[Recipient, ...]:
    return msgspec.convert(found["recipients"], tuple[Recipient, ...])


def _noted(found: Document, report: str) -> Document | None:
    """The report as the message has it."""
    return next((each for each in found.get("reports", ()) if each["id"] == report), None)


def _as_noted(report: Report, noted: Document) -> Report:
    """What was noted first counts, whatever a repetition says."""
    own = {name: noted[name] for name in ("permanent", "code", "text", "at", "recipient")}
    return msgspec.structs.replace(report, delivery=Delivery(noted["delivery"]), **own)


def _may_have(found: Document, status: RecipientStatus) -> bool:
    """Whether a relay may have been given the message for a recipient with this status, by what is written."""
    if status in (RecipientStatus.SENT, RecipientStatus.UNKNOWN):
        return True
    tried = found["attemptCount"] > 0 or found["state"] in (State.SENDING, State.UNKNOWN)
    return status is RecipientStatus.PENDING and tried


def _cleaned(report: Report) -> Report:
    """The report as it can be stored: without half characters, and not too long."""
    at = report.at
    return msgspec.structs.replace(
        report,
        id=_storable(report.id, LONGEST_ID),
        code=_storable(report.code, LONGEST_CODE),
        text=_storable(report.text, LONGEST_TEXT),
        at=at.replace(tzinfo=UTC) if isinstance(at, datetime) and at.tzinfo is None else at,
    )


def _storable(text: str, longest: int) -> str:
    return text[:longest].encode(errors="replace").decode()
