"""Servers stop and processes are killed: nothing is lost, and work goes on when they are back."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import threading
from datetime import UTC, datetime

import pytest
from pymongo import MongoClient

from local.client import Client
from local.stack import Stack
from mailroom.invoices.imports import reconcile
from tests.e2e.test_first_path import GOLDEN, MAIL, call, done
from tests.integration.invoices.files import csv, line
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("stack")  # one stack for all of them


def deliver(stack: Stack, key: str, version_id: str):
    """Posts the event of an upload, as MinIO would."""
    event = json.loads(GOLDEN.read_text())
    event["Records"][0]["s3"]["object"] |= {"key": key, "versionId": version_id}
    headers = {"Authorization": f"Bearer {stack.info['webhookToken']}"}
    return call(stack, "POST", "/function/invoice-events", json=event, headers=headers)


def test_an_importer_killed_in_mid_file_leaves_an_import_that_completes(stack: Stack, client: Client):
    rows = 6000
    prefix = secrets.token_hex(4)
    client.upload(
        "killed.csv", csv(*(line(f"{prefix}-{n}", gross="no" if n % 50 == 0 else "119.00") for n in range(rows)))
    )

    def running():
        found = client.get("invoices/imports", key="killed.csv")["items"]
        return found[0] if found and found[0]["counts"]["rows"] else None

    before = eventually(running, what="the first batches")
    assert before["state"] == "running"
    os.kill(stack.info["processes"]["invoice-importer"], signal.SIGKILL)

    def scheduled():
        call(stack, "POST", "/function/invoice-importer")  # as the schedule does every minute
        return done(client, "killed.csv")

    ended = eventually(scheduled, what="the end of the import")
    assert ended["counts"] == {
        "rows": rows, "inserted": rows - rows // 50, "updated": 0, "unchanged": 0, "stale": 0, "rejected": rows // 50,
        "setApart": 0,
    }  # fmt: skip
    lines = client.download(ended["rejects"]["bucket"], ended["rejects"]["key"]).splitlines()
    assert len(lines) == 1 + rows // 50


def test_while_the_relay_is_down_mail_is_kept(stack: Stack, client: Client):
    subject = secrets.token_hex(6)
    stack.stop("inbox")
    try:
        answer = client.post("notifications", MAIL | {"subject": subject})
        assert answer["status"] == "queued"
    finally:
        stack.start("inbox")

    def sent():
        call(stack, "POST", "/function/notification-sender")  # as the schedule does every minute
        return client.get(f"notifications/{answer['id']}")["status"] == "sent"

    eventually(sent, what="the mail")
    assert [each["subject"] for each in client.messages()].count(subject) == 1


def test_while_mongodb_is_down_callers_are_told_and_events_come_again(stack: Stack, client: Client):
    number = secrets.token_hex(6)
    stack.stop("mongo")
    try:
        client.upload("meanwhile.csv", csv(line(number)))
        headers = {"Authorization": f"Bearer {stack.info['apiKey']}"}
        for method, path in [("GET", "invoices"), ("GET", "notifications"), ("POST", "notifications")]:
            answer = call(stack, method, f"/function/{path}", headers=headers, json=MAIL if method == "POST" else None)
            assert (answer.status, answer.json()["code"]) == (503, "service.unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        event = deliver(stack, "meanwhile.csv", "v")
        assert event.status == 503
        assert int(event.headers["Retry-After"]) > 0
    finally:
        stack.start("mongo")

    ended = eventually(lambda: done(client, "meanwhile.csv"), what="the import of what was uploaded meanwhile")
    assert ended["counts"]["inserted"] == 1


def test_while_minio_is_down_the_job_waits(stack: Stack, client: Client):
    key = f"{secrets.token_hex(6)}.csv"
    client.upload(key, csv(line(secrets.token_hex(6))))
    found = eventually(lambda: done(client, key), what="the version")
    stack.stop("minio")
    try:
        # A job for a missing version: while MinIO is down, nobody can know that it is missing.
        assert deliver(stack, key, f"{secrets.token_hex(4)}-0000-4000-8000-000000000000").status == 200
        assert call(stack, "POST", "/function/invoice-importer").status in (429, 503)

        def waiting():
            items = client.get("invoices/imports", key=key)["items"]
            (job,) = [each for each in items if each["id"] != found["id"]]
            return job if job["error"] else None

        waits = eventually(waiting, what="the waiting job")
        assert (waits["state"], waits["error"]["code"]) == ("pending", "service.unavailable")
    finally:
        stack.start("minio")

    def ended():
        call(stack, "POST", "/function/invoice-importer")
        return client.get(f"invoices/imports/{waits['id']}")["finishedAt"]

    eventually(ended, what="the end of the job")


@pytest.mark.parametrize("name", ["invoice-events", "invoices", "notifications"])
def test_a_function_that_was_killed_is_back_soon(stack: Stack, client: Client, name: str):
    os.kill(stack.info["processes"][name], signal.SIGKILL)
    path = "/function/" + name
    headers = {"Authorization": f"Bearer {stack.info['apiKey']}"}
    eventually(lambda: call(stack, "GET", path, headers=headers).status < 500, what="an answer")


@pytest.mark.slow
def test_every_file_uploaded_while_minio_starts_is_imported_within_two_minutes(stack: Stack, client: Client):
    """In a bucket too large to be compared soon. MinIO accepts uploads before it has read its rules."""
    name = secrets.token_hex(4)
    with MongoClient(stack.info["mongoUri"]) as mongo:
        never = {"$set": {"dueAt": datetime(2100, 1, 1, tzinfo=UTC)}}
        mongo["mailroom"]["cursors"].update_one({"_id": reconcile.CURSOR_ID}, never)
        uploaded: list[str] = []
        over = threading.Event()

        def upload() -> None:
            while not over.is_set():
                key = f"{name}-{len(uploaded)}.csv"
                with contextlib.suppress(Exception):  # MinIO is down
                    client.upload(key, csv(line(key)))
                    uploaded.append(key)

        thread = threading.Thread(target=upload)
        thread.start()
        try:
            for _ in range(2):
                stack.stop("minio")
                stack.start("minio")
                before = len(uploaded)
                eventually(lambda before=before: len(uploaded) > before + 20, 120, "uploads after the start")
        finally:
            over.set()
            thread.join()

        def missing() -> set[str]:
            known = mongo["mailroom"]["imports"].find({"key": {"$regex": f"^{name}-"}}, {"key": 1})
            return set(uploaded) - {each["key"] for each in known}

        eventually(lambda: not missing(), 120, "the imports of all files")
