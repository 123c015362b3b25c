"""Runs one way in its own process: `python -m bench.importing WAY` with a task on stdin. Prints the usage."""

import importlib
import json
import sys
from dataclasses import asdict

from bench.measure import measured
from bench.ways import Task


def main() -> None:
    way = importlib.import_module(f"bench.ways.{sys.argv[1]}")
    work = way.prepare(Task(**json.load(sys.stdin)))
    print(json.dumps(asdict(measured(work))))


if __name__ == "__main__":
    main()
