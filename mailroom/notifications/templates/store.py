"""Templates in MongoDB. Every change makes a new version; old versions stay, and messages name theirs."""

from __future__ import annotations

import msgspec
from pymongo.database import Database

from mailroom.platform.mongo import Document
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.versioned import VersionedDocuments


class Content(msgspec.Struct, frozen=True):
    """The sources. Without `text`, the text part is made from the HTML; without `html` there is only text."""

    subject: str
    html: str | None
    text: str | None


class Templates(VersionedDocuments):
    """The collection `templates`."""

    def __init__(self, database: Database[Document], clock: ServerClock) -> None:
        super().__init__(database["templates"], clock.now, "template", "template.unknown")
