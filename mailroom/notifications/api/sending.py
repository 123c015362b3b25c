"""The views that accept messages: one, which is sent while the caller waits, or many."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request
from msgspec import UNSET
from pymongo.errors import PyMongoError
from werkzeug.http import parse_set_header

from mailroom.errors import Conflict, Invalid, Refusal, Unavailable
from mailroom.notifications.api import answers, operations
from mailroom.notifications.api.context import context
from mailroom.notifications.api.messages import SEND, TEST, allowed_senders, is_test
from mailroom.notifications.api.schemas import BatchAnswer, RefusedEntry
from mailroom.notifications.message.request import Send, check
from mailroom.notifications.model.messages import State
from mailroom.notifications.outbox.accept import Acceptance, Submission
from mailroom.platform.clock import Budget
from mailroom.platform.idempotency import RepeatableCall
from mailroom.platform.mongo import Document
from mailroom.web.endpoints import caller, endpoint, json_body
from mailroom.web.idempotency import callers_key
from mailroom.web.problems import Problem
from mailroom.web.representation import json_response

log = logging.getLogger(__name__)

MOST_MESSAGES = 100  # in a batch
# Of processor time, to check the messages of a batch. A hundred newsletters of 100 kB take a quarter of it.
BATCH_SECONDS = 20.0

# A first call that has not answered this long after its wait never will: its process is gone.
_ANSWER_SECONDS = 10.0

blueprint = Blueprint("sending", __name__)


@blueprint.post("/")
@endpoint(operations.SEND, SEND, TEST)
def send_one() -> Response:
    started = time.monotonic()
    submission = _submission(request.get_data(), callers_key())
    if isinstance(submission, Acceptance):
        return _repeat(submission)
    at_once = submission.draft.send_at is not None or "respond-async" in parse_set_header(request.headers.get("Prefer"))
    [accepted] = context().submissions.accept([submission], caller().id, answered=at_once)
    if isinstance(accepted, Refusal):
        raise accepted
    if accepted.repeated:
        return _repeat(accepted)
    if at_once:
        context().kick()
        return _with(answers.outcome(accepted.document), "Preference-Applied", "respond-async")
    return _send_now(accepted.document, context().wait_seconds - (time.monotonic() - started))


@blueprint.post("/batch")
@endpoint(operations.SEND_BATCH, SEND, TEST)
def send_batch() -> Response:
    """Accepts or refuses each message on its own, and has them sent in the background."""
    messages = json_body(operations.BatchRequest).messages
    if not 1 <= len(messages) <= MOST_MESSAGES:
        raise Invalid("messages", "batch.size", f"a batch has 1 to {MOST_MESSAGES} messages")
    key = callers_key()
    submissions: dict[int, Submission] = {}
    items: list[Any] = [None] * len(messages)
    budget = Budget(BATCH_SECONDS, time.thread_time)
    for index, message in enumerate(messages):
        # A key cannot hold a line end, so no key of a single call equals that of a message in a batch.
        own_key = key and f"{key}\n{index}"
        try:
            checked = _submission(bytes(message), own_key, budget)
        except (Refusal, Problem) as refusal:
            items[index] = answers.entry(refusal)
            continue
        if isinstance(checked, Acceptance):
            items[index] = answers.entry(checked)
        else:
            submissions[index] = checked
    accepted = context().submissions.accept(list(submissions.values()), caller().id, answered=True)
    for index, each in zip(submissions, accepted, strict=True):
        items[index] = answers.entry(each)
    refused = sum(isinstance(item, RefusedEntry) for item in items)
    if refused < len(items):
        context().kick()
    answer = BatchAnswer(accepted=len(items) - refused, refused=refused, items=items)
    return json_response(answer, 202 if refused < len(items) else 422)


def _submission(body: bytes, key: str | None, budget: Budget | None = None) -> Submission | Acceptance:
    """A message to accept, or the message that an earlier call with this key and body led to.

    It is refused if the messages of its batch before it have spent the `budget`.
    The template or the object that the earlier message was made with may be gone by now.
    """
    send = json_body(Send, body)
    try:
        if budget and budget.spent():
            raise Invalid(None, "batch.too_long", "the messages before it took too long: send it in another call")
        sender = allowed_senders().choose(None if send.from_ is UNSET else send.from_)
        draft = check(send, context().extras)
    except (Refusal, Unavailable):
        with suppress(RecursionError):  # a request that is nested so deep was never accepted
            if key is not None and (earlier := context().submissions.known(RepeatableCall(key, send.digest()))):
                return earlier
        raise
    return Submission(draft, sender, None if key is None else RepeatableCall(key, send.digest()), is_test())


def _send_now(document: Document, seconds: float) -> Response:
    of, message = context(), document["_id"]
    try:
        state = of.send_new(message, seconds)
        if state in (None, State.QUEUED) and "idempotency" in document:  # 202, whatever becomes of it
            of.submissions.note_answered(message)
        if state not in (None, State.SENT):
            document = of.history.get(message)
    except PyMongoError as error:
        # It is stored, so it will be sent. An error here would make the caller send it a second time.
        log.warning("MongoDB stopped answering after notification %s was stored", message, exc_info=error)
        state = None
    if state is None:
        of.kick()
    if state is State.SENT:
        document = document | {"state": state}
    return answers.outcome(document, waiting=state is None)


def _repeat(accepted: Acceptance) -> Response:
    """The answer of the first call, or 409 while it has none."""
    document = accepted.document
    answered = document["idempotency"]["answered"]
    if not answered and document["state"] in (State.QUEUED, State.SENDING) and not _overdue(document):
        raise Conflict("idempotency.in_flight", "the first call with this key is at work", retry_after=1)
    return _with(answers.outcome(document, waiting=answered), "Idempotency-Replayed", "true")


def _overdue(document: Document) -> bool:
    return context().submissions.age(document) > timedelta(seconds=context().wait_seconds + _ANSWER_SECONDS)


def _with(response: Response, name: str, value: str) -> Response:
    response.headers[name] = value
    return response
