"""`python -m bench.metrics`: what the metrics cost, as shares of processor time.

The cost of counting a call is compared with that of a call of the API of invoices: a look-up that finds nothing. Then
each function's page is made, as at a reading by Prometheus, of a database with some thousand imports and messages. A
page is made once in 15 s at most.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

from bson import ObjectId
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from bench.processes import ROOT
from bench.servers import BenchServers
from local.process import StartError
from mailroom.events import webhook
from mailroom.invoices import app as invoices
from mailroom.invoices import worker as importer
from mailroom.notifications import worker as sender
from mailroom.platform.metrics import Metrics
from mailroom.services import Services
from mailroom.webhooks import worker as webhooks

sys.path.insert(0, str(ROOT / "template/python3-http"))

from function_runtime import calls
from function_runtime.drain import Drain
from function_runtime.function import Function
from function_runtime.metrics import Calls, Series

ROUNDS, CALLS, PAGES = 100, 30, 5
STORED = 2000
SCRAPE_SECONDS = 15.0
AIM = 0.02
PAGES_OF: dict[str, Callable[[Services], Metrics]] = {
    "invoice-events": webhook.create_metrics,
    "invoice-importer": importer.create_metrics,
    "invoices": invoices.create_metrics,
    "notification-sender": sender.create_metrics,
    "webhook-sender": webhooks.create_metrics,
}


def main() -> int:
    """Returns 1 if a share is above the aim."""
    parser = argparse.ArgumentParser(prog="python -m bench.metrics", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of calls of each kind")
    rounds = parser.parse_args().rounds
    logging.disable(logging.INFO)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder,
            BenchServers(ROOT, Path(folder)) as servers,
        ):
            services = servers.services("metrics")
            fill(services)
            call, count = of_calls(services, rounds)
            pages = {name: median(page(make(services)) for _ in range(PAGES)) for name, make in PAGES_OF.items()}
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    shares = {"counting": count / call}
    print(f"a call of invoices: {call * 1000:.3f} ms of processor time, {count / call:.2%} of it to count the call")
    for name, seconds in pages.items():
        shares[name] = seconds / SCRAPE_SECONDS
        print(f"the page of {name}: {seconds * 1000:.1f} ms once in 15 s, {shares[name]:.2%} of a processor")
    return int(any(share > AIM for share in shares.values()))


def fill(services: Services) -> None:
    """Stores imports and messages that ended in the last hour, and as many that ended before."""
    now = services.clock.now()
    counts = dict.fromkeys(("rows", "inserted", "updated", "unchanged", "stale", "rejected", "setApart"), 1)
    steps = [{"step": name, "code": 250, "text": "taken", "milliseconds": 1.0} for name in ("mail", "rcpt", "content")]
    imports, messages = [], []
    for number in range(2 * STORED):
        at = now - timedelta(seconds=number % 3600, hours=number // STORED)
        imports.append({
            "state": "done", "createdAt": at, "finishedAt": at, "orderTime": int(at.timestamp() * 1000),
            "checkpoint": {"counts": counts}, "foundBy": "event",
        })  # fmt: skip
        attempt = {"startedAt": at, "endedAt": at, "outcome": "sent", "steps": steps}
        messages.append({
            "state": "sent", "createdAt": at, "dueSince": at, "updatedAt": at, "sentAt": at, "settledBy": ObjectId(),
            "epoch": 1, "attempts": [attempt], "html": "x" * 2000, "addresses": [f"{number}@example.com"],
        })  # fmt: skip
    for start in range(0, 2 * STORED, 500):
        services.database["imports"].insert_many(imports[start : start + 500])
        services.database["notifications"].insert_many(messages[start : start + 500])


def of_calls(services: Services, rounds: int) -> tuple[float, float]:
    """The processor seconds of a call, and those of them that count it: medians of rounds that take turns."""
    key = services.keys.create("bench", ["invoices:read"])
    function = Function(invoices.create_app(services), lambda: True, lambda: None, tuple)
    counted = Calls()
    served = calls.application(function, 1 << 20, Drain(0.0, 0.0), counted)
    path, headers = "/imports/" + "0" * 24, {"Authorization": f"Bearer {key.text}"}

    def call() -> None:
        body, _status, _headers = run_wsgi_app(served, EnvironBuilder(path, headers=headers).get_environ())
        b"".join(body)
        if close := getattr(body, "close", None):
            close()

    def count() -> None:
        counted.began()
        counted.ended(Series("GET", "/imports/<id>", 404), 0.003)

    took: dict[Callable[[], None], list[float]] = {call: [], count: []}
    for number in range(rounds + 1):
        for act, seconds in took.items():
            began = time.process_time()
            for _ in range(CALLS):
                act()
            if number:  # the first round warms up
                seconds.append((time.process_time() - began) / CALLS)
    return median(took[call]), median(took[count])


def page(metrics: Metrics) -> float:
    """The processor seconds of one page that reads everything anew."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    began = time.process_time()
    text = generate_latest(registry)
    seconds = time.process_time() - began
    if b'mailroom_metrics_up{part="mongodb"} 0' in text:
        raise StartError("MongoDB could not be read")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
