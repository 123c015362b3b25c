"""The users of a stack's servers. compose/prepare.py gives them their rights, here as in every deployment."""

import secrets
from collections.abc import Iterable

from pymongo import MongoClient

from local.data_folder import DataFolder

ROOT = "root"
OWNER = "mailroom"  # owns the database: used by set-up and for API keys
_OWNERS_SECRET = "mailroom-mongodb-uri"  # noqa: S105  # pragma: allowlist secret


def with_user(uri: str, user: str, password: str) -> str:
    """The connection string with that user in it."""
    return f"{uri.replace('mongodb://', f'mongodb://{user}:{password}@')}&authSource=admin"


def connection_strings(data: DataFolder, uri: str, functions: Iterable[str]) -> dict[str, str]:
    """The connection strings of the owner, of backups and of each function, under the names of their secrets."""

    def of(user: str) -> str:
        return with_user(uri, user, data.kept_secret(f"mongodb-password-{user}", lambda: secrets.token_urlsafe(24)))

    return {_OWNERS_SECRET: of(OWNER), "backup-mongodb-uri": of("backup")} | {
        f"mailroom-mongodb-{name}": of(name) for name in functions
    }


def make_root(uri: str, password: str) -> None:
    """Makes the administrator while access control is off. Raises PyMongoError."""
    with MongoClient[dict[str, object]](uri) as client:
        if not client.admin.command("usersInfo", ROOT)["users"]:
            client.admin.command("createUser", ROOT, pwd=password, roles=[{"role": "root", "db": "admin"}])
