"""Attachments in a bucket: one version of an object, whatever happens to the object later."""

from __future__ import annotations

import io
from email.message import EmailMessage
from typing import Any

import pytest
from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED
from minio.credentials import StaticProvider
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig
from urllib3 import HTTPResponse

from mailroom.deploy import permissions as rights
from mailroom.errors import InvalidSetting
from mailroom.notifications.message.attachments import LARGEST_ATTACHMENTS
from mailroom.platform.objects import ObjectStore
from mailroom.platform.settings import Settings
from tests.integration.notifications.conftest import Answer, Mail
from tests.integration.notifications.relay import Received, Relay


@pytest.fixture
def mail(make_mail: Any) -> Mail:
    """The application with a bucket for attachments."""
    mail: Mail = make_mail(s3_timeout_seconds=1.0)
    store(mail).make_bucket(mail.services.settings.attachments_bucket)
    store(mail).set_bucket_versioning(mail.services.settings.attachments_bucket, VersioningConfig(ENABLED))
    return mail


def store(mail: Mail) -> Minio:
    return mail.services.objects.client


def put(mail: Mail, key: str, content: bytes, bucket: str = "") -> str:
    """Uploads an object, and returns the id of its version."""
    bucket = bucket or mail.services.settings.attachments_bucket
    return str(store(mail).put_object(bucket, key, io.BytesIO(content), len(content)).version_id)


def send(mail: Mail, *attachments: dict[str, Any], **headers: str) -> Answer:
    body = {"emailTo": "a@example.com", "subject": "Files", "message": "<p>x</p>", "attachments": list(attachments)}
    return mail.client.post(body, **headers)


def files(received: Received) -> list[tuple[str | None, str, Any]]:
    found = [each for each in received.parsed.iter_attachments() if isinstance(each, EmailMessage)]
    return [(each.get_filename(), each.get_content_type(), each.get_content()) for each in found]


def test_an_object_is_attached(mail: Mail, relay: Relay) -> None:
    content = bytes(range(256)) * 4000
    version = put(mail, "reports/Übersicht 5.pdf", content)

    answer = send(
        mail,
        {"object": "reports/Übersicht 5.pdf"},
        {"object": "reports/Übersicht 5.pdf", "filename": "x.bin", "contentType": "application/x-ours"},
        {"filename": "inline.txt", "contentType": "application/octet-stream", "content": "eA=="},
    )

    assert answer.body["status"] == "sent"
    assert files(relay.taken[0]) == [
        ("Übersicht 5.pdf", "application/pdf", content),
        ("x.bin", "application/x-ours", content),
        ("inline.txt", "application/octet-stream", b"x"),
    ]
    assert mail.client.get(f"/{answer.body['id']}").body["attachments"][0] == {
        "filename": "Übersicht 5.pdf",
        "contentType": "application/pdf",
        "size": len(content),
        "object": {"key": "reports/Übersicht 5.pdf", "versionId": version},
        "contentId": None,
    }
    [document] = mail.collection.find()
    assert document["attachments"][0]["content"] == b""


def test_the_files_of_a_message_are_read_until_they_are_gone(mail: Mail, relay: Relay) -> None:
    put(mail, "Übersicht.pdf", b"%PDF")
    text = {"filename": "a.txt", "contentType": "text/plain", "content": "eA=="}
    path = f"/{send(mail, {'object': 'Übersicht.pdf'}, text).body['id']}/attachments"

    stored, given = mail.client.get(f"{path}/0"), mail.client.get(f"{path}/1")

    assert (stored.status, stored.body, stored.headers["Content-Type"]) == (200, "%PDF", "application/pdf")
    assert "filename*=UTF-8''%C3%9Cbersicht.pdf" in stored.headers["Content-Disposition"]
    assert (given.status, given.body) == (200, "x")
    unknown = mail.client.get(f"{path}/2")
    assert (unknown.status, unknown.body["code"]) == (404, "attachment.unknown")
    [version] = store(mail).list_objects(mail.services.settings.attachments_bucket, include_version=True)
    store(mail).remove_object(version.bucket_name, version.object_name, version.version_id)
    gone = mail.client.get(f"{path}/0")
    assert (gone.status, gone.body["code"]) == (404, "attachment.gone")


