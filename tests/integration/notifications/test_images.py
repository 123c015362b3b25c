"""Inline images: the HTML shows attachments by their contentId."""

from __future__ import annotations

import base64
import io
from email.message import EmailMessage
from typing import Any

import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay

HTML = '<p>x</p><img src="cid:logo-1"><img src="cid:photo@shop">'
HELLO: dict[str, Any] = {"emailTo": "a@example.com", "subject": "Hello", "message": HTML}
PIXELS = bytes(range(256)) * 30


def image(**changes: object) -> dict[str, object]:
    content = base64.b64encode(PIXELS).decode()
    return {"filename": "logo.png", "content": content, "contentId": "logo-1", **changes}


def types(part: Any) -> Any:
    """The tree of content types."""
    name: str = part.get_content_type()
    return (name, [types(each) for each in part.iter_parts()]) if part.is_multipart() else name


def test_the_html_shows_the_images_and_other_files_are_attached(mail: Mail, relay: Relay) -> None:
    files = [
        image(),
        {"filename": "report.pdf", "contentType": "application/pdf", "content": "eA=="},
        image(filename="Foto ü.jpg", contentId="photo@shop", contentType="image/jpeg"),
    ]

    message = mail.client.post(HELLO | {"attachments": files}).body["id"]

    [received] = relay.taken
    html = ("multipart/related", ["text/html", "image/png", "image/jpeg"])
    assert types(received.parsed) == (
        "multipart/mixed",
        [("multipart/alternative", ["text/plain", html]), "application/pdf"],
    )
    assert received.body("html") == HTML
    related = next(each for each in received.parsed.walk() if each.get_content_type() == "multipart/related")
    assert related.get_param("type") == "text/html"
    assert isinstance(related, EmailMessage)
    _, *images = related.iter_parts()
    assert [(each["Content-ID"], each.get_content_disposition(), each.get_filename()) for each in images] == [
        ("<logo-1>", "inline", "logo.png"),
        ("<photo@shop>", "inline", "Foto ü.jpg"),
    ]
    assert [each.get_content() for each in images] == [PIXELS, PIXELS]
    assert all(not each.defects for each in received.parsed.walk())
    shown = mail.client.get(f"/{message}").body["attachments"]
    assert [each["contentId"] for each in shown] == ["logo-1", None, "photo@shop"]


def test_without_other_files_nothing_is_attached(mail: Mail, relay: Relay) -> None:
    mail.client.post(HELLO | {"attachments": [image()]})

    html = ("multipart/related", ["text/html", "image/png"])
    assert types(relay.taken[0].parsed) == ("multipart/alternative", ["text/plain", html])


def test_an_object_of_the_bucket_can_be_an_image(mail: Mail, relay: Relay) -> None:
    client, bucket = mail.services.objects.client, mail.services.settings.attachments_bucket
    client.make_bucket(bucket)
    client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    client.put_object(bucket, "logos/a.gif", io.BytesIO(PIXELS), len(PIXELS))

    mail.client.post(HELLO | {"attachments": [{"object": "logos/a.gif", "contentId": "logo-1"}]})

    [found] = [each for each in relay.taken[0].parsed.walk() if each.get_content_type() == "image/gif"]
    assert (found["Content-ID"], found.get_payload(decode=True)) == ("<logo-1>", PIXELS)


def test_a_message_with_images_is_sent_again_with_the_same_bytes(mail: Mail, relay: Relay) -> None:
    message = mail.client.post(HELLO | {"attachments": [image()]}).body["id"]
    mail.client.post(None, f"/{message}/resend")
    mail.drain()

    first, second = relay.taken
    assert first.content == second.content


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"attachments": [image(contentId="a b")]}, "attachments[0].contentId"),
        ({"attachments": [image(contentId="a>\r\nBcc: eve@evil.example")]}, "attachments[0].contentId"),
        ({"attachments": [image(contentId="<logo-1>")]}, "attachments[0].contentId"),
        ({"attachments": [image(contentId="ü")]}, "attachments[0].contentId"),
        ({"attachments": [image(contentId="x" * 300)]}, "attachments[0].contentId"),
        ({"attachments": [image(), image(filename="b.png")]}, "attachments[1].contentId"),
        ({"attachments": [image(filename="logo.pdf")]}, "attachments[0].contentType"),
        ({"attachments": [image(contentType="text/html")]}, "attachments[0].contentType"),
        ({"attachments": [image()], "message": None, "text": "no HTML"}, "attachments[0].contentId"),
    ],
)
def test_an_image_that_cannot_be_shown_is_named(mail: Mail, change: dict[str, Any], field: str) -> None:
    answer = mail.client.post(HELLO | change)

    assert (answer.status, answer.body["field"]) == (422, field)
    assert mail.states() == []
