"""The function `invoice-events`: MinIO's webhook."""

from __future__ import annotations

import hmac
import logging

import msgspec

from mailroom.events.s3_event import Ignored, NotAnEvent, decode
from mailroom.invoices.imports.ledger import Ledger
from mailroom.platform import secrets
from mailroom.platform.kick import IMPORTER, Kicker
from mailroom.platform.secrets import Secrets
from mailroom.services import Services
from mailroom.web.api import Api, Caller, Problem, Request, Response

log = logging.getLogger(__name__)

_SCOPE = "webhook"


class Webhook(msgspec.Struct, frozen=True):
    """Writes a job for every object version it is told of, before it answers.

    Only what MinIO should repeat gets an answer that is not 2xx: MinIO repeats the same event for ever, and all events
    behind it wait. So a record that cannot be understood is logged and passed over.
    """

    ledger: Ledger
    kicker: Kicker
    secrets: Secrets
    bucket: str

    def routes(self) -> Api:
        api = Api(self.authenticate)
        api.add("POST", "/", _SCOPE, self.receive)
        return api

    def authenticate(self, authorization: str) -> Caller:
        """Checks the webhook's token. The secret may hold several, one a line, while they are being rotated."""
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode() if scheme.lower() == "bearer" else b""
        valid = [line.strip().encode() for line in self.secrets.read(secrets.WEBHOOK_TOKEN).splitlines()]
        if not any(hmac.compare_digest(given, each) for each in valid if each):
            raise Problem(
                401,
                "auth.webhook_token",
                "the webhook token is missing or wrong",
                headers={"WWW-Authenticate": 'Bearer realm="mailroom webhook"'},
            )
        return Caller(id="", name="webhook", scopes=frozenset({_SCOPE}))

    def receive(self, request: Request) -> Response:
        try:
            decoded = decode(request.body, self.bucket)
        except NotAnEvent as error:
            raise Problem(400, "event.invalid", str(error)) from error
        imports, ignored = [], []
        for each in decoded:
            if isinstance(each, Ignored):
                log.warning("ignored: %s", each.reason)
                ignored.append(each.reason)
            else:
                import_id, new = self.ledger.submit(each)
                imports.append({"id": str(import_id), "key": each.key, "new": new})
        if imports:
            self.kicker.kick(IMPORTER)
        return Response({"imports": imports, "ignored": ignored})


def api(services: Services) -> Api:
    """Wires the webhook."""
    return Webhook(
        ledger=Ledger.of(services.database, services.settings),
        kicker=services.kicker,
        secrets=services.secrets,
        bucket=services.settings.invoices_bucket,
    ).routes()
