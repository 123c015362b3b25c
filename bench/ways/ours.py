"""The function invoice-importer: reads from MinIO, checks every row, and imports no invoice twice."""

import sys
import time
from collections.abc import Callable

from bson import ObjectId

from bench.ways import Task
from mailroom.invoices import worker as working
from mailroom.invoices.imports.ledger import Ledger
from mailroom.services import Services

# Calls the importer again, as the schedule does, if a server did not answer for a while. Gives up after this many calls
# in a row without progress.
MOST_CALLS, CALLED_AGAIN_SECONDS = 5, 2.0
UNFINISHED = ("pending", "running")


def submitted(task: Task) -> tuple[Services, ObjectId]:
    """The services of the function, and the job of the task, stored before the work begins."""
    sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]  # pyarrow loads it if it can; the image has none
    services = Services.from_environment()
    version = services.objects.find(services.settings.invoices_bucket, task.key)
    return services, Ledger.of(services.database, services.settings).submit(version)[0]


def prepare(task: Task) -> Callable[[], int]:
    services, id_ = submitted(task)
    work = working.create_worker(services)

    def run() -> int:
        calls, read = 0, -1
        while calls < MOST_CALLS:
            work()
            job = services.database["imports"].find_one({"_id": id_})
            if job is None or job["state"] not in UNFINISHED:
                break
            calls, read = (calls + 1 if job["checkpoint"]["offset"] == read else 0), job["checkpoint"]["offset"]
            time.sleep(CALLED_AGAIN_SECONDS)
        if job is None or job["state"] != "done" or job["checkpoint"]["counts"]["rows"] != task.rows:
            raise RuntimeError(f"the import is {job}")
        return task.rows

    return run
