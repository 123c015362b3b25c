"""The simulator: recipients that get no mail, and whose results and reports are made here.

    delivered@simulator.mailroom     takes the message, and reports that it was delivered
    bounced@simulator.mailroom       takes it, and reports that there is no such mailbox
    complained@simulator.mailroom    takes it, and reports a complaint
    deferred@simulator.mailroom      refuses it for now, each time

A label may follow the name: `bounced+1@simulator.mailroom`. A message of a test key goes to nobody either; the
simulator takes it for recipients elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import RecipientStatus, Step, Verdict
from mailroom.notifications.model.reports import Delivery, Report
from mailroom.notifications.outbox.claims import ClaimedMessage

_TAKEN = Verdict(RecipientStatus.SENT, 250, "2.0.0 simulated: handed to nobody")
_TEST = Verdict(RecipientStatus.SENT, 250, "2.0.0 test mode: handed to nobody")
_DEFERRED = Verdict(RecipientStatus.PENDING, 450, "4.2.0 simulated: try again later")
_UNKNOWN = Verdict(RecipientStatus.FAILED, 550, "5.1.1 the simulator has no such mailbox")

_REPORTS = {
    "delivered": (Delivery.DELIVERED, "2.0.0", "simulated: the mailbox has the message"),
    "bounced": (Delivery.BOUNCED, "5.1.1", "simulated: there is no such mailbox"),
    "complained": (Delivery.COMPLAINED, "", "simulated: the recipient takes it for spam"),
}


class Simulation(NamedTuple):
    """The simulated part of an attempt."""

    verdicts: dict[str, Verdict]
    steps: list[Step]
    reports: list[Report]

    @property
    def takes(self) -> bool:
        """Whether it takes the message for one of its recipients."""
        return any(verdict.status is RecipientStatus.SENT for verdict in self.verdicts.values())


def relayed(message: ClaimedMessage, recipients: tuple[str, ...]) -> tuple[str, ...]:
    """The recipients, by their wire addresses, that the relay gets. The simulator takes the others."""
    if message.is_test:
        return ()
    return tuple(each for each in recipients if not addresses.is_simulated(each))


def simulate(message: ClaimedMessage, recipients: Sequence[str]) -> Simulation:
    """The result for `recipients`, by their wire addresses. The same attempt makes the same reports once more."""
    verdicts = {each: _verdict(each) for each in recipients}
    steps = [Step("simulator", code, text, 0.0, each) for each, (_, code, text) in verdicts.items()]
    reports = [report for each in recipients if (report := _report(message, each))]
    return Simulation(verdicts, steps, reports)


def _mailbox(recipient: str) -> str:
    """The name of the simulator's mailbox, without its label. Empty for an address elsewhere."""
    return addresses.key(recipient).partition("@")[0].partition("+")[0] if addresses.is_simulated(recipient) else ""


def _verdict(recipient: str) -> Verdict:
    mailbox = _mailbox(recipient)
    if not mailbox:
        return _TEST
    if mailbox in _REPORTS:
        return _TAKEN
    return _DEFERRED if mailbox == "deferred" else _UNKNOWN


def _report(message: ClaimedMessage, recipient: str) -> Report | None:
    found = _REPORTS.get(_mailbox(recipient))
    if found is None:
        return None
    delivery, code, text = found
    # The same for all attempts until a person resends the message.
    id_ = f"simulator:{message.id}:{message.document['attemptsBefore']}:{addresses.key(recipient)}"
    permanent = delivery is Delivery.BOUNCED
    return Report(id_, message.id, recipient, delivery, permanent, code, text, message.claimed_at)
