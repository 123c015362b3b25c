"""The servers of the integration tests: a set for each worker of pytest-xdist, a database and buckets for each test.

`MAILROOM_TEST_SERVERS=containers` runs the same tests on containers (testcontainers) instead of processes.
`MAILROOM_TEST_S3=seaweedfs` runs them on SeaweedFS, without events, instead of MinIO.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest

from mailroom.deploy import setup
from mailroom.platform.settings import Settings
from mailroom.services import Services
from tests.support import containers, seaweedfs
from tests.support.mongo_proxy import MongoProxy
from tests.support.ports import divide_ports_of_stacks
from tests.support.seaweedfs import S3

ROOT = Path(__file__).parents[1]
MEMORY = Path("/dev/shm")  # a folder in memory on Linux
ROOM_OF_SERVERS = 4 << 30  # bytes; a run of all tests needs 1.2 GiB for all its servers

divide_ports_of_stacks()

# A busy machine must not make a test fail.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """The argument's name and a number for bytes, which make poor names and may differ from worker to worker."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if S3 != "minio":
        for item in items:
            if item.get_closest_marker("minio"):
                item.add_marker(pytest.mark.skip(reason="needs MinIO"))


@dataclass(frozen=True)
class Addresses:
    """The addresses of the servers, and the administrator's credentials."""

    mongo_uri: str
    s3_endpoint: str
    access_key: str
    secret_key: str


@pytest.fixture(scope="session")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    with _servers(tmp_path_factory) as addresses:
        if S3 == "seaweedfs":
            with _folder_of_servers(tmp_path_factory) as folder, seaweedfs.running(folder / "seaweedfs") as store:
                endpoint, access_key, secret_key = store
                yield replace(addresses, s3_endpoint=endpoint, access_key=access_key, secret_key=secret_key)
        elif S3 == "minio":
            yield addresses
        else:
            pytest.exit(f"MAILROOM_TEST_S3 is {S3!r}: must be minio or seaweedfs", returncode=2)


@contextmanager
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    kind = os.environ.get("MAILROOM_TEST_SERVERS", "processes")
    if kind == "containers":
        with containers.running() as (mongo_uri, endpoint, access_key, secret_key):
            yield Addresses(mongo_uri, endpoint, access_key, secret_key)
    elif kind == "processes":
        from local.servers import Servers

        with _folder_of_servers(tmp_path_factory) as folder, Servers(ROOT, folder) as servers:
            minio = servers.info["minio"]
            yield Addresses(servers.info["mongoUri"], minio["endpoint"], minio["accessKey"], minio["secretKey"])
    else:
        pytest.exit(f"MAILROOM_TEST_SERVERS is {kind!r}: must be processes or containers", returncode=2)


@contextmanager
def _folder_of_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room: the servers force each write to the disk, and a slow disk makes tests time out."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_OF_SERVERS:
        with TemporaryDirectory(prefix="mailroom-tests-", dir=MEMORY) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("servers")


@pytest.fixture
def make_services(
    addresses: Addresses, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Services]]:
    """Makes `Services` with the given settings, on this test's database and buckets."""
    unique = secrets.token_hex(4)
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, value in {
        "mailroom-mongodb-uri": addresses.mongo_uri,
        "mailroom-s3-access-key": addresses.access_key,
        "mailroom-s3-secret-key": addresses.secret_key,
        "mailroom-uploads-access-key": addresses.access_key,
        "mailroom-uploads-secret-key": addresses.secret_key,
        "mailroom-attachments-access-key": addresses.access_key,
        "mailroom-attachments-secret-key": addresses.secret_key,
        "mailroom-webhook-token": "the-token",
    }.items():
        (folder / name).write_text(value + "\n")
    if "mongo_proxy" in request.fixturenames:  # it must outlive the services, which say goodbye to MongoDB
        proxy: MongoProxy = request.getfixturevalue("mongo_proxy")
        (folder / "by-proxy").write_text(proxy.uri)
    base = Settings(
        secrets_dir=folder,
        mongodb_database=f"test_{unique}",
        s3_endpoint=addresses.s3_endpoint,
        invoices_bucket=f"invoices-{unique}",
        rejects_bucket=f"rejects-{unique}",
        attachments_bucket=f"attachments-{unique}",
        events="poll" if S3 == "seaweedfs" else "webhook",
        # A busy machine is no reason to fail. A test about time sets its own.
        mongodb_timeout_seconds=60.0,
        s3_timeout_seconds=60.0,
        work_budget_seconds=60.0,
    )
    made: list[Services] = []

    def make(**settings: object) -> Services:
        made.append(Services(replace(base, **settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    # The databases stay until the servers end, with the run.
    for services in made:
        services.close()


@pytest.fixture
def services(make_services: Callable[..., Services]) -> Services:
    """The services of this test, set up."""
    services = make_services()
    setup.run(services, lambda line: None)
    return services


@pytest.fixture
def mongo_proxy(addresses: Addresses) -> Iterator[MongoProxy]:
    """A proxy before MongoDB, for services whose setting `mongodb_secret` names the secret `by-proxy`."""
    with MongoProxy(addresses.mongo_uri) as proxy:
        yield proxy
        proxy.intercept = lambda _: None
