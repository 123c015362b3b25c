"""Cross-origin calls: which pages in a browser may use an API (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Request-Id"
_EXPOSED_HEADERS = "ETag, Idempotency-Replayed, Preference-Applied, Retry-After, X-Call-Id, X-Request-Id"
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_PREFLIGHT_SECONDS = 600


class Cors(msgspec.Struct, frozen=True):
    """`origins` such as `https://books.example.com`, or `*` for any. Empty: no page of another origin gets through.

    Callers show a key and never a cookie, so `Access-Control-Allow-Credentials` is not sent: `*` is no open door.
    """

    origins: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Cors:
        """From origins separated by commas."""
        return cls(frozenset(filter(None, (origin.strip().rstrip("/") for origin in text.split(",")))))

    def is_preflight(self, method: str, headers: Mapping[str, str]) -> bool:
        """A browser asks, without the key, whether it may call."""
        return method == "OPTIONS" and "access-control-request-method" in headers and bool(self._allowed(headers))

    def preflight_headers(self) -> dict[str, str]:
        return {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
        }

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What every answer to a request with these headers carries."""
        allowed = self._allowed(headers)
        if not allowed:
            return {"Vary": "Origin"} if self.origins else {}
        return {
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Expose-Headers": _EXPOSED_HEADERS,
            "Vary": "Origin",
        }

    def _allowed(self, headers: Mapping[str, str]) -> str:
        if "*" in self.origins:
            return "*"
        origin = headers.get("origin", "")
        return origin if origin in self.origins else ""