def test_an_object_that_the_store_refuses_to_read_defers_the_message(
    mail: Mail, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(mail, "a.txt", b"x")

    def refuse(*_: object) -> None:
        answer = HTTPResponse(status=403)
        raise S3Error(answer, "InvalidObjectState", "in an archive", "a.txt", "", "", "b", "a.txt")

    monkeypatch.setattr(ObjectStore, "read", refuse)
    answer = send(mail, {"object": "a.txt"})

    assert (answer.status, answer.body["status"]) == (202, "queued")
    one = mail.client.get(f"/{answer.body['id']}").body
    assert one["attemptCount"] == 1
    assert "S3Error" in one["waitingFor"]["text"]
    assert mail.wait_of(answer.body["id"]) >= 30
    assert relay.connections == 0
    monkeypatch.undo()
    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent"]


def test_the_version_is_that_of_the_acceptance(mail: Mail, relay: Relay) -> None:
    old = put(mail, "a.txt", b"old")
    put(mail, "a.txt", b"newer")
    send(mail, {"object": "a.txt"}, Prefer="respond-async")
    send(mail, {"object": "a.txt", "versionId": old}, Prefer="respond-async")
    put(mail, "a.txt", b"newest of all")
    store(mail).remove_object(mail.services.settings.attachments_bucket, "a.txt")

    mail.drain()

    assert sorted(files(each)[0][2] for each in relay.taken) == ["newer", "old"]


@pytest.mark.parametrize(
    ("attachment", "status", "field"),
    [
        ({"object": "gone.txt"}, 422, "attachments[0].object"),
        ({"object": "a.txt", "versionId": "00000000-0000-0000-0000-000000000000"}, 422, "attachments[0].versionId"),
        ({"object": "a.txt", "versionId": "x\r\ny"}, 422, "attachments[0].versionId"),
        ({"object": ""}, 422, "attachments[0].filename"),
        ({"object": "../invoices/a.csv"}, 422, "attachments[0].object"),
        ({"object": "a/../../b.txt"}, 422, "attachments[0].object"),
        ({"object": "//b.txt"}, 422, "attachments[0].object"),
        ({"object": "x" * 300, "filename": "x"}, 422, "attachments[0].object"),
        ({"object": "x" * 1025, "filename": "x"}, 422, "attachments[0].object"),
        ({"object": "a\nb", "filename": "x"}, 422, "attachments[0].object"),
        ({"object": "a.txt?versionId=x", "filename": "x"}, 422, "attachments[0].object"),
        ({"object": "a.txt", "content": "eA=="}, 422, "attachments[0].content"),
        ({"filename": "x"}, 422, "attachments[0].content"),
        ({"object": "a.txt", "bucket": "invoices"}, 422, "attachments[0].bucket"),
        ({"object": "a.txt", "filename": "a/b"}, 422, "attachments[0].filename"),
        ({"object": "large.bin"}, 413, "attachments"),
    ],
)
def test_an_attachment_that_cannot_be_used_is_named_and_nothing_is_stored(
    mail: Mail, attachment: dict[str, Any], status: int, field: str
) -> None:
    put(mail, "a.txt", b"a")
    if attachment.get("object") == "large.bin":
        put(mail, "large.bin", bytes(LARGEST_ATTACHMENTS + 1))

    answer = send(mail, attachment)

    assert (answer.status, answer.body["field"]) == (status, field)
    assert mail.states() == []


def test_all_attachments_together_have_a_bound(mail: Mail) -> None:
    put(mail, "half.bin", bytes(LARGEST_ATTACHMENTS // 2 + 1))

    assert send(mail, {"object": "half.bin"}, {"object": "half.bin"}).status == 413
    assert send(mail, *[{"filename": "x", "content": ""}] * 21).body["field"] == "attachments"
    assert mail.states() == []


def test_an_object_that_is_gone_for_good_fails_the_message(mail: Mail, relay: Relay) -> None:
    version = put(mail, "a.txt", b"a")
    message = send(mail, {"object": "a.txt"}, Prefer="respond-async").body["id"]
    store(mail).remove_object(mail.services.settings.attachments_bucket, "a.txt", version_id=version)

    mail.drain()

    one = mail.client.get(f"/{message}").body
    assert one["status"] == "failed"
    assert "attachment is gone" in one["error"]["message"]
    assert relay.received == []


def test_while_the_store_is_away_mail_with_objects_waits_and_other_mail_goes(
    mail: Mail, make_mail: Any, relay: Relay
) -> None:
    put(mail, "a.txt", b"a")
    send(mail, {"object": "a.txt"}, Prefer="respond-async")
    away: Mail = make_mail(s3_endpoint="http://127.0.0.1:1", s3_timeout_seconds=0.5)

    assert send(away).body["status"] == "sent"
    assert send(away, {"object": "a.txt"}).status == 503
    away.drain()
    assert mail.states() == ["queued", "sent"]

    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent", "sent"]
    assert files(relay.taken[-1]) == [("a.txt", "text/plain", "a")]


@pytest.mark.minio  # test_seaweedfs.py has the users of SeaweedFS
def test_the_senders_user_can_read_attachments_and_nothing_else(mail: Mail, relay: Relay) -> None:
    settings = mail.services.settings
    buckets = (settings.invoices_bucket, settings.rejects_bucket, settings.attachments_bucket)
    policy = rights.policies(*buckets)["mailroom-attachments"]
    user, password = f"sender-{settings.attachments_bucket}", "a-password-of-its-own"
    root = StaticProvider(*(mail.services.secrets.read(f"mailroom-s3-{part}-key") for part in ("access", "secret")))
    admin = MinioAdmin(endpoint=settings.s3_endpoint.partition("//")[2], credentials=root, secure=False)
    admin.policy_add(user, policy=policy)
    admin.user_add(user, password)
    admin.policy_set(user, user=user)
    (settings.secrets_dir / "mailroom-attachments-access-key").write_text(user)
    (settings.secrets_dir / "mailroom-attachments-secret-key").write_text(password)
    store(mail).make_bucket(settings.invoices_bucket)
    put(mail, "a.txt", b"a")
    put(mail, "a.csv", b"secret", settings.invoices_bucket)

    assert send(mail, {"object": "a.txt"}).body["status"] == "sent"
    assert files(relay.taken[0]) == [("a.txt", "text/plain", "a")]
    theirs = mail.services.attachments.client
    for forbidden in (
        lambda: theirs.get_object(settings.invoices_bucket, "a.csv"),
        lambda: list(theirs.list_objects(settings.invoices_bucket)),
        lambda: theirs.put_object(settings.attachments_bucket, "b.txt", io.BytesIO(b"b"), 1),
        lambda: theirs.remove_object(settings.attachments_bucket, "a.txt"),
        lambda: theirs.make_bucket("another"),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            forbidden()


def test_without_a_store_nothing_but_objects_is_refused(mail: Mail) -> None:
    (mail.services.settings.secrets_dir / "mailroom-attachments-secret-key").unlink()

    answer = send(mail, {"object": "a.txt"})
    assert (answer.status, answer.body["code"]) == (422, "attachment.no_store")
    assert send(mail, {"filename": "x", "content": "eA=="}).status == 200


def test_attachments_have_a_bucket_of_their_own() -> None:
    for other in ("invoices", "invoices-rejected"):
        with pytest.raises(InvalidSetting, match="ATTACHMENTS_BUCKET"):
            Settings(attachments_bucket=other)
