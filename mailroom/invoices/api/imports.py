"""The endpoints that control imports: cancel, retry, undo, an upload's form, and the empty file to fill in."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec
from bson import ObjectId
from msgspec import Meta

from mailroom.invoices.api import schemas as shapes
from mailroom.invoices.files import COLUMNS
from mailroom.invoices.imports.actions import Control, NoSuchImport, NotInThisState, StillStopping
from mailroom.platform.clock import Budget, rfc3339
from mailroom.platform.objects import ObjectStore
from mailroom.web.api import Api, Problem, Request, Response
from mailroom.web.operations import Operation, Time
from mailroom.web.paging import object_id

T = TypeVar("T")

MOST_BYTES = 5 << 30  # S3 takes no more in one upload


class Undo(shapes.Shape):
    """`left` are the invoices that stay, since others changed them or since the import only changed them."""

    deleted: int
    left: int
    complete: bool


class NewUpload(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /uploads`. `keyPrefix` may be a folder, or the whole name of the object."""

    key_prefix: Annotated[str, Meta(max_length=500)] = ""
    max_bytes: Annotated[int, Meta(ge=1, le=MOST_BYTES)] = 100_000_000
    expires_seconds: Annotated[int, Meta(ge=1, le=604_800)] = 900


class Upload(shapes.Shape):
    """A form: POST it to `url` as multipart/form-data with all `fields`, `key` and last of all `file`."""

    url: str
    fields: dict[str, str]
    key_prefix: str
    max_bytes: int
    expires_at: Time


RETRY = Operation(
    "Retry a failed or cancelled import", {202: shapes.Accepted}, problems=(404, 409),
    text="It goes on where it stopped, with its dialect. To read the file anew with other settings, import it with "
    "`force`.",
)  # fmt: skip
CANCEL = Operation(
    "Cancel a pending or running import", {200: shapes.Import}, problems=(404, 409),
    text="Rows that were imported stay; those of the batch in flight may still come.",
)  # fmt: skip
UNDO = Operation(
    "Undo an import", {200: Undo, 202: Undo}, problems=(404, 409),
    text="Deletes the invoices that it inserted and nobody changed since. 202: call again for the rest.",
)  # fmt: skip
UPLOAD = Operation("A form for an upload without credentials", {201: Upload}, body=NewUpload, body_required=False)
TEMPLATE = Operation("An empty file to fill in", {200: {"text/csv": str}})


class Controls(msgspec.Struct, frozen=True):
    """Translates between HTTP and `Control`."""

    control: Control
    objects: ObjectStore
    bucket: str
    public_endpoint: str
    budget_seconds: float
    kick: Callable[[], None]

    def add_to(self, api: Api, read: str, write: str) -> None:
        api.add("GET", "/template.csv", read, self.template, TEMPLATE)
        api.add("POST", "/uploads", write, self.upload, UPLOAD)
        api.add("POST", "/imports/<id>/retry", write, self.retry, RETRY)
        api.add("POST", "/imports/<id>/cancel", write, self.cancel, CANCEL)
        api.add("POST", "/imports/<id>/undo", write, self.undo, UNDO)

    def template(self, request: Request) -> Response:
        line = io.StringIO()
        csv.writer(line).writerow(COLUMNS)
        headers = {"Content-Disposition": 'attachment; filename="template.csv"'}
        return Response(line.getvalue().encode(), headers=headers, content_type="text/csv; charset=utf-8")

    def upload(self, request: Request) -> Response:
        from minio.datatypes import PostPolicy  # slow to import, and only needed here

        body = request.decode(NewUpload) if request.body else NewUpload()
        if "\0" in body.key_prefix or body.key_prefix.startswith("/"):
            raise Problem(422, "key.invalid", "keyPrefix must be the beginning of an object's name", field="keyPrefix")
        expires = datetime.now(UTC) + timedelta(seconds=body.expires_seconds)
        policy = PostPolicy(self.bucket, expires)
        policy.add_starts_with_condition("$key", body.key_prefix)
        policy.add_content_length_range_condition(1, body.max_bytes)
        fields = {name: str(value) for name, value in self.objects.client.presigned_post_policy(policy).items()}
        url = f"{self.public_endpoint.rstrip('/')}/{quote(self.bucket)}"
        shape = Upload(
            url=url, fields=fields, key_prefix=body.key_prefix, max_bytes=body.max_bytes, expires_at=rfc3339(expires)
        )
        return Response(shape, status=201)

    def retry(self, request: Request) -> Response:
        changed = _controlled(self.control.retry, request)
        self.kick()
        return Response(shapes.Accepted(id=str(changed["_id"])), status=202)

    def cancel(self, request: Request) -> Response:
        return Response(shapes.import_(_controlled(self.control.cancel, request)))

    def undo(self, request: Request) -> Response:
        undone = _controlled(lambda id_: self.control.undo(id_, Budget(self.budget_seconds)), request)
        shape = Undo(deleted=undone.deleted, left=undone.left, complete=undone.complete)
        return Response(shape, status=200 if undone.complete else 202)


def _controlled(change: Callable[[ObjectId], T], request: Request) -> T:
    """Raises `Problem` 404 or 409 in place of the domain's errors."""
    try:
        return change(object_id(request.parameters["id"], "id"))
    except NoSuchImport:
        raise Problem(404, "import.not_found", "there is no import with this id") from None
    except NotInThisState as error:
        raise Problem(409, "import.state", str(error)) from None
    except StillStopping as error:
        raise Problem(409, "import.stopping", str(error), headers={"Retry-After": "5"}) from None
