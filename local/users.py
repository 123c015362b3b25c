"""The users of a stack's servers. What they may do is the same in every way of running: compose/prepare.py gives it."""

import secrets
from collections.abc import Iterable

from pymongo import MongoClient

from local.data_folder import DataFolder

ROOT = "root"
OWNER = "mailroom"  # of the database: for set-up and for keys
_OWNERS_SECRET = "mailroom-mongodb-uri"  # noqa: S105  # pragma: allowlist secret


def with_user(uri: str, user: str, password: str) -> str:
    """The connection string, of that user."""
    return f"{uri.replace('mongodb://', f'mongodb://{user}:{password}@')}&authSource=admin"


def connection_strings(data: DataFolder, uri: str, functions: Iterable[str]) -> dict[str, str]:
    """Those of the owner, of backups and of each function, by the names of the secrets that hold them."""

    def of(user: str) -> str:
        return with_user(uri, user, data.kept_secret(f"mongodb-password-{user}", lambda: secrets.token_urlsafe(24)))

    return {_OWNERS_SECRET: of(OWNER), "backup-mongodb-uri": of("backup")} | {
        f"mailroom-mongodb-{name}": of(name) for name in functions
    }


def make_root(uri: str, password: str) -> None:
    """Makes the administrator, as long as there is no access control. Raises PyMongoError."""
    with MongoClient[dict[str, object]](uri) as client:
        if not client.admin.command("usersInfo", ROOT)["users"]:
            client.admin.command("createUser", ROOT, pwd=password, roles=[{"role": "root", "db": "admin"}])
