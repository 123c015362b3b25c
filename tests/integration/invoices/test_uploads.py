"""Uploads through the function, and by a form of a page without scripts."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from werkzeug.test import create_environ, run_wsgi_app

from mailroom.invoices.app import create_app
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.presets.store import Presets
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, counts, csv, line
from tests.support.client import Client

MEBIBYTE = 1 << 20


@pytest.fixture
def client(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


def put(client: Client, key: str, body: bytes, **more: str) -> tuple[int, dict[str, str]]:
    answer = client.call("POST", "/files", body, {"key": key, **more})
    return answer.status, answer.json()


def test_a_file_is_uploaded_through_the_function_and_imported(bucket: Bucket, client: Client) -> None:
    status, written = put(client, "acme/may 5.csv", csv(line(1), line(2)))
    assert (status, written["bucket"], written["key"]) == (201, bucket.name, "acme/may 5.csv")
    version = bucket.services.objects.find(bucket.name, "acme/may 5.csv")
    assert (version.version_id, version.size) == (written["versionId"], len(csv(line(1), line(2))))
    bucket.run()
    assert counts(bucket.job(written["importId"])) == (2, 2, 0, 0, 0, 0)
    assert bucket.services.database["imports"].count_documents({}) == 1
    bucket.compare()  # the event, or the comparison, finds the same import
    assert bucket.services.database["imports"].count_documents({}) == 1


def test_a_file_may_be_read_with_a_preset(bucket: Bucket, client: Client) -> None:
    Presets(bucket.services.database).save("odd", Preset(columns={"Betreff": "invoiceNumber"}), "command")
    body = (HEADER.replace("invoiceNumber", "Betreff") + line(1)).encode()
    _, written = put(client, "may.csv", body, preset="odd")
    bucket.run()
    assert bucket.job(written["importId"])["dialect"]["preset"]["name"] == "odd"
    assert put(client, "may.csv", body, preset="no")[1]["code"] == "preset.not_found"


@pytest.mark.parametrize("key", ["", "a/../b", ".", "x" * 1025, "a\0b", "a//b", "a/", "/a", "a\x01b", "x" * 256, " "])
def test_a_name_that_no_object_can_have_is_refused(bucket: Bucket, client: Client, key: str) -> None:
    status, problem = put(client, key, csv(line(1)))
    assert (status, problem["field"]) == (422, "key")
    assert list(bucket.services.objects.versions(bucket.name)) == []


def test_an_empty_body_is_no_file(client: Client) -> None:
    assert put(client, "may.csv", b"") == (422, {**put(client, "may.csv", b"")[1]})
    assert put(client, "may.csv", b"")[1]["code"] == "file.empty"


def test_a_large_file_is_never_whole_in_memory(bucket: Bucket, client: Client) -> None:
    size = 40 * MEBIBYTE

    class Body(io.RawIOBase):
        """As Waitress gives it: a file."""

        left = size

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            count = min(self.left, len(buffer))
            buffer[:count] = b"x" * count
            self.left -= count
            return count

    put(client, "first.csv", csv(line(1)))  # loads the client of the object store
    tracemalloc.start()
    try:
        environ = create_environ("/files?key=may.csv", method="POST", headers={"Authorization": f"Bearer {client.key}"})
        environ |= {"wsgi.input": Body(), "CONTENT_LENGTH": str(size)}
        body, status, _ = run_wsgi_app(client.app, environ, buffered=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert status.startswith("201"), list(body)
    assert bucket.services.objects.find(bucket.name, "may.csv").size == size
    assert peak < 20 * MEBIBYTE  # a part of 5 MiB, and the client's copies of it


@pytest.mark.parametrize("path", ["/imports", "/preview", "/uploads"])
def test_other_calls_take_a_mebibyte(client: Client, path: str) -> None:
    answer = client.call("POST", path, b'{"bucket": "' + b"x" * MEBIBYTE + b'"}')
    assert (answer.status, answer.json()["code"]) == (413, "body.too_large")


@pytest.mark.minio
def test_a_page_without_scripts_uploads_by_a_form(bucket: Bucket, client: Client) -> None:
    """The browser fills in the name of the file, and goes back to the page."""
    back = "https://console.example.com/function/console/files?uploaded=1"
    form = client.call("POST", "/uploads", {"keyPrefix": "acme/", "redirect": back}).json()
    assert form["fields"]["success_action_redirect"] == back

    def upload(fields: dict[str, str]) -> urllib3.BaseHTTPResponse:
        sent = [*fields.items(), ("file", ("may.csv", csv(line(1)), "text/csv"))]
        return urllib3.request("POST", form["url"], fields=sent, redirect=False, retries=False)

    named = {"key": "acme/${filename}"}
    answer = upload(form["fields"] | named)

    assert answer.status == 303
    assert answer.headers["Location"].startswith(back.partition("?")[0] + "?")
    given = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert (given["uploaded"], given["bucket"], given["key"]) == (["1"], [bucket.name], ["acme/may.csv"])
    assert bucket.services.objects.find(bucket.name, "acme/may.csv").size == len(csv(line(1)))
    assert upload(form["fields"] | named | {"success_action_redirect": "https://evil.example"}).status == 403


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//x", "x", "https://", "https://a", "https://a/\r\nb", "https://ä/"]
)
def test_a_form_leads_to_a_page_only(client: Client, url: str) -> None:
    answer = client.call("POST", "/uploads", {"redirect": url})
    assert (answer.status, answer.json()["code"]) == (422, "redirect.invalid")
