"""Accepting messages: one, which is sent while the caller waits, or many."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any, Protocol

import msgspec
from bson import ObjectId
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from mailroom.errors import Unavailable
from mailroom.notifications.api import answers
from mailroom.notifications.message import request as requests
from mailroom.notifications.message.request import Extras, Send
from mailroom.notifications.model.messages import State
from mailroom.notifications.outbox.accept import Accepted, Idempotency, Order, Store
from mailroom.notifications.outbox.history import Mailbox
from mailroom.platform.kick import SENDER
from mailroom.platform.mongo import Document
from mailroom.web.api import Problem, Request, Response

log = logging.getLogger(__name__)

MOST_MESSAGES = 100  # in a batch

_LONGEST_KEY = 255

# A first call that has not answered after its wait and so much more never will: its process is gone.
_ANSWER_SECONDS = 10.0


class Kick(Protocol):
    def __call__(self, function: str) -> None: ...


class SendNew(Protocol):
    def __call__(self, message: ObjectId, seconds: float) -> State | None: ...


class Batch(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /batch`. Each message is decoded on its own, so that one that is wrong spoils no other."""

    messages: list[msgspec.Raw]


class Sending:
    """`send_new` sends an accepted message, see `Sender.send_new`; `wait_seconds` is how long a caller waits for it."""

    def __init__(
        self, store: Store, mailbox: Mailbox, extras: Extras, send_new: SendNew, kick: Kick, wait_seconds: float
    ) -> None:
        self._store = store
        self._mailbox = mailbox
        self._extras = extras
        self._send_new = send_new
        self._kick = kick
        self._wait_seconds = wait_seconds

    def one(self, request: Request) -> Response:
        started = time.monotonic()
        key = _idempotency_key(request)
        try:
            order = self._order(request, key)
        except (Problem, Unavailable):
            if (earlier := self._known(request, key)) is None:
                raise
            return self._repeat(earlier)
        at_once = order.draft.send_at is not None or _wants_no_wait(request)
        [accepted] = self._store.accept([order], request.caller.id, answered=at_once)
        if isinstance(accepted, Problem):
            raise accepted
        if accepted.repeated:
            return self._repeat(accepted)
        if at_once:
            self._kick(SENDER)
            return _told(answers.outcome(accepted.document), {"Preference-Applied": "respond-async"})
        return self._send_now(accepted.document, self._wait_seconds - (time.monotonic() - started))

    def batch(self, request: Request) -> Response:
        """Accepts or refuses each message on its own, and has them sent in the background."""
        messages = request.decode(Batch).messages
        if not 1 <= len(messages) <= MOST_MESSAGES:
            raise Problem(422, "batch.size", f"a batch has 1 to {MOST_MESSAGES} messages", field="messages")
        key = _idempotency_key(request)
        orders: dict[int, Order] = {}
        items: list[Any] = [None] * len(messages)
        for index, message in enumerate(messages):
            # No key can hold a line end, so no key of a single call is that of a message in a batch.
            own, own_key = replace(request, body=bytes(message)), key and f"{key}\n{index}"
            try:
                orders[index] = self._order(own, own_key)
            except Problem as problem:
                items[index] = answers.entry(self._known(own, own_key) or problem)
            except Unavailable:
                if (earlier := self._known(own, own_key)) is None:
                    raise
                items[index] = answers.entry(earlier)
        accepted = self._store.accept(list(orders.values()), request.caller.id, answered=True)
        for index, each in zip(orders, accepted, strict=True):
            items[index] = answers.entry(each)
        refused = sum(item["result"] == "FAILED" for item in items)
        if refused < len(items):
            self._kick(SENDER)
        body = {"accepted": len(items) - refused, "refused": refused, "items": items}
        return Response(body, 202 if refused < len(items) else 422)

    def _order(self, request: Request, key: str | None) -> Order:
        send = request.decode(Send)
        draft = requests.check(send, self._extras)
        return Order(draft, None if key is None else Idempotency(f"{request.caller.id}:{key}", send.digest()))

    def _known(self, request: Request, key: str | None) -> Accepted | None:
        """What a call with this key and this body led to: its template or its object may be gone by now."""
        if key is None:
            return None
        try:
            digest = request.decode(Send).digest()
        except (Problem, RecursionError):  # no such body was ever accepted
            return None
        return self._store.known(Idempotency(f"{request.caller.id}:{key}", digest))

    def _send_now(self, document: Document, seconds: float) -> Response:
        message = document["_id"]
        try:
            state = self._send_new(message, seconds)
            if state in (None, State.QUEUED) and "idempotency" in document:  # 202, whatever becomes of it
                self._store.note_answered(message)
            if state not in (None, State.SENT):
                document = self._mailbox.get(message)
        except PyMongoError as error:
            # It is stored, so it will be sent. An error here would make the caller send it a second time.
            log.warning("MongoDB stopped answering after notification %s was stored", message, exc_info=error)
            state = None
        if state is None:
            self._kick(SENDER)
        if state is State.SENT:
            document = document | {"state": state}
        return answers.outcome(document, waiting=state is None)

    def _repeat(self, accepted: Accepted) -> Response:
        """What the first call was answered, or 409 while it has not been."""
        document = accepted.document
        answered = document["idempotency"]["answered"]
        if not answered and document["state"] in (State.QUEUED, State.SENDING) and not self._overdue(document):
            raise Problem(
                409, "idempotency.in_flight", "the first call with this key is at work", headers={"Retry-After": "1"}
            )
        return _told(answers.outcome(document, waiting=answered), {"Idempotency-Replayed": "true"})

    def _overdue(self, document: Document) -> bool:
        return self._store.age(document) > timedelta(seconds=self._wait_seconds + _ANSWER_SECONDS)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (1 <= len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        detail = f"Idempotency-Key must have 1 to {_LONGEST_KEY} printable ASCII characters"
        raise Problem(422, "idempotency.invalid", detail, field="Idempotency-Key")
    return key


def _wants_no_wait(request: Request) -> bool:
    preferences = request.headers.get("prefer", "").lower().split(",")
    return "respond-async" in (preference.strip() for preference in preferences)


def _told(response: Response, headers: dict[str, str]) -> Response:
    return Response(response.body, response.status, {**response.headers, **headers}, response.content_type)
