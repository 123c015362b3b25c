"""Readiness checks of the servers. Each check answers at once and never raises."""

from collections.abc import Callable
from typing import Any

import urllib3
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

TIMEOUT_SECONDS = 2.0
NOT_INITIATED = 94  # MongoDB's NotYetInitialized


def http_ok(url: str) -> Callable[[], bool]:
    """The server answers a GET of `url` with 200."""

    def ready() -> bool:
        try:
            # A connection that stays open would delay the end of the server.
            answer = urllib3.request(
                "GET", url, headers={"Connection": "close"}, timeout=TIMEOUT_SECONDS, retries=False
            )
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200

    return ready


def mongo_writable(port: int, replica_set: str, root_password: str | None) -> Callable[[], bool]:
    """The server is the primary of its replica set. If it is not, the check initiates the set or corrects its port."""
    root: dict[str, Any] = {"username": "root", "password": root_password} if root_password else {}

    def ready() -> bool:
        try:
            with MongoClient[dict[str, object]](
                "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=300, connectTimeoutMS=300, **root
            ) as client:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return True
                _set_up(client, replica_set, f"127.0.0.1:{port}")
        except PyMongoError:
            pass
        return False

    return ready


def _set_up(client: MongoClient[dict[str, object]], replica_set: str, host: str) -> None:
    """Makes this server the only member of its set, under its present address."""
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code == NOT_INITIATED:
            client.admin.command("replSetInitiate", {"_id": replica_set, "members": [{"_id": 0, "host": host}]})
        return
    if config["members"][0]["host"] != host:
        config["members"][0]["host"] = host
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
