"""One of several workers on one file: called again, as kicks and schedules do, until the import has ended."""

import sys
import time
from collections.abc import Callable

from bench.ways import Task
from mailroom.invoices import app
from mailroom.invoices.ledger import PENDING, RUNNING
from mailroom.wiring import Services

CALLED_EVERY_SECONDS = 0.05


def prepare(task: Task) -> Callable[[], int]:
    """The job is there already when the work begins."""
    sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]  # as in the image
    services = Services.from_environment()
    version = services.objects.find(services.settings.invoices_bucket, task.key)
    id_, _ = app.ledger(services).submit(version)
    work = app.worker(services)

    def run() -> int:
        while True:
            work()
            job = services.database["imports"].find_one({"_id": id_}, {"state": 1})
            if job is None or job["state"] not in (PENDING, RUNNING):
                return task.rows
            time.sleep(CALLED_EVERY_SECONDS)

    return run
