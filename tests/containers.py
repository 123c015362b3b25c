"""MongoDB and MinIO as containers, for `MAILROOM_TEST_SERVERS=containers`.

The images are those of MONGO_IMAGE and MINIO_IMAGE, so that a machine without a registry can use its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

MONGO_IMAGE = "mongo:8"
MINIO_IMAGE = "minio/minio:RELEASE.2025-09-07T16-13-09Z"


@contextmanager
def running() -> Iterator[tuple[str, str, str, str]]:
    """Starts both; yields MongoDB's URI and MinIO's URL, access key and secret key."""
    from testcontainers.minio import MinioContainer
    from testcontainers.mongodb import MongoDbContainer

    # Nothing answers there: the tests only ask MinIO to accept a rule for the target.
    target = {
        "MINIO_NOTIFY_WEBHOOK_ENABLE_MAILROOM": "on",
        "MINIO_NOTIFY_WEBHOOK_ENDPOINT_MAILROOM": "http://127.0.0.1:9/",
    }
    access_key, secret_key = "mailroom", secrets.token_urlsafe(24)
    mongo = MongoDbContainer(os.environ.get("MONGO_IMAGE", MONGO_IMAGE), password=secrets.token_hex(16))
    minio = MinioContainer(os.environ.get("MINIO_IMAGE", MINIO_IMAGE), access_key=access_key, secret_key=secret_key)
    for name, value in target.items():
        minio.with_env(name, value)
    with mongo, minio:
        endpoint = minio.get_config()["endpoint"]
        yield mongo.get_connection_url(), f"http://{endpoint}", access_key, secret_key
