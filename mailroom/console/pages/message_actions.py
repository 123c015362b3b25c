"""Mail: what people decide about messages. Each decision is first shown with what it will do, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from flask import Response, abort, make_response, redirect, render_template, request, url_for

from mailroom.console import forms, notices, session
from mailroom.console.api import NOT_FOUND, ApiError
from mailroom.console.pages.messages import PAGES as PAGES
from mailroom.console.pages.messages import link
from mailroom.console.texts import gettext, later, ngettext
from mailroom.console.texts import gettext as _

_SEE_OTHER, _CONFLICT = 303, 409
_ERASE = "notifications:erase"

Message = Mapping[str, Any]


def _of_resend(message: Message) -> list[str]:
    recipients = message["recipients"]
    missed = [each for each in recipients if each["status"] != "sent"]
    again = missed or recipients
    effects = [
        ngettext(
            "It is sent again to %(num)s recipient: %(who)s.",
            "It is sent again to %(num)s recipients: %(who)s.",
            len(again),
            who=_who(again),
        )
    ]
    if not missed:
        effects.append(_("Everybody has got it already, so everybody gets it twice."))
    elif len(missed) < len(recipients):
        got = len(recipients) - len(missed)
        effects.append(
            ngettext("%(num)s recipient who has got it is left out.", "%(num)s who have got it are left out.", got)
        )
    unknown = sum(each["status"] == "unknown" for each in missed)
    if unknown:
        effects.append(
            ngettext(
                "%(num)s recipient may have got it already: the relay did not say.",
                "%(num)s recipients may have got it already: the relay did not say.",
                unknown,
            )
        )
    return effects


def _of_cancel(message: Message) -> list[str]:
    waiting = [each for each in message["recipients"] if each["status"] == "pending"]
    return [_not_sent(waiting), _("It stays in the list, and can be sent later with Resend.")]


def _of_erase(message: Message) -> list[str]:
    attempts = message["attemptCount"]
    effects = [
        _("1 message is erased, with its texts, recipients and attachments."),
        ngettext("%(num)s attempt is forgotten.", "%(num)s attempts are forgotten.", attempts),
    ]
    if waiting := [each for each in message["recipients"] if each["status"] == "pending"]:
        effects.append(_not_sent(waiting))
    return [*effects, _("Nobody can bring it back.")]


def _not_sent(recipients: Sequence[Message]) -> str:
    return ngettext(
        "It is not sent to %(num)s recipient: %(who)s.",
        "It is not sent to %(num)s recipients: %(who)s.",
        len(recipients),
        who=_who(recipients),
    )


def _who(recipients: Sequence[Message]) -> str:
    return ", ".join(each["address"] for each in recipients)


class Action(msgspec.Struct, frozen=True):
    """A decision about one message. `path` is what follows the message's own path in the API.

    `already` has a text for each status that shows, when the API refuses the decision, that it was made before.
    """

    title: str
    button: str
    done: str
    method: str
    path: str
    scopes: tuple[str, ...]
    statuses: tuple[str, ...]
    effects: Callable[[Message], list[str]]
    already: Mapping[str, str]

    def is_possible(self, message: Message, who: session.Session | None) -> bool:
        """Whether the page of the message offers it."""
        if who is None or not who.may(*self.scopes) or message["status"] not in self.statuses:
            return False
        if _ERASE in self.scopes:
            return True
        may_send = message["test"] or who.may("notifications:send")
        return may_send and not message["erasedAt"]


_ENDED = ("sent", "partial", "failed", "suppressed", "cancelled", "unknown")
_SEND = ("notifications:send", "notifications:test")
ACTIONS = {
    "resend": Action(
        later("Send this message again?"),
        later("Resend"),
        later("The message was queued again."),
        "POST",
        "/resend",
        _SEND,
        _ENDED,
        _of_resend,
        {
            "queued": later("The message was queued already."),
            "sending": later("The message is being sent already."),
        },
    ),
    "cancel": Action(
        later("Cancel this message?"),
        later("Cancel message"),
        later("The message was cancelled."),
        "POST",
        "/cancel",
        _SEND,
        ("queued",),
        _of_cancel,
        {"cancelled": later("The message was cancelled already.")},
    ),
    "erase": Action(
        later("Erase this message?"),
        later("Erase"),
        later("The message was erased."),
        "DELETE",
        "",
        (_ERASE,),
        (*_ENDED, "queued"),
        _of_erase,
        {},
    ),
}
_NAME = "<any(resend, cancel, erase):name>"


@PAGES.app_context_processor
def _give() -> dict[str, Any]:
    return {"message_actions": ACTIONS}


@PAGES.get(f"/mail/<string(length=24):id>/{_NAME}")
def confirm(id: str, name: str) -> str:
    action, message = ACTIONS[name], session.call("GET", f"notifications/{id}")
    return render_template(
        "confirm.html",
        title=gettext(action.title),
        effects=[_("Subject: %(subject)s", subject=message["subject"]), *action.effects(message)],
        action=url_for("messages.act", id=id, name=name),
        button=gettext(action.button),
        back=link(id),
    )


@PAGES.post(f"/mail/<string(length=24):id>/{_NAME}")
def act(id: str, name: str) -> Response:
    action, page = ACTIONS[name], link(id)
    try:
        session.call(action.method, f"notifications/{id}{action.path}", idempotency_key=forms.idempotency_key())
        notices.add(gettext(action.done))
        if name == "erase":
            page = url_for("messages.listed")
    except ApiError as error:
        if error.status == NOT_FOUND and name == "erase":
            notices.add(_("There is no such message any more."))
            page = url_for("messages.listed")
        elif error.status == _CONFLICT:
            # It has changed since the person looked: they see how it is now.
            status = session.call("GET", f"notifications/{id}")["status"]
            notices.add_refusal(error.detail, action.already.get(status))
        else:
            raise
    return make_response(redirect(page, _SEE_OTHER))


@PAGES.get("/mail/erase")
def confirm_person() -> str:
    """Before all mail to one address is erased."""
    session.require(_ERASE)
    address = request.args.get("emailTo", "").strip() or abort(404)
    counts = session.call("GET", "notifications/counts", query={"emailTo": address})["counts"]
    found, waiting = sum(counts.values()), counts.get("queued", 0)
    effects = [
        ngettext(
            "%(num)s message to %(address)s is erased, also for its other recipients.",
            "%(num)s messages to %(address)s are erased, also for their other recipients.",
            found,
            address=address,
        ),
        ngettext("%(num)s of them waits, and is not sent.", "%(num)s of them wait, and are not sent.", waiting),
        _("If the address gets no mail now, this stays so: suppressions are kept."),
        _("Nobody can bring them back."),
    ]
    return render_template(
        "confirm.html",
        title=_("Erase all mail to %(address)s?", address=address),
        effects=effects,
        action=url_for("messages.erase_person", emailTo=address),
        button=_("Erase all of it"),
        back=url_for("messages.listed", emailTo=address),
    )


@PAGES.post("/mail/erase")
def erase_person() -> Response:
    address = request.args.get("emailTo", "").strip() or abort(404)
    answer = session.call(
        "DELETE", "notifications", query={"emailTo": address}, idempotency_key=forms.idempotency_key()
    )
    notices.add(ngettext("%(num)s message was erased.", "%(num)s messages were erased.", answer["erased"]))
    if left := answer["left"]:
        text = ngettext(
            "%(num)s message is being sent just now and was left: erase again in a minute.",
            "%(num)s messages are being sent just now and were left: erase again in a minute.",
            left,
        )
        notices.add(text, "problem")
    return make_response(redirect(url_for("messages.listed", emailTo=address), _SEE_OTHER))
