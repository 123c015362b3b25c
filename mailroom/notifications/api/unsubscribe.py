"""The page of an unsubscribe link, and the click (RFC 8058). A signed link takes the place of a key.

Opening the page unsubscribes nobody: scanners of links open them too.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, render_template, request

from mailroom.errors import Invalid
from mailroom.notifications.api import operations
from mailroom.notifications.api.context import context
from mailroom.notifications.message.unsubscribe import HEADER, POST_VALUE, Subscription
from mailroom.web.endpoints import open_endpoint

_LONGEST_FORM = 10_000  # bytes

# The page may send its form to itself, and load nothing but the style within it. The address of the page is secret.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}

blueprint = Blueprint("unsubscribe", __name__, url_prefix="/unsubscribe", template_folder="pages")


@blueprint.get("/<token>")
@open_endpoint(operations.SHOW_UNSUBSCRIBE)
def show(token: str) -> Response:
    subscription = _read(token)
    return _page("ask", subscription) if subscription else _page("unknown", status=404)


@blueprint.post("/<token>")
@open_endpoint(operations.UNSUBSCRIBE)
def unsubscribe(token: str) -> Response:
    """Unsubscribing once more changes nothing, and is no error."""
    subscription = _read(token)
    if subscription is None:
        return _page("unknown", status=404)
    request.max_content_length = _LONGEST_FORM
    if request.form.get(HEADER) != POST_VALUE:
        raise Invalid(HEADER, "unsubscribe.no_click", f"the body must be the form {HEADER}={POST_VALUE}")
    address, topic, message = subscription
    context().suppressions.add(address, "unsubscribed", message, topic)
    return _page("done", subscription)


def _read(token: str) -> Subscription | None:
    return context().unsubscribe_links.read(token, datetime.now(UTC))


def _page(state: str, subscription: Subscription | None = None, status: int = 200) -> Response:
    text = render_template("unsubscribe.html", state=state, subscription=subscription, field=HEADER, value=POST_VALUE)
    return Response(text, status, _HEADERS)
