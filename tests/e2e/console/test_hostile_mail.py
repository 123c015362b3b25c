"""Mail that tries to run, to call somebody or to leave its frame is looked at, and does nothing of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e.console.conftest import ConsoleOfStack
from tests.support.attacker import PREVENTED, Attacker, click
from tests.support.browser import Watch
from tests.support.fake_api import FakeApi
from tests.support.hostile_mail import BODIES, bodies
from tests.support.mail_sample import ID, message, recipient
from tests.support.slow import others_slow


def look(page: Page, watch: Watch, url: str, attacker: Attacker) -> None:
    """Looks at the message. Nobody may hear of it."""
    # The browser tells of requests that it prevents too: whether one was made, the attacker knows.
    for text in (*PREVENTED, attacker.url):
        watch.expect(text)
    page.goto(url)
    frame = page.frame_locator("iframe.mail")
    frame.locator("html").wait_for(state="attached")
    assert attacker.connections == [], "looking was told"
    assert "Recipients" in page.inner_text("main")


@pytest.mark.parametrize("name", others_slow(BODIES, "script", "events", "frames"))
def test_a_hostile_body_does_nothing(
    signed_in: Page, watch: Watch, console: str, api: FakeApi, attacker: Attacker, name: str
) -> None:
    body = bodies(attacker.url)[name]
    api.answer(f"GET notifications/{ID}", message("sent", html=body, text=body))
    api.answer(f"GET notifications/{ID}/content", {"html": body, "source": body})
    look(signed_in, watch, f"{console}/mail/{ID}", attacker)
    click(signed_in, attacker)
    cookies = [each["name"] for each in signed_in.context.cookies()]
    assert cookies == ["mailroom-session"]
    for form in ("text", "source"):
        signed_in.goto(f"{console}/mail/{ID}?form={form}")
        shown = signed_in.locator("pre.mail").text_content() or ""
        assert shown.strip()[:50] == body.strip()[:50]
    assert not any(attacker.connections)


def test_hostile_answers_and_names_are_shown_as_they_are(
    signed_in: Page, console: str, api: FakeApi, attacker: Attacker
) -> None:
    evil = f"<img src='{attacker.url}/x' onerror=alert(1)><script>alert(2)</script>{{{{7*7}}}}\"'"
    step = {"step": "rcpt", "code": 550, "text": evil, "milliseconds": 1.0, "recipient": evil}
    api.answer(
        f"GET notifications/{ID}",
        message(
            "failed",
            evil,
            fromName=evil,
            replyTo=[evil],
            recipients=[recipient(evil, "failed", evil)],
            error={"code": "smtp.550", "message": evil},
            tags=[evil],
            metadata={evil: evil},
            headers={"X-Evil": evil},
            text=evil,
            attempts=[{"startedAt": "2024-05-31T10:00:00Z", "endedAt": None, "outcome": evil, "steps": [step]}],
        ),
    )
    for path in (f"/mail/{ID}?form=text", f"/mail/{ID}/resend"):
        signed_in.goto(f"{console}{path}")
        signed_in.wait_for_load_state("networkidle")
        assert evil in signed_in.inner_text("main")
    assert attacker.connections == []


def test_hostile_mail_that_was_really_sent_does_nothing(console_stack: ConsoleOfStack, attacker: Attacker) -> None:
    """The whole way: the API, the outbox, the relay, the page."""
    from local.client import Client

    client = Client(console_stack.stack.info)
    hostile = bodies(attacker.url)
    messages = [
        {"emailTo": "delivered@simulator.mailroom", "subject": f"<script>{name}", "html": body, "text": body}
        for name, body in hostile.items()
    ]
    answer = client.post("notifications/batch", {"messages": messages})
    assert answer["refused"] == 0, answer
    for each in answer["items"]:
        look(console_stack.page, console_stack.watch, f"{console_stack.url}/mail/{each['id']}", attacker)
    assert attacker.connections == []
