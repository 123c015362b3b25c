"""Makes the servers of a new deployment ready for `python -m mailroom setup`. Idempotent; blocks up to a minute or two.

MongoDB becomes a replica set of one, with a user who may read and write our database and nothing else. MinIO gets three
users: that of the importer, that of the sender, who reads attachments and nothing else, and one for people, who may
upload invoices and attachments and read rejects.
"""

import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri
from urllib3.exceptions import HTTPError

SECRETS = Path(os.environ.get("SECRETS_DIR", "/var/openfaas/secrets"))
READY_SECONDS = 90.0
ALREADY_INITIALIZED, USER_EXISTS = 23, 51003

READ = ["s3:GetObject", "s3:GetObjectVersion"]
LIST = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"]


class NotReady(Exception):
    """A server could not be made ready. The message says which, and what to look at."""


def main() -> int:
    try:
        mongo()
        minio()
    except (NotReady, PyMongoError, MinioAdminException, HTTPError) as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 1
    return 0


def secret(name: str) -> str:
    file = SECRETS / name
    try:
        value = file.read_text().strip()
    except OSError as error:
        raise NotReady(f"the secret {name} is missing: expected in the file {file}") from error
    if not value:
        raise NotReady(f"the secret {name} is empty: {file}")
    return value


def mongo() -> None:
    """Initiates the set, waits for its primary, makes the user."""
    uri = parse_uri(secret("mailroom-mongodb-uri"))
    (host, port), name = uri["nodelist"][0], uri["options"]["replicaSet"]
    with MongoClient(
        host,
        port,
        username="root",
        password=secret("mongodb-root-password"),
        directConnection=True,
        serverSelectionTimeoutMS=2000,
    ) as client:
        _wait_for_primary(client, {"_id": name, "members": [{"_id": 0, "host": f"{host}:{port}"}]})
        database = os.environ.get("MONGODB_DATABASE", "mailroom")
        _set_user(client.admin, uri["username"], uri["password"], database)
    print(f"MongoDB: replica set {name}, user {uri['username']}", file=sys.stderr)


def _wait_for_primary(client: MongoClient, configuration: dict) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            client.admin.command("replSetInitiate", configuration)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise NotReady(
                    f"MongoDB refuses root: {error}. Was the password made anew, and the volume kept?"
                ) from error
        except ConnectionFailure as error:
            if time.monotonic() > end:
                raise NotReady(f"MongoDB does not answer: {error}") from error
            continue  # waited for by the driver
        if client.admin.command("hello").get("isWritablePrimary"):
            return
        if time.monotonic() > end:
            raise NotReady(f"MongoDB is no primary after {READY_SECONDS:.0f} s: see its log")
        time.sleep(0.2)


def _set_user(admin: Database, user: str, password: str, database: str) -> None:
    rights = {"pwd": password, "roles": [{"role": "readWrite", "db": database}]}
    try:
        admin.command("createUser", user, **rights)
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        admin.command("updateUser", user, **rights)


def minio() -> None:
    """Makes the users, with their rights."""
    invoices = os.environ.get("INVOICES_BUCKET", "invoices")
    attachments = os.environ.get("ATTACHMENTS_BUCKET", "attachments")
    rejects = os.environ.get("REJECTS_BUCKET", "invoices-rejected")
    url = urlsplit(os.environ["S3_ENDPOINT"])
    admin = MinioAdmin(
        endpoint=url.netloc,
        credentials=StaticProvider("root", secret("minio-root-password")),
        secure=url.scheme == "https",
    )
    for name, prefix, rights in users(invoices, rejects, attachments):
        user = secret(f"{prefix}-access-key")
        admin.policy_add(name, policy=policy(rights))
        admin.user_add(user, secret(f"{prefix}-secret-key"))
        try:
            admin.policy_set(name, user=user)
        except MinioAdminException as error:
            if "already" not in str(error):  # in effect
                raise
        print(f"MinIO: user {user}, policy {name}", file=sys.stderr)


def users(invoices: str, rejects: str, attachments: str) -> list[tuple[str, str, list[tuple[list[str], str]]]]:
    """Each user's policy, how its secrets' names begin, and what it may do in which bucket."""
    functions = [(READ + LIST, invoices), ([*READ, *LIST, "s3:PutObject"], rejects)]
    people = [(["s3:PutObject", *LIST], invoices), (["s3:PutObject", *LIST], attachments), (READ + LIST, rejects)]
    return [
        ("mailroom-functions", "mailroom-s3", functions),
        ("mailroom-attachments", "mailroom-attachments", [(READ + LIST, attachments)]),
        ("mailroom-people", "people-s3", people),
    ]


def policy(rights: list[tuple[list[str], str]]) -> dict:
    statements = [
        {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
        for actions, bucket in rights
    ]
    return {"Version": "2012-10-17", "Statement": statements}


if __name__ == "__main__":
    sys.exit(main())
