"""The function `invoice-events`: MinIO's webhook."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from mailroom.events.ignored import IGNORED
from mailroom.events.s3_event import Ignored, NotAnEvent, decode
from mailroom.invoices.imports.ledger import BY_EVENT, Ledger
from mailroom.platform import secrets
from mailroom.platform.kick import IMPORTER, Kicker
from mailroom.platform.secrets import Secrets
from mailroom.services import Services
from mailroom.web.problems import Problem, problem_of, unauthorized

if TYPE_CHECKING:
    from mailroom.platform.metrics import Metrics

log = logging.getLogger(__name__)
audit = logging.getLogger("audit")


class Webhook(msgspec.Struct, frozen=True):
    """Writes a job for every object version that an event tells of, before it answers.

    MinIO repeats an event until it gets a 2xx answer, and every later event waits. So only an event that should be
    repeated gets another answer: a record that cannot be understood is logged and passed over.
    """

    ledger: Ledger
    kicker: Kicker
    secrets: Secrets
    bucket: str

    def __call__(self, event: Any, context: Any = None) -> dict[str, Any]:
        """Answers one call of the function runtime."""
        try:
            self._check_token(event.headers.get("Authorization", ""))
            _check_route(event.method, event.path)
            return {"statusCode": 200, "body": self._receive(event.body or b"")}
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            document = problem.document() | ({"callId": context.call_id} if context else {})
            headers = problem.headers | {"Content-Type": "application/problem+json"}
            return {"statusCode": problem.status, "body": document, "headers": headers}

    def _receive(self, body: bytes) -> dict[str, Any]:
        try:
            decoded = decode(body, self.bucket)
        except NotAnEvent as error:
            raise Problem(400, "event.invalid", str(error)) from error
        imports, ignored = [], []
        for each in decoded:
            if isinstance(each, Ignored):
                log.warning("ignored: %s", each.reason)
                ignored.append(each.reason)
            else:
                import_id, new = self.ledger.submit(each, found_by=BY_EVENT)
                imports.append({"id": str(import_id), "key": each.key, "new": new})
        IGNORED.add(len(ignored))
        if imports:
            self.kicker.kick(IMPORTER)
        audit.info("write", extra={"keyId": "webhook", "action": "POST /", "objectId": None, "status": 200})
        return {"imports": imports, "ignored": ignored}

    def _check_token(self, authorization: str) -> None:
        """The secret may hold several tokens, one a line, while they are being rotated."""
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode() if scheme.lower() == "bearer" else b""
        valid = secrets.lines(self.secrets.read(secrets.WEBHOOK_TOKEN))
        matches = [hmac.compare_digest(given, each.encode()) for each in valid]  # each is compared, whichever matches
        if not any(matches):
            raise unauthorized("auth.webhook_token", "the webhook token is missing or wrong", "mailroom webhook")


def _check_route(method: str, path: str) -> None:
    if path not in ("", "/"):
        raise Problem(404, "path.unknown", "there is nothing at this path")
    if method != "POST":
        raise Problem(405, "method.not_allowed", "allowed here: POST", headers={"Allow": "POST"})


def create_handler(services: Services) -> Webhook:
    """The webhook, with its services."""
    return Webhook(
        ledger=Ledger.of(services.database, services.settings),
        kicker=services.kicker,
        secrets=services.secrets,
        bucket=services.settings.invoices_bucket,
    )


def create_metrics(services: Services) -> Metrics:
    """The metrics of the function."""
    from mailroom.events import metrics  # no start waits for it

    return metrics.create_metrics(services)
