"""The endpoints of the function `invoices`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
from bson import ObjectId

from mailroom.invoices.api import operations as contract
from mailroom.invoices.api import schemas as shapes
from mailroom.invoices.api.operations import ChangeInvoice, StartImport
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.model.edits import ChangedMeanwhile, Edits, NoSuchInvoice
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.views import layout
from mailroom.invoices.views.export import FORMATS, chunks, to_csv
from mailroom.invoices.views.lists import Queries
from mailroom.platform.clock import Budget
from mailroom.platform.kick import IMPORTER, Kicker
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectGone, ObjectStore
from mailroom.web.api import Api, Authenticate, Policy, Problem, Request, Response
from mailroom.web.concurrency import Turns
from mailroom.web.paging import object_id
from mailroom.web.rendering import entity_tag, precondition_holds

READ, WRITE = "invoices:read", "invoices:write"

# Exports, and totals of many, in one replica: half of the threads that the function runtime has by default.
LONG_ONES_AT_ONCE = 4


class InvoicesApi(msgspec.Struct, frozen=True):
    """Translates between HTTP and the importer's domain."""

    queries: Queries
    ledger: Ledger
    objects: ObjectStore
    kicker: Kicker
    bucket: str
    most_seconds: float
    turns: Turns = msgspec.field(default_factory=lambda: Turns(LONG_ONES_AT_ONCE))
    statuses: Statuses = msgspec.field(default_factory=Statuses)
    csv_hints: tuple[str, ...] = ()

    def routes(self, authenticate: Authenticate, policy: Policy | None = None) -> Api:
        api = Api(authenticate, contract=contract.CONTRACT, policy=policy)
        api.add("GET", "/", READ, self.list_invoices, contract.LIST_INVOICES)
        api.add("GET", "/totals", READ, self.totals, contract.TOTALS)
        api.add("GET", "/export", READ, self.export, contract.EXPORT)
        api.add("GET", "/<id>", READ, self.get_invoice, contract.GET_INVOICE)
        api.add("PATCH", "/<id>", WRITE, self.change_invoice, contract.CHANGE_INVOICE)
        api.add("GET", "/imports", READ, self.list_imports, contract.LIST_IMPORTS)
        api.add("POST", "/imports", WRITE, self.start_import, contract.START_IMPORT)
        api.add("GET", "/imports/<id>", READ, self.get_import, contract.GET_IMPORT)
        return api

    def list_invoices(self, request: Request) -> Response:
        items, cursor = self.queries.list_invoices(request.query)
        return Response(shapes.InvoicePage(items=[layout.invoice(item) for item in items], next_cursor=cursor))

    def totals(self, request: Request) -> Response:
        return Response(self.queries.totals(request.query, Budget(self.most_seconds), self.turns))

    def export(self, request: Request) -> Response:
        name = request.query.get("format", "csv")
        if name not in FORMATS:
            raise Problem(422, "format.invalid", f"format must be one of {', '.join(FORMATS)}", field="format")
        content_type, parts = FORMATS[name]
        if name == "csv":
            parts = partial(to_csv, hints=self.csv_hints)

        def stream() -> Iterator[bytes]:
            piece = self.queries.all_invoices(request.query, Budget(self.most_seconds))
            return chunks(parts(piece, first="cursor" not in request.query))

        headers = {"Content-Disposition": f'attachment; filename="invoices.{name}"'}
        return Response(self.turns.take(stream), headers=headers, content_type=content_type)

    def get_invoice(self, request: Request) -> Response:
        document = self.queries.invoice(request.parameters["id"])
        if document is None:
            raise _no_invoice()
        return Response(shapes.invoice(document))

    def change_invoice(self, request: Request) -> Response:
        id_ = object_id(request.parameters["id"], "id")
        status = self.statuses.read(request.decode(ChangeInvoice).status)
        if_match = request.headers.get("if-match")
        if if_match is None:
            detail = "send the invoice's ETag as If-Match, so that no other change is overwritten"
            raise Problem(428, "if_match.missing", detail, field="If-Match")

        def seen(stored: Document) -> bool:
            return precondition_holds(if_match, entity_tag(shapes.invoice(stored)))

        try:
            changed = Edits(self.queries.invoices).set_status(id_, status, ObjectId(request.caller.id), seen)
        except NoSuchInvoice:
            raise _no_invoice() from None
        except ChangedMeanwhile:
            raise Problem(412, "invoice.changed", "the invoice has changed: read it again", field="If-Match") from None
        shape = shapes.invoice(changed)
        return Response(shape, headers={"ETag": entity_tag(shape)})

    def list_imports(self, request: Request) -> Response:
        items, cursor = self.queries.list_imports(request.query)
        return Response(shapes.ImportPage(items=[shapes.import_(item) for item in items], next_cursor=cursor))

    def get_import(self, request: Request) -> Response:
        document = self.queries.import_(request.parameters["id"])
        if document is None:
            raise Problem(404, "import.not_found", "there is no import with this id")
        return Response(shapes.import_(document))

    def start_import(self, request: Request) -> Response:
        body = request.decode(StartImport)
        if body.bucket != self.bucket:
            raise Problem(422, "bucket.not_imported", f"only objects of {self.bucket} are imported", field="bucket")
        if not body.key or len(body.key.encode()) > 1024 or "\0" in body.key:
            raise Problem(422, "key.invalid", "key must be the name of an object", field="key")
        try:
            version = self.objects.find(body.bucket, body.key, body.version_id)
        except ObjectGone as error:
            field = "versionId" if body.version_id else "key"
            raise Problem(422, "object.not_found", str(error), field=field) from error
        import_id, _ = self.ledger.submit(version, force=body.force, dry_run=body.dry_run)
        self.kicker.kick(IMPORTER)
        return Response(shapes.Accepted(id=str(import_id)), status=202)


def _no_invoice() -> Problem:
    return Problem(404, "invoice.not_found", "there is no invoice with this id")
