"""Mail: one webhook, and its deliveries: what it was told, and what it answered."""

from __future__ import annotations

import msgspec
from flask import Response, make_response, redirect, render_template, request, url_for

from mailroom.console import forms, notices, session
from mailroom.console.api import ApiError
from mailroom.console.pages import webhooks
from mailroom.console.pages.webhooks import DELIVERY_STATES, PATH, WEBHOOK, WRITE
from mailroom.console.texts import gettext as _
from mailroom.console.texts import later

PAGES = webhooks.PAGES

_PAGE_SIZE = 50
_SEE_OTHER, _CONFLICT = 303, 409
_DELIVERY = f"{WEBHOOK}/deliveries/<string(length=24):delivery>"


@PAGES.get(WEBHOOK)
def show(id: str) -> str:
    state = request.args.get("state", "")
    if state not in DELIVERY_STATES:
        state = ""
    webhook = session.call("GET", f"{PATH}/{id}")
    query = {"state": state, "limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", f"{PATH}/{id}/deliveries", query=query)
    return render_template(
        "webhooks/show.html", webhook=webhook, page=page, state=state, may_write=session.current().may(WRITE)
    )


@PAGES.get(_DELIVERY)
def delivery(id: str, delivery: str) -> str:
    webhook = session.call("GET", f"{PATH}/{id}")
    found = session.call("GET", f"{PATH}/{id}/deliveries/{delivery}")
    payload = msgspec.json.format(msgspec.json.encode(found["payload"]), indent=2).decode()
    may_redeliver = session.current().may(WRITE) and webhook["enabled"]
    return render_template(
        "webhooks/delivery.html", webhook=webhook, delivery=found, payload=payload, may_redeliver=may_redeliver
    )


@PAGES.post(f"{_DELIVERY}/redeliver")
def redeliver(id: str, delivery: str) -> Response:
    path = f"{PATH}/{id}/deliveries/{delivery}/redeliver"
    try:
        session.call("POST", path, idempotency_key=forms.idempotency_key())
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
        already = later("It is being delivered just now.") if error.code == "delivery.in_progress" else None
        notices.add_refusal(error.detail, already)
    else:
        notices.add(_("It is delivered again now, with the same id and payload."))
    return make_response(redirect(url_for("webhooks.delivery", id=id, delivery=delivery), _SEE_OTHER))
