"""Each function's users of the servers may do what `mailroom.deploy.permissions` says, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from minio import Minio
from minio.error import S3Error
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from local.stack import Stack
from mailroom.deploy.permissions import MONGODB

pytestmark = pytest.mark.xdist_group("stack")  # one stack for all of them

UNAUTHORIZED = 13
NOTHING = {"_id": "of test_rights"}
ACTIONS: dict[str, Callable[[Any], Any]] = {
    "find": lambda collection: collection.find_one(NOTHING),
    "insert": lambda collection: collection.insert_one(dict(NOTHING)),
    "update": lambda collection: collection.update_one(NOTHING, {"$set": {"a": 1}}),
    "remove": lambda collection: collection.delete_one(NOTHING),
}
OTHERS: dict[str, Callable[[Database[Any]], Any]] = {
    "index": lambda database: database["imports"].create_index("a"),
    "drop an index": lambda database: database["imports"].drop_index("due"),
    "drop": lambda database: database["imports"].drop(),
    "drop all": lambda database: database.client.drop_database(database.name),
    "make a user": lambda database: database.client.admin.command("createUser", "x", pwd="x", roles=[]),
    "have more rights": lambda database: database.client.admin.command(
        "grantRolesToUser", "invoices", roles=[{"role": "root", "db": "admin"}]
    ),
    "see users": lambda database: list(database.client.admin["system.users"].find()),
    "see another database": lambda database: database.client["other"]["a"].find_one(),
    "write another database": lambda database: database.client["other"]["a"].insert_one({}),
    "stop the server": lambda database: database.client.admin.command("setParameter", 1, logLevel=1),
}


@pytest.fixture(scope="module")
def checks_collections(stack: Stack) -> bool:
    """Whether the server looks at the collection that a right is for: SecantusDB does not."""
    with MongoClient[Any](stack.secrets["mailroom-mongodb-invoice-events"]) as client:
        return not allowed(lambda: client["mailroom"]["apiKeys"].find_one())


@pytest.fixture(params=sorted(MONGODB))
def function(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(stack: Stack, function: str) -> Iterator[Database[Any]]:
    with MongoClient[Any](stack.secrets[f"mailroom-mongodb-{function}"]) as client:
        yield client["mailroom"]
    with MongoClient[Any](stack.info["mongoUri"]) as root:
        for name in collections():
            root["mailroom"][name].delete_one(NOTHING)


def collections() -> set[str]:
    return {name for rights in MONGODB.values() for name in rights if name}  # an empty name: the whole database


def allowed(act: Callable[[], Any]) -> bool:
    try:
        act()
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return False
    return True


def test_each_mongodb_user_can_do_its_work_and_nothing_else(
    database: Database[Any], function: str, checks_collections: bool
):
    rights = MONGODB[function]
    anywhere = {action for actions in rights.values() for action in actions}
    for name in collections():
        for action, act in ACTIONS.items():
            permitted = action in (rights.get(name, ()) if checks_collections else anywhere)
            assert allowed(lambda: act(database[name])) == permitted, (action, name)  # noqa: B023 - called at once
    for name, beyond in OTHERS.items():
        assert not allowed(lambda: beyond(database)), name  # noqa: B023


def test_the_user_for_backups_may_read_all_and_write_only_when_backups_were_made(
    stack: Stack, checks_collections: bool
):
    with MongoClient[Any](stack.secrets["backup-mongodb-uri"]) as client:
        for name in collections():
            assert allowed(lambda: ACTIONS["find"](client["mailroom"][name])), name  # noqa: B023 - called at once
            for action in ("insert", "update"):
                permitted = name == "backups" or not checks_collections
                assert allowed(lambda: ACTIONS[action](client["mailroom"][name])) == permitted, name  # noqa: B023
            assert not allowed(lambda: ACTIONS["remove"](client["mailroom"][name])), name  # noqa: B023
        for name, beyond in OTHERS.items():
            assert not allowed(lambda: beyond(client["mailroom"])), name  # noqa: B023
    with MongoClient[Any](stack.info["mongoUri"]) as root:
        for name in collections():
            root["mailroom"][name].delete_one(NOTHING)


def test_mongodb_refuses_calls_without_a_user(stack: Stack):
    with MongoClient[Any](f"mongodb://127.0.0.1:{stack.ports['mongo']}/?directConnection=true") as stranger:
        assert not allowed(lambda: stranger["mailroom"]["invoices"].find_one())


USERS = {  # bucket: what the user may do there
    "mailroom-s3": {"invoices": "read list", "invoices-rejected": "read list write"},
    "mailroom-uploads": {"invoices": "read list write", "invoices-rejected": "read list"},
    "mailroom-attachments": {"attachments": "read list"},
    "listener-s3": {"invoices": "listen"},
    "people-s3": {"invoices": "list write", "attachments": "list write", "invoices-rejected": "read list"},
}


@pytest.mark.parametrize("user", USERS)
def test_each_s3_user_can_do_its_work_and_nothing_else(stack: Stack, user: str):
    def client(access: str, secret_key: str) -> Minio:
        place = urlsplit(stack.info["minio"]["endpoint"]).netloc
        return Minio(place, access, secret_key, secure=False, region="us-east-1")

    root = client("root", stack.secrets["minio-root-password"])
    ours = client(user, stack.secrets[f"{user}-secret-key"])
    for bucket in ("invoices", "invoices-rejected", "attachments"):
        root.put_object(bucket, "rights/kept", BytesIO(b"a"), 1)
        acts: dict[str, Callable[[], Any]] = {
            "read": lambda: ours.get_object(bucket, "rights/kept").read(),  # noqa: B023
            "list": lambda: list(ours.list_objects(bucket, include_version=True)),  # noqa: B023
            "write": lambda: ours.put_object(bucket, "rights/new", BytesIO(b"a"), 1),  # noqa: B023
            "remove": lambda: ours.remove_object(bucket, "rights/kept"),  # noqa: B023
            "remove the bucket": lambda: ours.remove_bucket(bucket),  # noqa: B023
            "hear of events": lambda: ours.set_bucket_notification(bucket, root.get_bucket_notification(bucket)),  # noqa: B023
            "listen": lambda: heard(root, ours, bucket),  # noqa: B023
            "open it": lambda: ours.set_bucket_policy(bucket, "{}"),  # noqa: B023
        }
        for name, act in acts.items():
            assert permitted(act) == (name in USERS[user].get(bucket, "").split()), (bucket, name)
    assert not permitted(lambda: ours.make_bucket("another"))


def heard(root: Minio, ours: Minio, bucket: str) -> Any:
    """The first event that the stream of the bucket brings; files are uploaded until it does."""
    over = threading.Event()

    def upload() -> None:
        while not over.wait(0.1):
            root.put_object(bucket, "rights/heard", BytesIO(b"a"), 1)

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        with ours.listen_bucket_notification(bucket, events=("s3:ObjectCreated:Put",)) as events:
            return next(events)
    finally:
        over.set()
        thread.join()


def permitted(act: Callable[[], Any]) -> bool:
    try:
        act()
    except S3Error as error:
        if error.code != "AccessDenied":
            raise
        return False
    return True


def test_a_form_that_the_api_gives_out_uploads_and_only_below_its_prefix(stack: Stack):
    headers = {"Authorization": f"Bearer {stack.info['apiKey']}"}
    url = f"{stack.info['gateway']}/function/invoices/uploads"
    form = urllib3.request("POST", url, json={"keyPrefix": "form/", "maxBytes": 1000}, headers=headers).json()

    def upload(key: str, size: int = 1) -> int:
        fields = {**form["fields"], "key": key, "file": ("a.csv", b"a" * size, "text/csv")}
        return urllib3.request("POST", form["url"], fields=fields, redirect=False).status

    assert upload("form/a.csv") in (200, 204)
    assert upload("elsewhere/a.csv") == 403
    assert upload("form/a.csv", 1001) == 400
