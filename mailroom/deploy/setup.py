"""Set-up: indexes, buckets with versions, the event rule if there is one. Idempotent: run it at every deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from minio import Minio
from minio.commonconfig import ENABLED
from minio.error import S3Error
from minio.notificationconfig import NotificationConfig, QueueConfig
from minio.versioningconfig import VersioningConfig
from pymongo import IndexModel
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure

from mailroom.errors import MailroomError, Unavailable
from mailroom.events.s3_event import EVENT_NAMES
from mailroom.invoices import indexes as invoices
from mailroom.invoices.imports import reconcile, restarts
from mailroom.keys import indexes as keys
from mailroom.notifications import indexes as notifications
from mailroom.notifications.outbox.upgrade import note_senders, rewrite_address_keys
from mailroom.platform.mongo import Documents, server_time, time_limit
from mailroom.platform.objects import translated_errors
from mailroom.platform.secrets import S3_ACCESS_KEY, S3_SECRET_KEY
from mailroom.platform.setup_note import write_note
from mailroom.services import Services
from mailroom.webhooks import indexes as webhooks

INDEXES: dict[str, list[IndexModel]] = invoices.INDEXES | keys.INDEXES | notifications.INDEXES | webhooks.INDEXES

# How long MongoDB may build the indexes of one collection. It reads every document; many millions take hours.
_INDEXES_SECONDS = 24 * 3600.0

_INDEX_NOT_FOUND = 27


class SetupFailed(MailroomError):
    """A step was refused. The message names it and says what to do."""


def run(services: Services, say: Callable[[str], None]) -> None:
    """Does every step, telling `say` about each.

    Raises:
        SetupFailed, MissingSecret, InvalidSetting: what was done until then stays; run it again.
    """
    with _told_of_mongodb(services.settings.mongodb_secret):
        for line in _database(services):
            say(line)
    with _told_of_s3(services.settings.s3_endpoint):
        for line in _buckets(services):
            say(line)
    with _told_of_mongodb(services.settings.mongodb_secret):
        _note(services)


@contextmanager
def _told_of_mongodb(secret: str) -> Iterator[None]:
    try:
        yield
    except ConnectionFailure as error:
        # Only its first words: a description of the whole topology follows them.
        reason = str(error).partition(", Timeout:")[0].partition(" (configured")[0]
        raise SetupFailed(
            f"MongoDB does not answer: {reason}. Is it up, and is the address in the secret {secret} right?"
        ) from error
    except ExecutionTimeout as error:
        raise SetupFailed(f"MongoDB has not ended in time: {error}. Run the set-up again.") from error
    except OperationFailure as error:
        text = (error.details or {}).get("errmsg", str(error))
        raise SetupFailed(
            f"MongoDB refuses: {text} (code {error.code}). Has the user of the secret {secret} its rights?"
        ) from (error)


@contextmanager
def _told_of_s3(endpoint: str) -> Iterator[None]:
    try:
        with translated_errors():
            yield
    except Unavailable as error:
        raise SetupFailed(
            f"{error}: {endpoint}. Is it up, is S3_ENDPOINT right, and are the secrets {S3_ACCESS_KEY} and "
            f"{S3_SECRET_KEY} those of its administrator?"
        ) from error


def _database(services: Services) -> Iterator[str]:
    for name, wanted in INDEXES.items():
        yield from _indexes(services.database[name], wanted)
    services.database["cursors"].update_one(
        {"_id": reconcile.CURSOR_ID}, {"$setOnInsert": {"startAfter": "", "dueAt": datetime.now(UTC)}}, upsert=True
    )
    services.database["cursors"].update_one(
        {"_id": restarts.CURSOR_ID}, {"$setOnInsert": {"startAfter": None, "startedAt": 0.0}}, upsert=True
    )
    messages, suppressions = rewrite_address_keys(services.database)
    if messages or suppressions:
        yield f"keys of addresses: rewritten in {messages} notifications and {suppressions} suppressions"
    if noted := note_senders(services.database):
        yield f"senders of notifications: noted in {noted}"


def _note(services: Services) -> None:
    """Notes which indexes there are, so that each function sees whether set-up is as new as its code.

    Those of a later version count too: an update that was taken back and made again has them already.
    """
    made = {
        name: [*services.database[name].index_information(), *notifications.REPLACED.get(name, ())] for name in INDEXES
    }
    write_note(services.database["workers"], made, server_time(services.database))


def _indexes(collection: Documents, wanted: list[IndexModel]) -> Iterator[str]:
    """Makes the indexes, then drops those of earlier versions that they replace.

    A function of the version before goes on meanwhile, and afterwards: it names no replaced index in its queries.
    """
    names = [model.document["name"] for model in wanted]
    found = set(collection.index_information())
    missing = [name for name in names if name not in found]
    documents = collection.estimated_document_count() if missing else 0
    if documents:
        yield (
            f"{collection.name}: MongoDB builds the indexes {', '.join(missing)} over {documents:,} documents. "
            "The functions go on meanwhile"
        )
    with time_limit(collection.database, _INDEXES_SECONDS):
        collection.create_indexes(wanted)
    replaced = found & set(notifications.REPLACED.get(collection.name, ()))
    foreign = sorted(found - replaced - {*names, "_id_"})
    also = f" (also found: {', '.join(foreign)})" if foreign else ""
    yield f"indexes of {collection.name}: {', '.join(names)}{also}"
    for name in sorted(replaced):
        _drop_index(collection, name)
        yield f"{collection.name}: dropped the index {name}, which another one replaces"


def _drop_index(collection: Documents, name: str) -> None:
    try:
        collection.drop_index(name)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:  # another set-up has dropped it
            raise


def _buckets(services: Services) -> Iterator[str]:
    settings, client = services.settings, services.objects.client
    for bucket in (settings.invoices_bucket, settings.rejects_bucket, settings.attachments_bucket):
        _make_bucket(client, bucket, settings.s3_region)
        yield f"bucket {bucket}"
    for bucket in (settings.invoices_bucket, settings.attachments_bucket):
        client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
        yield f"versions of {bucket}: on"
    if settings.events == "poll":
        yield f"events of {settings.invoices_bucket}: none, the importer lists the bucket"
    else:
        _set_event_rule(client, settings.invoices_bucket, settings.webhook_arn)
        yield f"events of {settings.invoices_bucket}: to {settings.webhook_arn}"


def _make_bucket(client: Minio, bucket: str, region: str) -> None:
    try:
        client.make_bucket(bucket, location=region)
    except S3Error as error:
        if error.code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
            raise  # nothing is wrong with the bucket
        if error.code != "BucketAlreadyOwnedByYou":
            raise SetupFailed(f"the bucket {bucket} cannot be made: {error.code} {error.message}") from error


def _set_event_rule(client: Minio, bucket: str, arn: str) -> None:
    """Replaces the rule for our target, and keeps those for others."""
    found = client.get_bucket_notification(bucket)
    others = [rule for rule in found.queue_config_list or [] if rule.queue != arn]
    config = NotificationConfig(
        cloud_func_config_list=found.cloud_func_config_list,
        queue_config_list=[*others, QueueConfig(queue=arn, events=list(EVENT_NAMES))],
        topic_config_list=found.topic_config_list,
    )
    try:
        client.set_bucket_notification(bucket, config)
    except S3Error as error:
        raise SetupFailed(
            f"the events of the bucket {bucket} cannot be sent to {arn}: {error.code} {error.message} "
            "Does the S3 server have that webhook target (MINIO_NOTIFY_WEBHOOK_ENABLE_MAILROOM=on)? "
            "EVENTS=poll does without events."
        ) from error
