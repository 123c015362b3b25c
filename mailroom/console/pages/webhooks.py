"""Mail: the webhooks, which tell other programs what happens. webhook_deliveries.py shows what they were told."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from mailroom.console import forms, notices, session
from mailroom.console.api import NOT_FOUND, ApiError
from mailroom.console.texts import gettext, later, ngettext
from mailroom.console.texts import gettext as _

PAGES = Blueprint("webhooks", __name__)
READ, WRITE = "webhooks:read", "webhooks:write"
PATH = "notifications/webhooks"
WEBHOOK = "/mail/webhooks/<string(length=24):id>"

EVENTS = {
    "import.done": later("a file was imported"),
    "import.rejected_rows": later("a file has rejected rows"),
    "import.failed": later("a file could not be imported"),
    "notification.sent": later("a mail was handed over"),
    "notification.delivered": later("a mail was delivered"),
    "notification.bounced": later("a mail bounced"),
    "notification.complained": later("a recipient complained"),
    "notification.failed": later("a mail failed"),
    "notification.suppressed": later("a mail was suppressed"),
}
DELIVERY_STATES = {
    "pending": later("waiting"),
    "delivered": later("delivered"),
    "dead": later("given up"),
}
_DELIVERY_KINDS = {"pending": "busy", "delivered": "good", "dead": "bad"}

OVERLAPS = {
    "24": later("in 24 hours"),
    "1": later("in one hour"),
    "168": later("in seven days"),
    "0": later("at once: it is known to others"),
}

_PAGE_SIZE = 50
_SEE_OTHER = 303


@PAGES.app_context_processor
def _give() -> dict[str, Any]:
    return {
        "webhook_events": lambda: {event: gettext(text) for event, text in EVENTS.items()},
        "delivery_states": lambda: {state: gettext(text) for state, text in DELIVERY_STATES.items()},
        "delivery_kinds": _DELIVERY_KINDS,
    }


@PAGES.get("/mail/webhooks")
def listed() -> str:
    query = {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", PATH, query=query)
    return render_template("webhooks/list.html", page=page, may_write=session.current().may(WRITE))


@PAGES.get("/mail/webhooks/new")
def begin() -> Response:
    session.require(WRITE)
    return _form({"url": "", "description": "", "events": [], "enabled": True}, {})


@PAGES.post("/mail/webhooks/new")
def add() -> Response:
    given = _given()
    try:
        if not given["events"]:
            return _form(given, {"events": _no_events()})
        made = session.call("POST", PATH, json=given, idempotency_key=forms.idempotency_key())
    except ApiError as error:
        if not error.is_correctable:
            raise
        return _form(given, _problems(error))
    return _secret(made, _("Webhook added"))


@PAGES.get(f"{WEBHOOK}/change")
def edit(id: str) -> Response:
    session.require(WRITE)
    webhook = session.call("GET", f"{PATH}/{id}")
    return _form(webhook, {}, webhook)


@PAGES.post(f"{WEBHOOK}/change")
def change(id: str) -> Response:
    given = _given()
    webhook = session.call("GET", f"{PATH}/{id}")
    try:
        if not given["events"]:
            return _form(given, {"events": _no_events()}, webhook)
        changed = {name: value for name, value in given.items() if value != webhook[name]}
        if changed:
            session.call("PATCH", f"{PATH}/{id}", json=changed, idempotency_key=forms.idempotency_key())
    except ApiError as error:
        if not error.is_correctable or error.status == NOT_FOUND:
            raise
        return _form(given, _problems(error), webhook)
    notices.add(_("The webhook was changed.") if changed else _("Nothing has changed."))
    return make_response(redirect(url_for("webhooks.show", id=id), _SEE_OTHER))


@PAGES.get(f"{WEBHOOK}/rotate")
def confirm_rotate(id: str) -> str:
    session.require(WRITE)
    webhook = session.call("GET", f"{PATH}/{id}")
    overlaps = {hours: gettext(text) for hours, text in OVERLAPS.items()}
    return render_template("webhooks/rotate.html", webhook=webhook, overlaps=overlaps)


@PAGES.post(f"{WEBHOOK}/rotate")
def rotate(id: str) -> Response:
    hours = request.form.get("overlapHours", "")
    body = {"overlapHours": int(hours) if hours in OVERLAPS else 24}
    made = session.call("POST", f"{PATH}/{id}/rotate", json=body, idempotency_key=forms.idempotency_key())
    return _secret(made, _("New secret"))


@PAGES.get(f"{WEBHOOK}/remove")
def confirm_remove(id: str) -> str:
    session.require(WRITE)
    webhook = session.call("GET", f"{PATH}/{id}")
    counted = session.call("GET", f"{PATH}/{id}/deliveries/counts")
    counts, most = counted["counts"], counted["mostCounted"]
    waiting, deliveries = counts["pending"], sum(counts.values())
    effects = [
        ngettext(
            "1 webhook is removed: %(url)s is told nothing any more.",
            "%(num)s webhooks are removed: %(url)s is told nothing any more.",
            1,
            url=webhook["url"],
        ),
        _number(
            ngettext("%(num)s delivery that waits is not made.", "%(num)s deliveries that wait are not made.", waiting),
            more=waiting >= most,
        ),
        _number(
            ngettext(
                "%(num)s delivery is forgotten, with its attempts.",
                "%(num)s deliveries are forgotten, with their attempts.",
                deliveries,
            ),
            more=max(counts.values()) >= most,
        ),
        _("Nobody can bring it back: a new webhook has another secret."),
    ]
    return render_template(
        "confirm.html",
        title=_("Remove this webhook?"),
        effects=effects,
        action=url_for("webhooks.remove", id=id),
        button=_("Remove the webhook"),
        back=url_for("webhooks.show", id=id),
    )


@PAGES.post(f"{WEBHOOK}/remove")
def remove(id: str) -> Response:
    try:
        session.call("DELETE", f"{PATH}/{id}", idempotency_key=forms.idempotency_key())
    except ApiError as error:
        if error.status != NOT_FOUND:  # it was removed already
            raise
    notices.add(_("The webhook was removed."))
    return make_response(redirect(url_for("webhooks.listed"), _SEE_OTHER))


def _no_events() -> str:
    return _("Choose at least one event.")


def _given() -> dict[str, Any]:
    return {
        "url": request.form.get("url", "").strip(),
        "description": request.form.get("description", "").strip(),
        "events": [each for each in request.form.getlist("events") if each in EVENTS],
        "enabled": "enabled" in request.form,
    }


def _form(given: dict[str, Any], problems: dict[str, str], webhook: Any = None) -> Response:
    page = render_template("webhooks/form.html", given=given, problems=problems, webhook=webhook)
    return make_response(page, 422 if problems else 200)


def _problems(error: ApiError) -> dict[str, str]:
    """What the API refuses, at the fields of the form: `events[0]` belongs to `events`."""
    return {field.partition("[")[0]: text for field, text in error.fields.items()} or {"": error.detail}


def _secret(webhook: Any, title: str) -> Response:
    """The only page that shows a secret: it is the answer to the form, so that no URL or cookie holds the secret."""
    return make_response(render_template("webhooks/secret.html", webhook=webhook, title=title))


def _number(text: str, *, more: bool) -> str:
    return _("At least: %(number)s", number=text) if more else text
