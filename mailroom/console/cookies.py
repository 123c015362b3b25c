"""The cookies of the console. No script reads them, no other site sends them, no other path gets them."""

from __future__ import annotations

import ipaddress

from flask import Response, request

SESSION, VISITOR, NOTICES = "mailroom-session", "mailroom-visitor", "mailroom-notices"


def host() -> str:
    """The host and port that the browser asked for. A gateway passes them on."""
    return request.headers.get("X-Forwarded-Host", "").partition(",")[0].strip() or request.host


def put(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Sets a cookie: until the browser closes, or for so many seconds."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=request.root_path or "/",
        secure=is_secure(),
        httponly=True,
        samesite="Strict",
    )


def remove(response: Response, name: str) -> None:
    response.delete_cookie(
        name,
        path=request.root_path or "/",
        secure=is_secure(),
        httponly=True,
        samesite="Strict",
    )


def is_secure() -> bool:
    """Whether the browser must use TLS: everywhere but on its own machine."""
    return not _is_loopback()


def _is_loopback() -> bool:
    """Whether the browser talks to its own machine. There, no certificate is needed."""
    name = host().rpartition(":")[0] if not host().endswith("]") and ":" in host() else host()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
