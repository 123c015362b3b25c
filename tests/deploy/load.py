"""Calls and uploads without a pause until /tmp/stop exists, then prints what was accepted and what failed.

Runs in a pod beside the functions, so it imports nothing of ours.
It opens a connection for each call, as many callers would.
"""

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import urllib3
from minio import Minio

GATEWAY = "http://router:8080/function"
STOP = Path("/tmp/stop")
PAUSE_SECONDS = 0.02  # the functions share two processors with the cluster

http = urllib3.PoolManager(timeout=30, retries=False)
headers = {"Authorization": f"Bearer {os.environ['API_KEY']}", "Connection": "close"}
store = Minio("minio:9000", os.environ["S3_ACCESS_KEY"], os.environ["S3_SECRET_KEY"], secure=False)
done: dict[str, list[object]] = {"messages": [], "files": [], "reads": [], "failures": []}


def send() -> None:
    body = {"emailTo": "you@example.com", "subject": "load", "message": "<p>m</p>"}
    answer = http.request("POST", f"{GATEWAY}/notifications", json=body, headers=headers)
    assert answer.status in (200, 202), f"{answer.status} {answer.data[:200]!r}"
    done["messages"].append(answer.json()["id"])


def read() -> None:
    answer = http.request("GET", f"{GATEWAY}/invoices?limit=5", headers=headers)
    assert answer.status == 200, f"{answer.status} {answer.data[:200]!r}"
    done["reads"].append(len(answer.json()["items"]))


def upload() -> None:
    number = f"load-{uuid.uuid4().hex}"
    body = f"{number},2024-01-31,119.00,100.00,19.00,Load,Here 1,EUR,open\n".encode()
    store.put_object("invoices", f"{number}.csv", BytesIO(body), len(body))
    done["files"].append(number)
    time.sleep(0.5)


def repeat(act: Callable[[], None]) -> None:
    while not STOP.exists():
        try:
            act()
        except Exception as error:
            done["failures"].append([time.strftime("%H:%M:%S"), act.__name__, repr(error)[:300]])
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    threads = [threading.Thread(target=repeat, args=(act,)) for act in (send, send, read, upload)]
    for thread in threads:
        thread.start()
    while not (done["messages"] and done["files"] and done["reads"]):
        time.sleep(0.1)
    print("begun", file=sys.stderr, flush=True)
    for thread in threads:
        thread.join()
    print(json.dumps(done), flush=True)
