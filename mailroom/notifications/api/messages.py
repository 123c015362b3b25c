"""The views of messages: lists, counts, one message, and what people decide about them."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import msgspec
from bson import ObjectId
from flask import Blueprint, Response

from mailroom.errors import Conflict, Invalid, NotFound
from mailroom.notifications.api import answers, operations, parameters, schemas
from mailroom.notifications.api.context import context
from mailroom.notifications.feedback.feedback import Applied
from mailroom.notifications.feedback.source import source
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import Attachment
from mailroom.notifications.model.reports import Report, is_gone
from mailroom.notifications.model.senders import AllowedSenders
from mailroom.platform.keyset import NEWEST_FIRST
from mailroom.platform.objects import ObjectGone
from mailroom.web.endpoints import caller, endpoint, json_body, query
from mailroom.web.idempotency import callers_key
from mailroom.web.paging import cursor_of, key_of, limit_of
from mailroom.web.problems import Problem
from mailroom.web.representation import json_response

READ, SEND, ERASE = "notifications:read", "notifications:send", "notifications:erase"

# A key with this scope and without SEND makes messages that are handed to nobody, and changes only such messages.
TEST = "notifications:test"

blueprint = Blueprint("messages", __name__)


@blueprint.get("/")
@endpoint(operations.LIST, READ)
def list_messages() -> Response:
    given = query()
    wanted, after = parameters.history_filter(given, context().mail_from), key_of(given, NEWEST_FIRST)
    page = context().history.page(wanted, limit_of(given), after)
    items = [answers.item(each) for each in page.items]
    return json_response({"items": items, "nextCursor": cursor_of(NEWEST_FIRST, page.last)})


@blueprint.get("/counts")
@endpoint(operations.COUNTS, READ)
def counts() -> Response:
    since, until = parameters.times(query())
    return json_response({"counts": context().history.counts(since, until, parameters.email_to(query()))})


@blueprint.delete("/")
@endpoint(operations.ERASE, ERASE)
def erase() -> Response:
    if "emailTo" not in query():
        raise Invalid("emailTo", "query.missing", "`emailTo` is required: it selects whose messages to erase")
    erased, left = context().erasure.erase(addresses.address(query()["emailTo"], "emailTo").shown)
    return json_response({"erased": erased, "left": left})


@blueprint.get("/<id:id>")
@endpoint(operations.GET, READ)
def get_message(id: ObjectId) -> Response:
    document = context().history.get(id)
    return json_response(answers.details(document, context().waiting.of(document)))


@blueprint.get("/<id:id>/content")
@endpoint(operations.CONTENT, READ)
def content(id: ObjectId) -> Response:
    form = parameters.form(query())
    document = context().history.get(id)
    if document["erasedAt"] is not None:
        raise Problem(410, "notification.erased", "its text was erased")
    text = source(document, context().tracing) if form == "source" else document[form]
    return json_response(schemas.MessageContent(**{form: text}))


@blueprint.get("/<id:id>/attachments/<int:number>")
@endpoint(operations.ATTACHMENT, READ)
def attachment(id: ObjectId, number: int) -> Response:
    document = context().history.get(id)
    if document["erasedAt"] is not None:
        raise Problem(410, "notification.erased", "its attachments were erased")
    if number >= len(document["attachments"]):
        raise NotFound("attachment.unknown", "the notification has no such attachment: they are counted from 0")
    found = msgspec.convert(document["attachments"][number], Attachment)
    try:
        content = context().files.content(found)
    except ObjectGone as error:
        raise NotFound("attachment.gone", "the object was deleted from the attachments' bucket") from error
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"}
    return Response(content, headers=headers, content_type=found.content_type)


@blueprint.delete("/<id:id>")
@endpoint(operations.ERASE_MESSAGE, ERASE)
def erase_message(id: ObjectId) -> Response:
    if not context().erasure.erase_message(id):
        state = context().history.get(id)["state"]
        raise Conflict("notification.state", f"a notification that is {state} cannot be erased just now")
    return json_response(schemas.Erased(erased=1, left=0))


@blueprint.post("/<id:id>/cancel")
@endpoint(operations.CANCEL, SEND, TEST)
def cancel(id: ObjectId) -> Response:
    _refuse_to_tests(id)
    if not context().actions.cancel(id):
        state = context().history.get(id)["state"]
        raise Conflict("notification.state", f"a notification that is {state} cannot be cancelled")
    return _item(id)


@blueprint.post("/<id:id>/resend")
@endpoint(operations.RESEND, SEND, TEST)
def resend(id: ObjectId) -> Response:
    _refuse_to_tests(id)
    actions, found, key = context().actions, context().history.get(id), callers_key()
    allowed_senders().check_resend(found["from"]["address"])
    if actions.is_resent(found, key):
        return _item(id, 202)
    if not actions.resend(found, key):
        current = context().history.get(id)
        if actions.is_resent(current, key):  # by a call at the same time
            return _item(id, 202)
        if current["erasedAt"] is not None:
            raise Conflict("notification.erased", "its text was erased, it cannot be sent again")
        raise Conflict("notification.state", f"a notification that is {current['state']} is sent anyway")
    context().kick()
    return _item(id, 202)


def is_test() -> bool:
    """Whether this call is one of a test key."""
    return SEND not in caller().scopes


def _refuse_to_tests(message: ObjectId) -> None:
    if is_test() and not context().history.get(message).get("test"):
        raise Problem(403, "auth.scope", f"without the scope {SEND} only messages of tests can be changed")


@blueprint.post("/<id:id>/delivery")
@endpoint(operations.REPORT_DELIVERY, SEND)
def report_delivery(id: ObjectId) -> Response:
    given = json_body(operations.ReportDelivery)
    key = addresses.key(given.address)
    # A caller who repeats a call gives the same report: it is known by what it says.
    digest = hashlib.sha256(msgspec.json.encode([key, given.delivery, given.code, given.text])).hexdigest()
    report = Report(
        id=f"hand:{digest}",
        message=id,
        recipient=given.address,
        delivery=given.delivery,
        permanent=is_gone(given.code),
        code=given.code,
        text=given.text,
    )
    applied = context().feedback.apply(report)
    document = context().history.get(id)
    if applied is Applied.NOT_A_RECIPIENT:
        raise Invalid("address", "delivery.not_a_recipient", "the notification was never handed over for this address")
    named = (each for each in document["recipients"] if key in map(addresses.key, (each["address"], each["wire"])))
    return json_response(answers.recipient(document, next(named)))


def allowed_senders() -> AllowedSenders:
    """The senders that the key of this call may use."""
    return AllowedSenders(context().mail_from, caller().senders)


def _item(message: ObjectId, status: int = 200) -> Response:
    return json_response(answers.item(context().history.get(message)), status)
