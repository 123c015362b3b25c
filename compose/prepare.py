"""Prepares the servers of a new deployment for `python -m mailroom setup`. Idempotent; blocks up to two minutes.

MongoDB becomes a replica set of one. Its user for set-up and API keys may read and write our database. MongoDB and
MinIO get one user for each function, with the rights in `mailroom.deploy.permissions`. MinIO also gets a user for
people, and both a user for backups, who may read everything.
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

from mailroom.deploy import permissions

SECRETS = Path(os.environ.get("SECRETS_DIR", "/var/openfaas/secrets"))
READY_SECONDS = 90.0
ALREADY_INITIALIZED, ROLE_EXISTS, USER_EXISTS = 23, 51002, 51003


class NotReady(Exception):
    """A server could not be prepared. The message names it and says where to look."""


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
    """Initiates the replica set, waits for its primary and makes the users."""
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
        _set_user(client.admin, uri, {"role": "readWrite", "db": database})
        notes = f"{database}-backups"
        _set_role(client.admin, notes, permissions.privileges(permissions.BACKUPS, database))
        reads_all = {"role": "read", "db": database}
        _set_user(client.admin, parse_uri(secret("backup-mongodb-uri")), reads_all, {"role": notes, "db": "admin"})
        for function, rights in permissions.MONGODB.items():
            role = f"{database}-{function}"
            _set_role(client.admin, role, permissions.privileges(rights, database))
            _set_user(client.admin, parse_uri(secret(f"mailroom-mongodb-{function}")), {"role": role, "db": "admin"})
    print(f"MongoDB: replica set {name}, users {', '.join([uri['username'], *permissions.MONGODB])}", file=sys.stderr)


def _wait_for_primary(client: MongoClient, configuration: dict) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
                return
            client.admin.command("replSetInitiate", configuration)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise NotReady(f"MongoDB refuses root: {error}. Is the password new, and the volume old?") from error
        except ConnectionFailure as error:
            if time.monotonic() > end:
                raise NotReady(f"MongoDB does not answer: {error}") from error
            continue  # the driver has waited already
        if time.monotonic() > end:
            raise NotReady(f"MongoDB is no primary after {READY_SECONDS:.0f} s: see its log")
        time.sleep(0.2)


def _set_role(admin: Database, role: str, privileges: list[dict]) -> None:
    what = {"privileges": privileges, "roles": []}
    try:
        admin.command("createRole", role, **what)
    except OperationFailure as error:
        if error.code != ROLE_EXISTS:
            raise
        admin.command("updateRole", role, **what)


def _set_user(admin: Database, uri: dict, *roles: dict) -> None:
    """Makes or updates the user of a connection string."""
    what = {"pwd": uri["password"], "roles": list(roles)}
    try:
        admin.command("createUser", uri["username"], **what)
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        admin.command("updateUser", uri["username"], **what)


def minio() -> None:
    """Makes the users and their policies."""
    invoices = os.environ.get("INVOICES_BUCKET", "invoices")
    attachments = os.environ.get("ATTACHMENTS_BUCKET", "attachments")
    rejects = os.environ.get("REJECTS_BUCKET", "invoices-rejected")
    url = urlsplit(os.environ["S3_ENDPOINT"])
    admin = MinioAdmin(
        endpoint=url.netloc,
        credentials=StaticProvider("root", secret("minio-root-password")),
        secure=url.scheme == "https",
    )
    for prefix, policy in permissions.policies(invoices, rejects, attachments).items():
        user = secret(f"{prefix}-access-key")
        admin.policy_add(prefix, policy=policy)
        admin.user_add(user, secret(f"{prefix}-secret-key"))
        try:
            admin.policy_set(prefix, user=user)
        except MinioAdminException as error:
            if "already" not in str(error):  # the policy is in effect already
                raise
        print(f"MinIO: user {user}, policy {prefix}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
