"""The endpoints that are told of events: the collection `webhooks`."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mailroom.errors import Conflict, Invalid, NotFound
from mailroom.platform.idempotency import REMEMBERED, RepeatableCall, check_same_request, find_earlier
from mailroom.platform.keyset import NEWEST_FIRST, Key, KeysetPage, Range
from mailroom.platform.mongo import Document
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks import signature
from mailroom.webhooks.model import EventType

# Each announcement becomes a delivery to each endpoint, and each process reads them all.
MOST_ENDPOINTS = 50

LONGEST_URL = 2000  # characters
LONGEST_DESCRIPTION = 500  # characters

# A delivery is signed with each secret that has not expired: this bounds its header.
_MOST_SECRETS = 4

_MOST_ROTATIONS = 20  # that are remembered of an endpoint

_SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64


class NewSecret(msgspec.Struct, frozen=True):
    """An endpoint as it is stored, and the text of the secret that a call has made for it."""

    endpoint: Document
    secret: str


class WebhookEndpoints:
    """Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, database: Database[Document], clock: ServerClock, *, insecure: bool) -> None:
        """`insecure`: a URL may begin with `http://`."""
        self._endpoints = database["webhooks"]
        self._deliveries = database["webhookDeliveries"]
        self._clock = clock
        self._insecure = insecure

    def page(self, limit: int, after: Key | None = None) -> KeysetPage[Document]:
        """Newest first, beginning after the key `after`."""
        return Range(NEWEST_FIRST, hint="newest").page(self._endpoints, limit, after)

    def get(self, id_: ObjectId) -> Document:
        """Raises `NotFound`."""
        found = self._endpoints.find_one({"_id": id_})
        if found is None:
            raise NotFound("webhook.unknown", "there is no such webhook")
        return found

    def add(
        self,
        url: str,
        events: Sequence[EventType],
        description: str,
        *,
        enabled: bool,
        call: RepeatableCall | None = None,
    ) -> NewSecret:
        """Adds an endpoint with a new secret. A repeated `call` adds nothing, and returns what the first one made.

        `call.key` is unique among all callers.

        Raises:
            Invalid: the URL or the description cannot be taken, or the call's key was used with another request.
            Conflict: there are `MOST_ENDPOINTS` already, or the secret that the first call made has ended.
        """
        if call is not None and (earlier := self._added(call)):
            return earlier
        self._check(url, description)
        if self._endpoints.count_documents({}) >= MOST_ENDPOINTS:
            raise Conflict("webhook.too_many", f"there are {MOST_ENDPOINTS} webhooks already")
        now = self._clock.now()
        document: Document = {
            "_id": ObjectId(),
            "url": url,
            "description": description,
            "events": _names(events),
            "secrets": [_new_secret(now)],
            "enabled": enabled,
            "disabledReason": "",
            "createdAt": now,
            "updatedAt": now,
        }
        if call is not None:
            document["idempotency"] = {"key": call.key, "digest": call.digest}
        try:
            self._endpoints.insert_one(document)
        except DuplicateKeyError:  # another call with the same key was faster, or the driver repeated this one
            if call is not None and (earlier := self._added(call)):
                return earlier
            raise
        return NewSecret(document, document["secrets"][-1]["key"])

    def change(
        self,
        id_: ObjectId,
        *,
        url: str | None = None,
        events: Sequence[EventType] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Document:
        """Changes what is given, and returns the endpoint. Raises `NotFound`, `Invalid`."""
        self._check(url, description)
        given = {
            "url": url,
            "events": None if events is None else _names(events),
            "description": description,
            "enabled": enabled,
        }
        values = {name: value for name, value in given.items() if value is not None}
        change: Document = {"$set": {**values, "updatedAt": self._clock.now()}}
        if enabled is not None:  # a person decides anew
            change["$set"]["disabledReason"] = ""
            change["$unset"] = {"failingSince": ""}
        return self._update(id_, change)

    def rotate(self, id_: ObjectId, overlap: timedelta, call: RepeatableCall | None = None) -> NewSecret:
        """Adds a new secret, the last of `secrets`. The others go on for `overlap`, or until they expire.

        A repeated `call` changes nothing, and returns the secret that the first one made.

        Raises:
            NotFound: there is no such endpoint.
            Invalid: the call's key was used with another request.
            Conflict: the secret that the first call made has ended.
        """
        while True:
            endpoint = self.get(id_)
            now = self._clock.now()
            rotations = [each for each in endpoint.get("rotations", []) if each["at"] > now - REMEMBERED]
            for each in rotations:
                if call is not None and each["key"] == call.key:
                    check_same_request(call, each["digest"])
                    return _shown_again(endpoint, each["at"])
            until = now + overlap
            kept = [
                {**each, "expiresAt": min(each["expiresAt"] or until, until)}
                for each in endpoint["secrets"]
                if overlap and (each["expiresAt"] is None or each["expiresAt"] > now)
            ]
            rotated = [*kept[-(_MOST_SECRETS - 1) :], _new_secret(now)]
            if call is not None:
                rotations.append({"key": call.key, "digest": call.digest, "at": now})
            change = {"$set": {"secrets": rotated, "rotations": rotations[-_MOST_ROTATIONS:], "updatedAt": now}}
            unchanged = {"_id": id_, "secrets": endpoint["secrets"]}
            found = self._endpoints.find_one_and_update(unchanged, change, return_document=ReturnDocument.AFTER)
            if found is not None:
                return NewSecret(found, rotated[-1]["key"])

    def remove(self, id_: ObjectId) -> None:
        """Removes the endpoint and its deliveries. Raises `NotFound`."""
        removed = self._endpoints.delete_one({"_id": id_}).deleted_count
        # Also if the endpoint is gone: an earlier call may have been interrupted.
        self._deliveries.delete_many({"endpointId": id_})
        if not removed:
            raise NotFound("webhook.unknown", "there is no such webhook")

    def _added(self, call: RepeatableCall) -> NewSecret | None:
        """What an earlier call with this key has added; None if there is none, or it is forgotten."""
        # With a hint: without the unique index, a repeat could add a second endpoint.
        found = find_earlier(self._endpoints, call, self._clock.now(), hint="idempotency")
        return None if found is None else _shown_again(found, found["createdAt"])

    def _update(self, id_: ObjectId, change: Document) -> Document:
        found = self._endpoints.find_one_and_update({"_id": id_}, change, return_document=ReturnDocument.AFTER)
        if found is None:
            raise NotFound("webhook.unknown", "there is no such webhook")
        return found

    def _check(self, url: str | None, description: str | None) -> None:
        if url is not None:
            _check_url(url, insecure=self._insecure)
        if description is not None and (len(description) > LONGEST_DESCRIPTION or not _is_text(description)):
            text = f"description has at most {LONGEST_DESCRIPTION} characters, without control characters"
            raise Invalid("description", "description.invalid", text)


def _shown_again(endpoint: Document, made_at: datetime) -> NewSecret:
    """What the first call has made. Raises `Conflict`."""
    for each in endpoint["secrets"]:
        if each["createdAt"] == made_at:
            return NewSecret(endpoint, each["key"])
    text = "a call with this Idempotency-Key has made a secret already, which has ended since: make another one"
    raise Conflict("webhook.secret_ended", text)


def _check_url(url: str, *, insecure: bool) -> None:
    """Which addresses the host may have is checked when the worker connects: names lead elsewhere by then."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port == 0 or not 0 < len(url) <= LONGEST_URL or not url.isascii() or not _is_text(url) or " " in url:
        raise Invalid("url", "url.invalid", "url must be the address of an endpoint, such as https://example.com/hook")
    if parts.scheme not in (("https", "http") if insecure else ("https",)):
        raise Invalid("url", "url.scheme", "url must begin with https://")
    if "@" in parts.netloc or parts.fragment:
        raise Invalid("url", "url.invalid", "url must have no user, no password and no fragment")


def _is_text(text: str) -> bool:
    return text.isprintable() and text.encode(errors="ignore").decode() == text


def _names(events: Sequence[EventType]) -> list[str]:
    return sorted({event.value for event in events})


def _new_secret(now: datetime) -> Document:
    key = signature.PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    return {"key": key, "createdAt": now, "expiresAt": None}
