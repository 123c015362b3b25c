"""Calls the worker functions once a minute, as cron-connector does on a cluster: `python schedule.py NAME…`.

Their schedule in stack.yml is `* * * * *`. A lost call costs only a minute, so failures are only logged.
"""

import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

PERIOD_SECONDS = 60.0
CALL_SECONDS = 60.0  # longer than the workers' exec_timeout
ALIVE = Path("/tmp/called")  # noqa: S108 - the health check reads its time


def main() -> None:
    names = sys.argv[1:]
    while True:
        ALIVE.touch()
        for name in names:
            # One thread each: a slow worker delays no other.
            threading.Thread(target=call, args=(name,), daemon=True).start()
        time.sleep(PERIOD_SECONDS - time.time() % PERIOD_SECONDS)


def call(name: str) -> None:
    request = urllib.request.Request(f"http://{name}:8080/", data=b"", method="POST")
    try:
        urllib.request.urlopen(request, timeout=CALL_SECONDS).close()  # noqa: S310 - the URL is ours
    except urllib.error.HTTPError as error:
        if error.code != 429:  # the worker is busy
            print(f"{name} answered {error.code}", file=sys.stderr, flush=True)
    except OSError as error:
        print(f"{name} does not answer: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
