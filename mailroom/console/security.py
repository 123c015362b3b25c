"""The headers of every answer. A page runs no script but ours, and sends forms to the console and the bucket only."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response

from mailroom.errors import InvalidSetting


def origin_of(endpoint: str) -> str:
    """The origin of a URL, such as `https://s3.shop.example`; empty for none. Raises `InvalidSetting`."""
    if not endpoint:
        return ""
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.hostname or any(sign in url.netloc for sign in "@;, '\""):
        raise InvalidSetting(f"S3_PUBLIC_ENDPOINT is {endpoint!r}: must be a URL such as https://s3.shop.example")
    return f"{url.scheme}://{url.netloc}"


def secure(app: Flask, s3_public_endpoint: str) -> None:
    """Adds the headers. A view may have set a stricter `Content-Security-Policy`, which then stays."""
    here = " ".join(filter(None, ("'self'", origin_of(s3_public_endpoint))))
    policy = f"default-src 'self'; connect-src {here}; form-action {here}; frame-ancestors 'none'; base-uri 'none'"

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Not `no-referrer`: forms would then be sent with `Origin: null`, and be refused.
        response.headers["Referrer-Policy"] = "same-origin"
        return response
