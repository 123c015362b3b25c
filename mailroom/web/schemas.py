"""What the answers of both APIs are made of, as msgspec understands it. The OpenAPI documents are made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from bson import ObjectId
from msgspec import Meta

from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.platform.waiting import Waiting

# Types of JSON values that say more than "string".
Id = Annotated[str, Meta(pattern="^[0-9a-f]{24}$", examples=["65b9d7f0c2a4e81f3b6d9a10"])]
Date = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", extra_json_schema={"format": "date"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2024-01-31T12:00:00.000Z"])]
Money = Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?$", examples=["1190.00"])]
Cursor = Annotated[str, Meta(description="Give it as `cursor` to get the next page; null after the last one.")]


class Schema(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The base of what an API sends."""

    @classmethod
    def of(cls, document: Document, **own: Any) -> Self:
        """Takes each member from `own`, or from the document under the name in JSON. Ids and times become text."""
        names = zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True)
        return cls(**{field: own[field] if field in own else _text(document.get(name)) for field, name in names})


class Fault(Schema):
    """Why something failed: `code` is stable and for programs, `message` is for people."""

    code: str
    message: str


class WaitingFor(Schema):
    """Why something waits: `code` is stable and for programs, `text` is for people. `since` is null if not known."""

    code: str
    text: str
    since: Time | None


def waiting_for(waiting: Waiting | None) -> WaitingFor | None:
    """The reason as an API shows it."""
    return None if waiting is None else WaitingFor(code=waiting.code, text=waiting.text, since=_text(waiting.since))


def _text(value: Any) -> Any:
    match value:
        case ObjectId():
            return str(value)
        case datetime():
            return rfc3339(value)
        case _:
            return value
