"""HTML that is not ours, as a document of its own within a frame of a page."""

from __future__ import annotations

import re

from flask import Response, make_response

# It may show itself and nothing else: no script, no form, no request, no way out of its frame.
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

# Browsers connect to the server of a frame before they see that the policy forbids it, and so tell that somebody looks.
_FRAME = re.compile(r"<(?=(?:i?frame|frameset|object|embed)\b)", re.IGNORECASE)


def framed(html: str, status: int = 200) -> Response:
    """The answer that a frame shows."""
    return _restricted(make_response(_FRAME.sub("<no-", html), status), "text/html")


def framed_text(text: str, status: int = 200) -> Response:
    """Plain text for a frame, such as why there is nothing else to show."""
    return _restricted(make_response(text, status), "text/plain")


def _restricted(response: Response, mimetype: str) -> Response:
    response.mimetype = mimetype
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-DNS-Prefetch-Control"] = "off"
    return response
