"""A webhook within the whole stack: added, its delivery that fails and is made again, its secret changed."""

from __future__ import annotations

import secrets
from typing import Any

from local.client import Client
from tests.e2e.console.conftest import ConsoleOfStack
from tests.support.browser import violations
from tests.support.waiting import eventually
from tests.support.webhook_receiver import Receiver, receiving


def test_a_delivery_is_seen_with_its_attempts_and_made_again_with_a_new_secret(
    console_stack: ConsoleOfStack, client: Client
) -> None:
    with receiving() as receiver:
        add_fail_rotate_and_deliver_again(console_stack, client, receiver)


def add_fail_rotate_and_deliver_again(console_stack: ConsoleOfStack, client: Client, receiver: Receiver) -> None:
    page = console_stack.page
    page.get_by_role("link", name="Mail", exact=True).click()
    page.get_by_role("link", name="Webhooks", exact=True).click()
    page.get_by_role("link", name="Add a webhook").click()
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("Description").fill("The ledger")
    page.get_by_label("a mail was handed over").check()
    page.get_by_role("button", name="Add and show the secret").click()
    first = page.locator("pre.secret").inner_text().strip()
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_text("Nothing was delivered yet").wait_for()

    # Its program is out of order: the delivery waits for the next attempt, and what it answered is there.
    receiver.status = 500
    message: dict[str, Any] = {"emailTo": "a@example.com", "subject": secrets.token_hex(4), "message": "x"}
    id = client.post("notifications", message)["id"]
    eventually(lambda: receiver.received, what="the first delivery")

    def waits() -> bool:
        page.reload()
        return page.get_by_role("row", name="a mail was handed over").filter(has_text="500").is_visible()

    eventually(waits, what="the attempt on the page")
    webhook = page.url

    # Its secret is changed, and the program repaired. The delivery is made again, signed with both secrets.
    page.get_by_role("link", name="New secret").click()
    assert "1 new secret is made and shown once." in page.inner_text("main")
    page.get_by_role("button", name="Make a new secret").click()
    second = page.locator("pre.secret").inner_text().strip()
    assert violations(page) == []
    page.get_by_role("link", name="I have copied it").click()
    assert second not in page.content()
    receiver.status = 204
    page.get_by_role("link", name="a mail was handed over").click()
    page.get_by_role("button", name="Deliver again").click()
    page.get_by_text("It is delivered again now, with the same id and payload.").wait_for()

    def delivered() -> bool:
        page.reload()
        return page.get_by_text("delivered", exact=True).first.is_visible()

    eventually(delivered, what="the second attempt")
    answers = page.get_by_role("table", name="Attempts").get_by_role("row")
    assert [text in answers.nth(at).inner_text() for at, text in ((1, "204"), (2, "500"))] == [True, True]
    assert violations(page) == []
    assert len(set(receiver.ids)) == 1
    assert receiver.verified(first)[-1]["data"]["id"] == id
    received = receiver.received[1:]  # the first call was signed before there was a second secret
    assert len(Receiver(received=received).verified(second)) == len(received)

    page.goto(f"{webhook}/remove")
    assert "1 delivery is forgotten, with its attempts." in page.inner_text("main")
    page.get_by_role("button", name="Remove the webhook").click()
    page.get_by_text("The webhook was removed.").wait_for()
