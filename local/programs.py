"""The servers behind the functions, as programs to run: MongoDB, MinIO and the inbox."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local import tools, users
from local.data_folder import DataFolder
from local.process import Program
from local.ready import http_ok, mongo_writable

PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
EVENT_TARGET = "MAILROOM"  # set-up names it too, in the ARN arn:minio:sqs::MAILROOM:webhook


def base_environment() -> dict[str, str]:
    """What every process gets: no setting and no secret of the caller."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def mongo(data: DataFolder, port: int, root_password: str | None = None) -> tuple[Program, str]:
    """MongoDB as a one-node replica set, with the URI of it. A `mongod` on the PATH is preferred to SecantusDB.

    Without a password there is no access control; with one, that of the user root, the URI is root's.
    """
    binary = tools.mongod()
    # Each keeps its files in a folder of its own: neither can read the other's.
    name, replica_set = ("mongod", "rs0") if binary else ("secantus", "secantus")
    files = data.sub(name)
    command: tuple[str, ...] = (sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port))
    command += ("--storage-path", str(files), "--sync-on-commit", "--log-level", "WARNING")
    if binary:
        command = (binary, "--replSet", replica_set, "--bind_ip", "127.0.0.1", "--port", str(port))
        command += ("--dbpath", str(files), "--quiet")
    if root_password:
        command += ("--keyFile", str(data.kept_file("mongodb-key"))) if binary else ("--auth",)
    ready = mongo_writable(port, replica_set, root_password)
    program = Program("mongo", command, base_environment(), data.folder, ready)
    uri = f"mongodb://127.0.0.1:{port}/?replicaSet={replica_set}"
    return program, users.with_user(uri, "root", root_password) if root_password else uri


def minio(data: DataFolder, port: int, gateway: str, secrets: Mapping[str, str]) -> Program:
    """MinIO, whose events go to the gateway by way of a queue on disk. Builds it when missing: see tools.minio."""
    environment = base_environment() | {
        "MINIO_ROOT_USER": users.ROOT,
        "MINIO_ROOT_PASSWORD": secrets["minio-root-password"],
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "MINIO_API_SYNC_EVENTS": "on",  # an upload returns when its event is in the queue
        f"MINIO_NOTIFY_WEBHOOK_ENABLE_{EVENT_TARGET}": "on",
        f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{EVENT_TARGET}": f"{gateway}/function/invoice-events",
        f"MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_{EVENT_TARGET}": secrets["mailroom-webhook-token"],
        f"MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_{EVENT_TARGET}": str(data.sub("events")),
    }
    command = (str(tools.minio()), "server", "--address", f"127.0.0.1:{port}", "--json", str(data.sub("minio")))
    return Program("minio", command, environment, data.folder, http_ok(f"http://127.0.0.1:{port}/minio/health/ready"))


def inbox(root: Path, data: DataFolder, smtp_port: int, http_port: int) -> Program:
    """An SMTP server that keeps every message, and a page to read them."""
    command: tuple[str, ...] = (sys.executable, "-m", "local.inbox", "--mail", str(data.sub("mail")))
    command += ("--smtp-port", str(smtp_port), "--http-port", str(http_port))
    environment = base_environment() | {"PYTHONPATH": str(root)}
    return Program("inbox", command, environment, data.folder, http_ok(f"http://127.0.0.1:{http_port}/healthz"))
