"""The connection to MongoDB: short time-outs, majority writes, and which errors mean "later"."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from mailroom.errors import InvalidSetting, Unavailable

Document = dict[str, Any]
Documents = Collection[Document]

DUPLICATE_KEY = 11000  # the code of an error

MOST_COUNTED = 100_000
"""Counts that people look at end here: more are not worth the time to count them."""

_BAD_VALUE, _SORT_TOO_LARGE = 2, 292

# Codes of errors after which the same operation may succeed.
_TRANSIENT_CODES = {
    # A server that is not reached, by another server: HostUnreachable, HostNotFound, NetworkTimeout, SocketException.
    *(6, 7, 89, 9001),
    # A server that is no longer primary, or shutting down: ShutdownInProgress, PrimarySteppedDown, NotWritablePrimary,
    # InterruptedAtShutdown, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary.
    *(91, 189, 10107, 11600, 11602, 13435, 13436),
    # A majority that is not there yet: WriteConcernTimeout, ReadConcernMajorityNotAvailableYet.
    *(64, 134),
    # An operation that was ended early: CursorNotFound, MaxTimeMSExpired, QueryPlanKilled (its index was dropped),
    # CursorKilled, ExceededTimeLimit, Interrupted.
    *(43, 50, 175, 237, 262, 11601),
}


def connect(uri: str, database: str, timeout: float) -> Database[Document]:
    """The database `database` at `uri`. Nothing is sent before the first operation.

    `timeout` (seconds) bounds each answer; a server is looked for a quarter of it, so that a caller is told soon.

    Raises:
        InvalidSetting: `uri` is no connection string. The message holds nothing of it.
    """
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise InvalidSetting("the connection string of MongoDB must begin with mongodb://")
    # At "debug" the driver logs every command with its documents: other people's mail and invoices.
    logging.getLogger("pymongo").setLevel(logging.INFO)
    milliseconds = int(timeout * 1000)
    try:
        client: MongoClient[Document] = MongoClient(
            uri,
            appname="mailroom",
            tz_aware=True,
            tzinfo=UTC,
            w="majority",
            wTimeoutMS=milliseconds,
            readConcernLevel="majority",
            connectTimeoutMS=milliseconds // 4,
            serverSelectionTimeoutMS=milliseconds // 4,
            socketTimeoutMS=milliseconds,
            retryWrites=True,
        )
    except (ConfigurationError, ValueError) as error:
        # Without the driver's words: they may hold a part of the password.
        raise InvalidSetting(f"the connection string of MongoDB cannot be used: {type(error).__name__}") from None
    return client[database]


def server_time(database: Database[Document]) -> datetime:
    """The database server's clock, which all leases and due times are read from. UTC, milliseconds."""
    now: datetime = read_command(database.client.admin, "hello")["localTime"]
    return now.astimezone(UTC)


def read_command(database: Database[Document], name: str) -> Document:
    """Runs a command that changes nothing.

    It is sent again once if the connection broke: after a fail-over each connection of the pool is stale, and the
    driver repeats only its own reads.
    """
    try:
        return database.command(name)
    except (ServerSelectionTimeoutError, NetworkTimeout):
        raise  # a second try would take as long
    except AutoReconnect:
        return database.command(name)


@contextmanager
def time_limit(database: Database[Document], seconds: float) -> Iterator[None]:
    """Gives each operation in the block `seconds` instead of the client's time-out; the server ends it then.

    Raises the driver's error at once if MongoDB does not answer: in the block the driver would also look for a
    lost server for that long.
    """
    read_command(database, "ping")
    with pymongo.timeout(seconds):
        yield


def documents_of(batch: bytes) -> Iterator[bytes]:
    """The documents of a batch that `find_raw_batches` gives."""
    at = 0
    while at < len(batch):
        end = at + int.from_bytes(batch[at : at + 4], "little")  # a document begins with its size
        yield batch[at:end]
        at = end


def is_transient(error: PyMongoError) -> bool:
    """Whether the same operation may succeed later. Its outcome may be unknown: what is repeated is idempotent."""
    if isinstance(error, ConfigurationError):
        return False
    if isinstance(error, BulkWriteError):
        return _is_transient_bulk(error.details)
    if isinstance(error, ConnectionFailure | AutoReconnect | ExecutionTimeout | WriteConcernError):
        return True
    if isinstance(error, OperationFailure):
        return error.code in _TRANSIENT_CODES or error.has_error_label("RetryableWriteError")
    return False


def _is_transient_bulk(details: Mapping[str, Any]) -> bool:
    """Whether a bulk write was not confirmed, or failed only by transient errors.

    An unordered write reports a step-down for each document. Duplicate keys beside it do not count: a repetition meets
    them too, and its caller deals with them.
    """
    codes = {each["code"] for each in details.get("writeErrors", ())} - {DUPLICATE_KEY}
    return bool(details.get("writeConcernErrors")) or (bool(codes) and codes <= _TRANSIENT_CODES)


def lacks_index(error: PyMongoError) -> bool:
    """Whether a query named an index that is not there, or could not sort without one: set-up was not run."""
    if not isinstance(error, OperationFailure):
        return False
    return error.code == _SORT_TOO_LARGE or (error.code == _BAD_VALUE and "hint" in str(error))


@contextmanager
def errors_without_documents() -> Iterator[None]:
    """Takes the documents out of the error of a bulk write. The driver puts them into its text, which is logged."""
    try:
        yield
    except BulkWriteError as error:
        errors = [{name: each[name] for name in each if name != "op"} for each in error.details["writeErrors"]]
        raise BulkWriteError({**error.details, "writeErrors": errors}) from None


@contextmanager
def unavailable_when_down() -> Iterator[None]:
    """Turns the driver's transient errors into `Unavailable`; all others pass."""
    try:
        yield
    except PyMongoError as error:
        if is_transient(error):
            raise Unavailable("MongoDB does not answer") from error
        raise


def counted(collection: Documents, which: Document, index: str) -> int:
    """How many documents there are, up to `MOST_COUNTED`, by an index. Errors are the driver's."""
    return collection.count_documents(which, limit=MOST_COUNTED, hint=index)
