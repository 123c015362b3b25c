"""Runs our sender in its own process. It prints `ready`, drains the outbox after the next line of its input, and
prints its usage. Settings come from the environment.
"""

import gc
import json
import sys
from dataclasses import asdict

from bench.measure import measured
from mailroom.notifications import worker as working
from mailroom.services import Services


def main() -> None:
    services = Services.from_environment()
    worker = working.create_worker(services)
    services.database.command("ping")
    gc.freeze()  # as the function's runtime does

    def drain() -> int:
        answer = worker()
        assert answer["statusCode"] == 200, answer
        done: int = answer["body"]["done"]
        return done

    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(measured(drain))), flush=True)
    services.close()


if __name__ == "__main__":
    main()
