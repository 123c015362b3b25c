"""Answers of the APIs about templates and webhooks, with texts that try to be scripts."""

from __future__ import annotations

from typing import Any

from tests.e2e.console.sample import COMPUTED, HOSTILE
from tests.support.fake_api import FakeApi

SCOPES = ["notifications:read", "notifications:send", "templates:read", "templates:write", "webhooks:read"]
HOOK = "c" * 24
DELIVERY = "d" * 24

# What a mail may not do: run scripts, ask other servers, leave its frame.
ESCAPES = """<h1>Hello Anna</h1><p style="color: green">It is styled.</p>
<script>parent.document.title = "taken"; alert(1)</script>
<img src="https://evil.example/pixel.png" onerror="alert(2)"><svg onload="alert(3)"></svg>
<iframe src="https://evil.example/frame"></iframe><link rel="stylesheet" href="https://evil.example/style.css">
<meta http-equiv="refresh" content="0; url=https://evil.example/"><base target="_top">
<form action="https://evil.example/form" target="_top"><button id="send">Send</button></form>
<a id="out" href="https://evil.example/" target="_top">out</a><a id="script" href="javascript:alert(4)">script</a>
</div></textarea></pre></iframe><script>alert(5)</script>"""


def template(name: str = "invoice-reminder", version: int = 3) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "createdAt": COMPUTED,
        "keyId": "a" * 24,
        "subject": f"Hello {{{{ name }}}} {HOSTILE}",
        "html": ESCAPES,
        "text": f"Hello {{{{ name }}}}\n{HOSTILE}",
    }


def webhook() -> dict[str, Any]:
    return {
        "id": HOOK,
        "url": "https://shop.example/hooks/with/a/long/path/that/does/not/want/to/break/anywhere/at/all",
        "description": f"The shop {HOSTILE}",
        "events": ["import.done", "notification.bounced"],
        "enabled": False,
        "disabledReason": f"every delivery of five days failed {HOSTILE}",
        "secrets": [{"createdAt": COMPUTED, "expiresAt": COMPUTED}, {"createdAt": COMPUTED, "expiresAt": None}],
        "createdAt": COMPUTED,
        "updatedAt": COMPUTED,
    }


def delivery(state: str = "dead") -> dict[str, Any]:
    attempts = [
        {"at": COMPUTED, "status": None, "error": f"no answer {HOSTILE}", "milliseconds": 10000.4},
        {"at": COMPUTED, "status": 500, "error": "", "milliseconds": 12.3},
        {"at": COMPUTED, "status": 204, "error": "", "milliseconds": 1.0},
    ]
    return {
        "id": DELIVERY,
        "type": "notification.bounced",
        "sourceId": "e" * 24,
        "state": state,
        "createdAt": COMPUTED,
        "deliveredAt": None,
        "nextAttemptAt": COMPUTED if state == "pending" else None,
        "attemptCount": 60,
        "attempts": attempts,
    }


def fill(api: FakeApi) -> None:
    api.scopes = [*SCOPES, "webhooks:write"]
    stored = template()
    head = {name: stored[name] for name in ("name", "version", "createdAt", "keyId")}
    path = "notifications/templates"
    api.answer(f"GET {path}", {"items": [head], "nextCursor": "next"})
    api.answer(f"GET {path}/invoice-reminder", stored)
    versions = [head | {"version": number, "deleted": number == 2} for number in (3, 2, 1)]
    api.answer(f"GET {path}/invoice-reminder/versions", {"items": versions, "nextCursor": None})
    preview = {"name": "invoice-reminder", "version": 0, "subject": HOSTILE, "html": ESCAPES, "text": HOSTILE}
    for name in ("invoice-reminder", "new-template"):
        api.answer(f"POST {path}/{name}/preview", preview)
    hooks = "notifications/webhooks"
    api.answer(f"GET {hooks}", {"items": [webhook()], "nextCursor": None})
    api.answer(f"GET {hooks}/{HOOK}", webhook())
    deliveries = [delivery(), delivery("pending"), delivery("delivered")]
    api.answer(f"GET {hooks}/{HOOK}/deliveries", {"items": deliveries, "nextCursor": None})
    counts = {"pending": 1, "delivered": 1, "dead": 1}
    api.answer(f"GET {hooks}/{HOOK}/deliveries/counts", {"counts": counts, "mostCounted": 100_000})
    details = delivery() | {"payload": {"type": "notification.bounced", "data": {"text": HOSTILE}}}
    api.answer(f"GET {hooks}/{HOOK}/deliveries/{DELIVERY}", details)
    secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # pragma: allowlist secret
    api.answer(f"POST {hooks}/{HOOK}/rotate", webhook() | {"secret": secret})
