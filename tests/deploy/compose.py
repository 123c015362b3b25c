"""The services of the Compose stack, and who reaches whom."""

import json
from collections.abc import Mapping
from typing import Any

from tests.deploy.conftest import Run

FUNCTIONS = (
    *("invoice-events", "invoice-importer", "invoices"),
    *("notifications", "notification-sender", "webhook-sender"),
)
CONSOLE = "console"  # it reaches the router only
PORTS = {**dict.fromkeys((*FUNCTIONS, CONSOLE), 8080), "router": 8080, "mongo": 27017, "minio": 9000, "mailpit": 1025}
# Prints the names of the targets, `{name: [[host, port], ...]}`, that accept a connection.
PROBE = """
import concurrent.futures, json, socket, sys
def reached(place):
    try:
        socket.create_connection(place, 2).close()
    except OSError:
        return False
    return True
targets = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    found = {name: [pool.submit(reached, tuple(place)) for place in places] for name, places in targets.items()}
print(json.dumps([name for name, results in found.items() if any(each.result() for each in results)]))
"""


def containers(run: Run) -> dict[str, dict[str, Any]]:
    """The running containers, as `docker inspect` describes them, by service."""
    described = json.loads(run("docker", "inspect", *run("docker", "compose", "ps", "--quiet").split()))
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in described}


def places(running: Mapping[str, Mapping[str, Any]], service: str, port: int) -> list[tuple[str, int]]:
    """A port of a running service by its name, and by its addresses in all its networks."""
    networks = running[service]["NetworkSettings"]["Networks"].values()
    return [(host, port) for host in (service, *(each["IPAddress"] for each in networks))]


def reached(run: Run, container: Mapping[str, Any], targets: Mapping[str, list[tuple[str, int]]]) -> set[str]:
    """The targets that something in the network of this container can connect to."""
    network = ("--network", f"container:{container['Id']}")
    probe = ("python", "-c", PROBE, json.dumps(targets))
    return set(json.loads(run("docker", "run", "--rm", *network, "mailroom/invoices:test", *probe)))
