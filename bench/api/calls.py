"""Calls the running function and measures each call."""

import http.client
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from bench.api.combinations import Query


@dataclass(frozen=True)
class Call:
    """The times of one call in milliseconds: wall time, and processor time of the function and of MongoDB."""

    status: int
    clock: float
    function: float
    mongodb: float


@dataclass
class Caller:
    """A connection to the function `invoices`. It knows the processes of the function and MongoDB. Linux only."""

    port: int
    key: str
    function: int
    mongodb: int
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str, query: Query) -> Call:
        """Blocks until the whole answer has arrived."""
        target, headers = f"{path}?{urlencode(query)}", {"Authorization": f"Bearer {self.key}"}
        function, mongodb, begin = _used(self.function), _used(self.mongodb), time.perf_counter()
        self._connection.request("GET", target, headers=headers | {"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        answer.read()
        clock = (time.perf_counter() - begin) * 1e3
        return Call(answer.status, clock, _used(self.function) - function, _used(self.mongodb) - mongodb)


def _used(pid: int) -> float:
    """Processor time of all threads of the process, in milliseconds."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6
