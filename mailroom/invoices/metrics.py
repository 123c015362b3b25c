"""The metrics of the functions `invoices` and `invoice-importer`."""

from __future__ import annotations

from collections.abc import Iterator

from mailroom.invoices.imports import metrics as imports
from mailroom.invoices.imports.event_rule import event_rule_present
from mailroom.invoices.indexes import INDEXES
from mailroom.platform import disks, minio_metrics
from mailroom.platform.kick import IMPORTER
from mailroom.platform.metrics import Gauge, Metrics, Part, backups, gauge, general, worker
from mailroom.platform.objects import ObjectGone, translated_errors
from mailroom.platform.secrets import S3_ACCESS_KEY, S3_SECRET_KEY, UPLOADS_ACCESS_KEY, UPLOADS_SECRET_KEY
from mailroom.services import Services


def create_api_metrics(services: Services) -> Metrics:
    """The metrics of `invoices`."""
    needed = (UPLOADS_ACCESS_KEY, UPLOADS_SECRET_KEY)
    return Metrics(lambda: general(services.settings, services.secrets, needed))


def create_importer_metrics(services: Services) -> Metrics:
    """The metrics of `invoice-importer`."""
    database = services.database

    def read_imports() -> Iterator[Gauge]:
        now = services.clock.now()
        yield from imports.imports(database, now)
        if services.settings.events != "poll":
            yield from imports.found_by_listing(database, now)

    return Metrics(
        lambda: general(services.settings, services.secrets, (S3_ACCESS_KEY, S3_SECRET_KEY)),
        (
            Part("mongodb", lambda: worker(database, IMPORTER, INDEXES)),
            Part("mongodb", lambda: backups(database)),
            Part("mongodb", read_imports),
            Part("mongodb", lambda: disks.disk("mongodb", disks.of_mongodb(database))),
            Part("s3", lambda: _of_the_store(services)),
        ),
    )


def _of_the_store(services: Services) -> Iterator[Gauge]:
    """Raises `Unavailable`, `MissingSecret`, or what the store says."""
    settings = services.settings
    if settings.events == "poll":
        with translated_errors():
            if not services.objects.client.bucket_exists(settings.invoices_bucket):
                raise ObjectGone(settings.invoices_bucket)
        return
    present = event_rule_present(services.objects.client, settings.invoices_bucket, settings.webhook_arn)
    if present is not None:
        yield gauge("mailroom_event_rule_present", "Whether the bucket sends its events: 1 or 0.", present)
    told = services.minio_metrics()
    yield from disks.disk("s3", minio_metrics.disk(told))
    waiting = minio_metrics.events_waiting(told, settings.webhook_arn)
    if waiting is not None:
        yield gauge("mailroom_events_waiting", "Events in the queue of the S3 server.", waiting)
