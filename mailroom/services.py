"""The one place where settings, secrets and clients meet. Clients are made when first used, once per process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

from pymongo.database import Database

from mailroom.platform import environment, minio_metrics, mongo, objects, secrets
from mailroom.platform.api_keys import ApiKeys
from mailroom.platform.kick import WEBHOOK_SENDER, Kicker
from mailroom.platform.kick_marks import KickMarks, WorkerMarks
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectStore
from mailroom.platform.secrets import Secrets
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.settings import Settings
from mailroom.platform.worker_calls import WorkerCalls
from mailroom.webhooks.announcements import Announcer

# A store that hangs delays each call of the importer by this much at most.
_MINIO_METRICS_SECONDS = 2.0


class Services:
    """What a process of ours uses. Nothing connects before it is needed, so that a function answers at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.secrets = Secrets(settings.secrets_dir)
        self._closers: list[Callable[[], None]] = []

    @classmethod
    def from_environment(cls) -> Services:
        """Raises `InvalidSetting` when the environment is wrong: a function then fails at start, not at a call."""
        return cls(environment.load())

    def mongodb_uri(self) -> str:
        """The connection string as its file has it now. Raises `MissingSecret`."""
        return self.secrets.read(self.settings.mongodb_secret)

    @cached_property
    def database(self) -> Database[Document]:
        return mongo.connect(
            self.mongodb_uri(),
            self.settings.mongodb_database,
            self.settings.mongodb_timeout_seconds,
        )

    @cached_property
    def clock(self) -> ServerClock:
        """The database server's clock. All of the process share its readings."""
        return ServerClock(self.database)

    @cached_property
    def objects(self) -> ObjectStore:
        return self._own_store(secrets.S3_ACCESS_KEY, secrets.S3_SECRET_KEY)

    @cached_property
    def uploads(self) -> ObjectStore:
        """The same store, for those who give out forms: they may upload invoices, and read them."""
        return self._own_store(secrets.UPLOADS_ACCESS_KEY, secrets.UPLOADS_SECRET_KEY)

    @cached_property
    def attachments(self) -> ObjectStore:
        """The same store, for those who may read the attachments' bucket and nothing else."""
        return self._own_store(secrets.ATTACHMENTS_ACCESS_KEY, secrets.ATTACHMENTS_SECRET_KEY)

    def store(self, access_key: str, secret_key: str, endpoint: str, region: str | None) -> ObjectStore:
        """The store at `endpoint`, with the keys that these two secrets hold. Without a `region` the store is asked."""
        return ObjectStore(
            lambda: objects.connect(
                endpoint,
                region,
                lambda: (self.secrets.read(access_key), self.secrets.read(secret_key)),
                self.settings.s3_timeout_seconds,
            )
        )

    def minio_started_at(self) -> float | None:
        """When the object store was started, in Unix seconds; None if it does not tell."""
        return minio_metrics.started_at(self.minio_metrics())

    def minio_metrics(self) -> str:
        """The metrics of the object store; empty if it tells none."""
        return minio_metrics.read(
            self.settings.s3_endpoint,
            self.secrets.read(secrets.S3_ACCESS_KEY),
            self.secrets.read(secrets.S3_SECRET_KEY),
            min(self.settings.s3_timeout_seconds, _MINIO_METRICS_SECONDS),
        )

    def _own_store(self, access_key: str, secret_key: str) -> ObjectStore:
        return self.store(access_key, secret_key, self.settings.s3_endpoint, self.settings.s3_region)

    @cached_property
    def keys(self) -> ApiKeys:
        return ApiKeys(self.database["apiKeys"])

    @cached_property
    def kicker(self) -> Kicker:
        return Kicker(self.settings.kick_url, self._kick_marks)

    @cached_property
    def announcer(self) -> Announcer:
        return Announcer(self.database, self.clock, partial(self.kicker.kick, WEBHOOK_SENDER))

    @cached_property
    def _kick_marks(self) -> KickMarks:
        return KickMarks(self.database["kicks"], self.clock)

    def worker_marks(self, function: str) -> WorkerMarks:
        """The marks that the worker `function` sets."""
        calls = WorkerCalls(self.database["workers"], self.clock, function)
        return WorkerMarks(self._kick_marks, calls, function)

    def at_close(self, closer: Callable[[], None]) -> None:
        """Has `closer` called when the process ends, while everything else still works."""
        self._closers.append(closer)

    def close(self) -> None:
        """Ends what the applications asked for, sends the last kicks and closes the connections."""
        while self._closers:
            self._closers.pop()()
        if "kicker" in self.__dict__:
            self.kicker.close()
        if "database" in self.__dict__:
            self.database.client.close()
