"""`python -m bench.starts`: the cost of starting each function, beside a bare process of Flask, Waitress and PyMongo.

The figure is processor time from the start of the process until its first answer that needs no database. No server
runs. The processes take turns; the medians are compared. The aim for each function is at most 1.5 times the bare
process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from bench.processes import ROOT
from local import programs
from local.data_folder import DataFolder
from local.process import StartError
from local.stack_file import Function, read_stack

STARTS = 20
AIM = 1.5
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.005
NO_DATABASE = "mongodb://127.0.0.1:1/?replicaSet=rs0"
READY = "/_/ready"
# The first call has no key, so an API and the webhook refuse it. A worker's call would need the database.
FIRST_CALLS = {"invoice-importer": READY, "notification-sender": READY, "webhook-sender": READY}
BARE = """
import os
import flask, pymongo, waitress

client = pymongo.MongoClient(os.environ["MONGODB"], connect=False)
app = flask.Flask(__name__)

@app.get("/")
def index():
    return {"answer": "yes"}

waitress.serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=8)
"""


@dataclass(frozen=True)
class FirstCall:
    """A process to start, and the path of its first call."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    path: str = "/"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.starts", description=__doc__)
    parser.add_argument("--starts", type=int, default=STARTS, help="starts of each process")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder:
        calls = _calls(DataFolder(Path(folder)))
        took: dict[str, list[float]] = {call.name: [] for call in calls}
        for count in range(arguments.starts + 1):
            for call in calls:
                seconds = start(call, Path(folder) / "start.log")
                if count:  # the first round may have to compile
                    took[call.name].append(seconds)
    bare = median(took[calls[0].name])
    print(f"Processor time until the first answer, median of {arguments.starts}; the aim is {AIM} times the first")
    for name, each in took.items():
        print(f"{name:20} {median(each):.3f} s ({min(each):.3f}-{max(each):.3f}), {median(each) / bare:.2f} times")


def _calls(data: DataFolder) -> list[FirstCall]:
    """The bare process, and each function of stack.yml."""
    entries = read_stack(ROOT / "stack.yml", os.environ)
    ports = data.ports(["bare", *(f"{kind} {entry.name}" for kind in ("function", "metrics") for entry in entries)])
    bare = {**programs.base_environment(), "PORT": str(ports["bare"]), "MONGODB": NO_DATABASE}
    return [
        FirstCall("bare process", (sys.executable, "-c", BARE), bare, ports["bare"]),
        *(
            _function(data, entry, (ports[f"function {entry.name}"], ports[f"metrics {entry.name}"]))
            for entry in entries
        ),
    ]


def _function(data: DataFolder, entry: Function, ports: tuple[int, int]) -> FirstCall:
    secrets = {name: NO_DATABASE if "mongodb" in name else "word" for name in entry.secrets}
    program = programs.function(ROOT, data, ports, entry, secrets)
    return FirstCall(entry.name, program.command, program.environment, ports[0], FIRST_CALLS.get(entry.name, "/"))


def start(call: FirstCall, log: Path) -> float:
    """Starts the process. Returns its processor seconds until its first answer. Raises StartError with its log."""
    with log.open("wb") as output:
        process = subprocess.Popen(call.command, env=dict(call.environment), stdout=output, stderr=output)
    try:
        _wait_for_answer(call)
    except StartError as error:
        raise StartError(f"{call.name}: {error}\n{log.read_text()}") from error
    finally:
        process.kill()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def _wait_for_answer(call: FirstCall) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        connection = HTTPConnection("127.0.0.1", call.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", call.path)
            status = connection.getresponse().status
        except ConnectionError:
            time.sleep(POLL_SECONDS)
        else:
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise StartError(f"the answer is {status}")
            return
        finally:
            connection.close()
    raise StartError(f"there is no answer after {PATIENCE_SECONDS:.0f} s")


if __name__ == "__main__":
    main()
