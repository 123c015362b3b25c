"""Who reaches whom on the network, on a cluster that enforces policies: this, and nothing else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

import pytest

from tests.deploy.cluster import FUNCTIONS, SERVERS, run
from tests.deploy.network import PORTS, Network
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy"), pytest.mark.timeout(600)]

Labels = Mapping[str, str]
WORKERS = ("invoice-importer", "notification-sender", "webhook-sender")
USES_S3 = ("invoice-importer", "invoices", "notifications", "notification-sender")
SENDS_MAIL = ("notifications", "notification-sender")
ROLES = {
    **{name: "worker" if name in WORKERS else "api" for name in FUNCTIONS},
    "console": "console",
    **dict.fromkeys(SERVERS, "server"),
    "router": "router",
    "setup": "setup",
    "backup": "backup",
    "schedule": "schedule",
}
OURS: dict[str, tuple[str, Labels]] = {name: ("mailroom", {"app": name, "role": role}) for name, role in ROLES.items()}
LISTENER: dict[str, tuple[str, Labels]] = {"listener": ("mailroom", {"app": "listener", "role": "listener"})}
STRANGER: dict[str, tuple[str, Labels]] = {"stranger": ("elsewhere", {})}
PROMETHEUS: dict[str, tuple[str, Labels]] = {"prometheus": ("mailroom", {"app": "prometheus"})}
OPENFAAS: dict[str, tuple[str, Labels]] = {
    **{name: pod for name, pod in OURS.items() if name in (*SERVERS, "setup", "backup")},
    **{name: ("openfaas-fn", {"faas_function": name}) for name in (*FUNCTIONS, "console")},
    "another-function": ("openfaas-fn", {"faas_function": "another"}),
    **LISTENER,
    **{name: ("openfaas", {"app": name}) for name in ("gateway", "nats", "prometheus", "queue-worker")},
    **STRANGER,
}
TO_SERVERS = {
    *((name, "mongo", 27017) for name in (*FUNCTIONS, "setup", "backup")),
    *((name, "minio", 9000) for name in (*USES_S3, "setup", "backup")),
    *((name, "mailpit", 1025) for name in SENDS_MAIL),
}


@pytest.fixture
def network(request: pytest.FixtureRequest, docker: None, cluster: None) -> Iterator[Network]:
    if not os.environ.get("CLUSTER_LOAD"):
        pytest.skip("CLUSTER_LOAD names no command that brings images of Docker into the cluster")
    run(*os.environ["CLUSTER_LOAD"].split(), os.environ["PYTHON_IMAGE"])
    network = Network(*request.param)
    try:
        yield network
    finally:
        network.remove()


def assert_only(network: Network, allowed: set[tuple[str, str, int]]) -> None:
    """A new pod is open until its rules are written."""
    seen: set[tuple[str, str, int]] = set()

    def settled() -> bool:
        seen.clear()
        seen.update(network.reached())
        return seen == allowed

    with contextlib.suppress(AssertionError):
        eventually(settled, 60, "the policies")
    assert {"missing": sorted(allowed - seen), "open": sorted(seen - allowed)} == {"missing": [], "open": []}


@pytest.mark.parametrize("network", [("dev", "dev")], ids=["dev"], indirect=True)
def test_in_one_namespace_each_pod_reaches_what_it_uses(network: Network) -> None:
    network.apply(OURS | LISTENER | PROMETHEUS | STRANGER)
    apis = [name for name in FUNCTIONS if name not in WORKERS]
    assert_only(
        network,
        {
            *TO_SERVERS,
            *((source, name, 8080) for name in apis for source in ("router", "minio")),
            ("router", "console", 8080),
            *(("listener", name, port) for name, port in (("minio", 9000), ("invoice-events", 8080))),
            *((source, name, 8080) for name in WORKERS for source in (*FUNCTIONS, "schedule") if source != name),
            *(("prometheus", name, 9464) for name in (*FUNCTIONS, "console")),
            # The way in.
            *(
                (source, "router", 8080)
                for source in (*OURS, "listener", "prometheus", "stranger")
                if source != "router"
            ),
        },
    )


@pytest.mark.parametrize("network", [("openfaas", "openfaas/servers")], ids=["openfaas"], indirect=True)
def test_with_openfaas_each_pod_reaches_what_it_uses(network: Network) -> None:
    network.apply(OPENFAAS)
    system = [name for name, (namespace, _) in OPENFAAS.items() if namespace == "openfaas"]
    others = ("stranger", "another-function")  # not ours: what they reach of each other is not our affair
    assert_only(
        network,
        {
            *TO_SERVERS,
            *(("gateway", name, 8080) for name in (*FUNCTIONS, "console")),
            *((name, "gateway", 8080) for name in (*FUNCTIONS, "console", "another-function", "minio", "listener")),
            ("listener", "minio", 9000),
            *(("prometheus", name, 9464) for name in (*FUNCTIONS, "console")),
            *((source, to, port) for source in system for to in system if source != to for port in PORTS),
            *((source, to, port) for source in (*others, *system) for to in others if source != to for port in PORTS),
            *((source, to, port) for source in SENDS_MAIL for to in others for port in (25, 587)),  # a relay elsewhere
            *(("notification-sender", to, 993) for to in others),  # the mailbox of bounces
        },
    )


@pytest.mark.parametrize("network", [("production", "production")], ids=["production"], indirect=True)
def test_in_production_each_pod_reaches_only_its_servers_elsewhere(network: Network) -> None:
    pods = {name: pod for name, pod in OURS.items() if name not in SERVERS}
    network.apply(pods | LISTENER | STRANGER)
    jobs = ("setup", "backup")
    outwards = {
        *((name, 27017) for name in (*FUNCTIONS, *jobs)),
        *((name, port) for name in (*USES_S3, *LISTENER, *jobs) for port in (443, 9000)),
        *((name, port) for name in SENDS_MAIL for port in (25, 587)),
        ("notification-sender", 993),
    }
    wanted = {(source, "stranger", port) for source, port in outwards}

    def from_here() -> set[tuple[str, str, int]]:
        return {each for each in network.reached() if each[1] == "stranger"}

    eventually(lambda: from_here() == wanted, 60, "the policies")
