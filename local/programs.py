"""The programs of a stack and how to run each: MongoDB, MinIO, the inbox, the functions and the router."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from local import tools, users
from local.data_folder import DataFolder, write
from local.process import Program
from local.ready import http_ok, mongo_writable
from local.stack_file import Function, StackError

PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
EVENT_TARGET = "MAILROOM"  # set-up names it too, in the ARN arn:minio:sqs::MAILROOM:webhook
TEMPLATE = Path("template/python3-http/index.py")


def base_environment() -> dict[str, str]:
    """The variables that every process gets. They hold no setting and no secret of the caller."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def mongo(data: DataFolder, port: int, root_password: str | None = None) -> tuple[Program, str]:
    """MongoDB as a one-node replica set, and its URI. A `mongod` on the PATH is preferred to SecantusDB.

    With a password, access control is on and the URI is that of the user root. Without one, access control is off.
    """
    binary = tools.mongod()
    # mongod and SecantusDB cannot read each other's files: each has its own folder.
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
    return program, users.with_user(uri, users.ROOT, root_password) if root_password else uri


def minio(data: DataFolder, port: int, gateway: str, secrets: Mapping[str, str]) -> Program:
    """MinIO. It queues its events on disk and sends them to the gateway. Builds MinIO if needed: see tools.minio."""
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


def function(
    root: Path, data: DataFolder, ports: tuple[int, int], entry: Function, secrets: Mapping[str, str]
) -> Program:
    """One function, started by the template's own index.py. It gets its own settings and secrets and no others.

    `ports` are that of its calls and that of its metrics, or 0 for none.
    Raises StackError when its handler or a secret is missing.
    """
    if not (entry.handler / "handler.py").exists():
        raise StackError(f"function {entry.name}: there is no {entry.handler}/handler.py")
    if unknown := set(entry.secrets) - set(secrets):
        raise StackError(f"function {entry.name}: no value here for the secrets {', '.join(sorted(unknown))}")
    port, metrics_port = ports
    files = data.secret_files(entry.name, {name: secrets[name] for name in entry.secrets})
    environment = {
        **base_environment(),
        **entry.environment,
        "FUNCTION_DIR": str(entry.handler),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "METRICS_HOST": "127.0.0.1",
        "METRICS_PORT": str(metrics_port),
        "SECRETS_DIR": str(files),
        "PYTHONPATH": str(root),
    }
    return Program(
        entry.name,
        (sys.executable, str(root / TEMPLATE)),
        environment,
        data.folder,
        http_ok(f"http://127.0.0.1:{port}/_/ready"),
        stop_signal=signal.SIGINT,  # SIGTERM waits for further calls, which only a platform needs
    )


def router(root: Path, data: DataFolder, port: int, entries: Mapping[str, tuple[Function, int]]) -> Program:
    """The router. It knows the port and the schedule of each function."""
    routes = {
        name: {"url": f"http://127.0.0.1:{function_port}", "schedule": entry.schedule}
        for name, (entry, function_port) in entries.items()
    }
    file = data.folder / "routes.json"
    write(file, json.dumps(routes, indent=2))
    command = (sys.executable, "-m", "local.router", "--port", str(port), "--routes", str(file))
    environment = base_environment() | {"PYTHONPATH": str(root)}
    return Program("router", command, environment, data.folder, http_ok(f"http://127.0.0.1:{port}/healthz"))
