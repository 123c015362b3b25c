"""What can be told from MongoDB and the object store about the whole of Mailroom: workers, set-up, bucket, backups.

Whether MinIO's event rule is there, the function `invoices` may not ask: the metrics and `make doctor` tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from mailroom.errors import MissingSecret, Unavailable
from mailroom.invoices.imports.waiting_facts import ImportWaiting
from mailroom.platform import backup_record
from mailroom.platform.kick import IMPORTER, SENDER, WEBHOOK_SENDER
from mailroom.platform.objects import ObjectStore, translated_errors
from mailroom.platform.waiting import of_worker, shown, worker_state

KEPT_SECONDS = 15.0
"""A page that asks again and again costs MongoDB and the object store no more than this allows."""

# An import that is due for longer tells of too few workers, or of none.
_LONG = timedelta(minutes=10)

# A backup is made every day.
_BACKUP_IS_OLD = timedelta(hours=26)


class HealthCheck(msgspec.Struct, frozen=True):
    """One thing that was looked at. `text` is one sentence for people; `since` is when a problem began, if known.

    `code` says for programs what the problem is, as with `Waiting`; it is empty without a problem.
    """

    name: str
    healthy: bool
    text: str
    since: datetime | None = None
    code: str = ""


class Health(msgspec.Struct, frozen=True):
    """All that was looked at, and when."""

    checks: list[HealthCheck]
    computed_at: datetime


class HealthChecks(msgspec.Struct, frozen=True):
    """Looks at everything. Blocks for MongoDB and the object store; errors are those of MongoDB's driver.

    `indexes` gives the indexes that set-up makes, by collection.
    """

    waiting: ImportWaiting
    objects: ObjectStore
    bucket: str
    indexes: Callable[[], Mapping[str, Iterable[IndexModel]]]

    def look(self) -> Health:
        now = self.waiting.clock.now()
        workers = [self._worker(name, now) for name in (IMPORTER, SENDER, WEBHOOK_SENDER)]
        return Health([self._setup(), *workers, self._imports(now), self._objects(), self._backups(now)], now)

    def _setup(self) -> HealthCheck:
        state = worker_state(self.waiting.workers, IMPORTER, self.indexes())
        ran = f"ran at {shown(state.setup_ran_at)}" if state.setup_ran_at else "has not run"
        if state.setup_outdated:
            return HealthCheck("setup", False, f"Set-up {ran}, and must run: python -m mailroom setup.", code="setup")
        return HealthCheck("setup", True, f"Set-up {ran}.")

    def _worker(self, function: str, now: datetime) -> HealthCheck:
        # Set-up is looked at on its own.
        state = replace(worker_state(self.waiting.workers, function, {}), setup_outdated=False)
        if problem := of_worker(state, now):
            return HealthCheck(function, False, problem.text, problem.since, problem.code)
        assert state.called_at is not None
        return HealthCheck(function, True, f"{function} was called at {shown(state.called_at)}.")

    def _imports(self, now: datetime) -> HealthCheck:
        oldest = self.waiting.imports.find_one({"dueAt": {"$lte": now}}, sort=[("dueAt", 1)])
        if oldest is None:
            return HealthCheck("imports", True, "No import waits.")
        due: datetime = oldest["dueAt"]
        reason = self.waiting.of(oldest)
        text = f"The import {oldest['_id']} waits since {shown(due)}. {reason.text if reason else ''}".rstrip()
        code = reason.code if reason else ""
        return HealthCheck("imports", now - due < _LONG, text, due, code)

    def _objects(self) -> HealthCheck:
        from minio.error import S3Error  # a function that starts does without it

        try:
            with translated_errors():
                there = self.objects.client.bucket_exists(self.bucket)
        except (S3Error, Unavailable) as error:
            reason = error.code if isinstance(error, S3Error) else error
            return HealthCheck("bucket", False, f"The bucket {self.bucket} cannot be read: {reason}.", code="server")
        except MissingSecret:
            text = "The secret with the credentials of the object store is missing."
            return HealthCheck("bucket", False, text, code="secret")
        if not there:
            return HealthCheck("bucket", False, f"There is no bucket {self.bucket}: run the set-up.", code="setup")
        return HealthCheck("bucket", True, f"The bucket {self.bucket} can be read.")

    def _backups(self, now: datetime) -> HealthCheck:
        try:
            found = backup_record.successes(self.waiting.imports.database)
        except OperationFailure:  # without the right, before `prepare` has run
            return HealthCheck("backups", True, "Whether there are backups is not known.")
        if not found:
            return HealthCheck("backups", True, "No backup has been made yet.")
        part, ended = min(found.items(), key=lambda each: each[1])
        text = f"The newest backup of the {part} ended at {shown(ended)}."
        healthy = now - ended < _BACKUP_IS_OLD
        return HealthCheck("backups", healthy, text, None if healthy else ended, "" if healthy else "backup")
