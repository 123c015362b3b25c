"""One of several workers on one file. It is called again until the import has ended, as kicks and schedules do."""

import time
from collections.abc import Callable

from bench.ways import Task
from bench.ways.ours import UNFINISHED, submitted
from mailroom.invoices import worker as working

CALLED_EVERY_SECONDS = 0.05


def prepare(task: Task) -> Callable[[], int]:
    services, id_ = submitted(task)
    work = working.create_worker(services)

    def run() -> int:
        while True:
            work()
            job = services.database["imports"].find_one({"_id": id_}, {"state": 1})
            if job is None or job["state"] not in UNFINISHED:
                return task.rows
            time.sleep(CALLED_EVERY_SECONDS)

    return run
