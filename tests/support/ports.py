"""Free ports for tests. Each worker of pytest-xdist has its own range: two never choose the same port."""

import os
import random
import socket

from local import data_folder

WORKERS = 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS


def share(ports: range) -> range:
    """The part of `ports` for this worker."""
    size = len(ports) // WORKERS
    return ports[_worker * size : (_worker + 1) * size]


# Below the ports that Linux and macOS give to outgoing connections, and apart from those of stacks.
_unused = list(share(range(10000, 20000)))
random.SystemRandom().shuffle(_unused)


def free_port() -> int:
    """A port on which nobody listens at present. No call returns it twice."""
    while True:
        port = _unused.pop()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def divide_ports_of_stacks() -> None:
    """Stacks of this worker choose from its part of the ports."""
    data_folder.PORTS = share(data_folder.PORTS)
