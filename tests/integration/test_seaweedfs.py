"""SeaweedFS' users, as docs/storage.md gives them: what they may do, and what it cannot forbid them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

from tests.support import seaweedfs

KEY = "a secret of the tests"  # pragma: allowlist secret
USERS = {
    "mailroom-s3": ["Read:invoices", "List:invoices", "Read:rejects", "List:rejects", "Write:rejects"],
    "mailroom-uploads": ["Read:invoices", "List:invoices", "Write:invoices", "Read:rejects", "List:rejects"],
    "mailroom-attachments": ["Read:attachments", "List:attachments"],
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Minio]]:
    """A client of each user, on a server with the three buckets and a file in each."""
    users = [seaweedfs.identity(name, KEY, actions) for name, actions in USERS.items()]
    with seaweedfs.running(tmp_path_factory.mktemp("seaweedfs") / "data", users) as (endpoint, root, secret_key):

        def client(name: str) -> Minio:
            key = secret_key if name == root else KEY
            return Minio(endpoint.removeprefix("http://"), name, key, secure=False, region="us-east-1")

        for bucket in ("invoices", "rejects", "attachments"):
            client(root).make_bucket(bucket)
            client(root).set_bucket_versioning(bucket, VersioningConfig(ENABLED))
            put(client(root), bucket)
        yield client


def put(client: Minio, bucket: str) -> None:
    client.put_object(bucket, "may.csv", BytesIO(b"x"), 1)


def read(client: Minio, bucket: str) -> None:
    client.get_object(bucket, "may.csv").read()


def list_(client: Minio, bucket: str) -> None:
    assert list(client.list_objects(bucket, recursive=True, include_version=True))


def allowed(client: Minio, bucket: str) -> str:
    """Which of reading, listing and writing the user may do in the bucket."""
    may = ""
    for letter, action in {"r": read, "l": list_, "w": put}.items():
        try:
            action(client, bucket)
        except S3Error as error:
            assert error.code == "AccessDenied"  # noqa: PT017
        else:
            may += letter
    return may


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mailroom-s3", {"invoices": "rl", "rejects": "rlw", "attachments": ""}),
        ("mailroom-uploads", {"invoices": "rlw", "rejects": "rl", "attachments": ""}),
        ("mailroom-attachments", {"invoices": "", "rejects": "", "attachments": "rl"}),
    ],
)
def test_users_may_do_their_work_in_their_buckets_only(
    clients: Callable[[str], Minio], name: str, expected: dict[str, str]
):
    assert {bucket: allowed(clients(name), bucket) for bucket in expected} == expected


@pytest.mark.slow
def test_who_may_upload_may_also_delete(clients: Callable[[str], Minio]):
    """MinIO tells the two apart. If this fails, docs/storage.md can promise more."""
    put(clients("mailroom-uploads"), "invoices")
    clients("mailroom-uploads").remove_object("invoices", "may.csv")
    with pytest.raises(S3Error, match="NoSuchKey"):
        read(clients("mailroom-uploads"), "invoices")
