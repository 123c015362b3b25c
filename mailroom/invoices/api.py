"""The endpoints of the function `invoices`."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mailroom.invoices.ledger import DONE, Ledger
from mailroom.invoices.queries import Queries
from mailroom.platform.clock import rfc3339
from mailroom.platform.http import Api, Authenticate, Problem, Request, Response
from mailroom.platform.kick import Kicker
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectGone, ObjectStore
from mailroom.platform.paging import optional_time

READ, WRITE = "invoices:read", "invoices:write"
IMPORTER = "invoice-importer"


class StartImport(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /imports`."""

    bucket: str
    key: str
    version_id: str = ""
    force: bool = False


@dataclass(frozen=True)
class InvoicesApi:
    """Translates between HTTP and the importer's domain."""

    queries: Queries
    ledger: Ledger
    objects: ObjectStore
    kicker: Kicker
    bucket: str

    def routes(self, authenticate: Authenticate) -> Api:
        api = Api(authenticate)
        api.add("GET", "/", READ, self.list_invoices)
        api.add("GET", "/<id>", READ, self.get_invoice)
        api.add("GET", "/imports", READ, self.list_imports)
        api.add("POST", "/imports", WRITE, self.start_import)
        api.add("GET", "/imports/<id>", READ, self.get_import)
        return api

    def list_invoices(self, request: Request) -> Response:
        items, cursor = self.queries.list_invoices(request.query)
        return Response({"items": [invoice_json(item) for item in items], "nextCursor": cursor})

    def get_invoice(self, request: Request) -> Response:
        document = self.queries.invoice(request.parameters["id"])
        if document is None:
            raise Problem(404, "invoice.not_found", "there is no invoice with this id")
        return Response(invoice_json(document))

    def list_imports(self, request: Request) -> Response:
        items, cursor = self.queries.list_imports(request.query)
        return Response({"items": [import_json(item) for item in items], "nextCursor": cursor})

    def get_import(self, request: Request) -> Response:
        document = self.queries.import_(request.parameters["id"])
        if document is None:
            raise Problem(404, "import.not_found", "there is no import with this id")
        return Response(import_json(document))

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
        import_id, _ = self.ledger.submit(version, force=body.force)
        self.kicker.kick(IMPORTER)
        return Response({"id": str(import_id)}, status=202)


def invoice_json(document: Document) -> Document:
    """An invoice as the API shows it: money as text, the date alone."""
    source = document["source"]
    return {
        "id": str(document["_id"]),
        "invoiceNumber": document["invoiceNumber"],
        "invoiceDate": document["invoiceDate"].date().isoformat(),
        "grossAmount": format(document["grossAmount"].to_decimal(), "f"),
        "netAmount": format(document["netAmount"].to_decimal(), "f"),
        "vatAmount": format(document["vatAmount"].to_decimal(), "f"),
        "supplierName": document["supplierName"],
        "supplierAddress": document["supplierAddress"],
        "currency": document["currency"],
        "status": document["status"],
        "extra": document.get("extra", {}),
        "source": {
            "importId": str(source["importId"]),
            "row": source["row"],
            "offset": source["offset"],
            "outcome": source["outcome"],
        },
        "insertedBy": str(document["insertedBy"]),
        "changedBy": str(document["changedBy"]),
        "createdAt": rfc3339(document["createdAt"]),
        "updatedAt": rfc3339(document["updatedAt"]),
    }


def import_json(document: Document) -> Document:
    """An import as the API shows it."""
    checkpoint = document["checkpoint"]
    total = document["size"]
    # Of a compressed object the offset is one of its content, which may be longer than the object.
    read = total if document["state"] == DONE else min(checkpoint["offset"], total)
    return {
        "id": str(document["_id"]),
        "state": document["state"],
        "bucket": document["bucket"],
        "key": document["key"],
        "versionId": document["versionId"],
        "counts": checkpoint["counts"],
        "progress": {"bytesRead": read, "bytesTotal": total},
        "error": document["error"],
        "rejects": document["rejects"],
        "dialect": document["dialect"],
        "createdAt": rfc3339(document["createdAt"]),
        "startedAt": optional_time(document, "startedAt"),
        "finishedAt": optional_time(document, "finishedAt"),
        "updatedAt": rfc3339(document["updatedAt"]),
    }
