"""MongoDB and MinIO as containers, for `MAILROOM_TEST_SERVERS=containers`.

The images are those of images.env. MONGO_IMAGE and MINIO_IMAGE replace them: a machine without a registry uses its own.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from local.pins import images
from local.stack_file import ROOT

READY_SECONDS = 60
ALREADY_INITIALIZED = 23


@contextmanager
def running() -> Iterator[tuple[str, str, str, str]]:
    """Starts both. Yields MongoDB's URI and MinIO's URL, access key and secret key."""
    from testcontainers.community.minio import MinioContainer
    from testcontainers.core.container import DockerContainer

    known = images.read(ROOT)
    mongo_image = os.environ.get("MONGO_IMAGE") or str(known["MONGO_IMAGE"])
    minio_image = os.environ.get("MINIO_IMAGE") or str(known["TEST_MINIO_IMAGE"])
    # Without a replica set MongoDB has no retryable writes; with one, passwords would need a key file.
    mongo = DockerContainer(mongo_image)
    mongo.with_command("--replSet rs0 --bind_ip_all").with_exposed_ports(27017)
    access_key, secret_key = "mailroom", secrets.token_urlsafe(24)  # pragma: allowlist secret
    minio = MinioContainer(minio_image, access_key=access_key, secret_key=secret_key)
    # Nothing answers at that address: the tests only ask MinIO to accept a rule for the target.
    minio.with_env("MINIO_NOTIFY_WEBHOOK_ENABLE_MAILROOM", "on")
    minio.with_env("MINIO_NOTIFY_WEBHOOK_ENDPOINT_MAILROOM", "http://127.0.0.1:9/")
    with mongo, minio:
        uri = f"mongodb://{mongo.get_container_host_ip()}:{mongo.get_exposed_port(27017)}/?directConnection=true"
        _initiate(uri)
        yield uri, f"http://{minio.get_config()['endpoint']}", access_key, secret_key


def _initiate(uri: str) -> None:
    """Makes the server a replica set of one, and waits until it is the primary."""
    config = {"_id": "rs0", "members": [{"_id": 0, "host": "localhost:27017"}]}
    end = time.monotonic() + READY_SECONDS
    with MongoClient(uri, serverSelectionTimeoutMS=1000) as client:
        while time.monotonic() < end:
            try:
                client.admin.command("replSetInitiate", config)
            except OperationFailure as error:
                if error.code != ALREADY_INITIALIZED:
                    raise
            except ConnectionFailure:
                continue  # it is still starting
            if client.admin.command("hello").get("isWritablePrimary"):
                return
    raise TimeoutError(f"MongoDB at {uri} is no primary after {READY_SECONDS} s")
