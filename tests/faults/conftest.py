from collections.abc import Callable

import pytest

from mailroom.deploy import setup
from mailroom.services import Services
from tests.faults.world import World
from tests.integration.invoices.files import Bucket

# Short leases, so that another worker soon takes over. Small batches, so that there are many places to fail.
LEASE_SECONDS = 0.5
BATCH_ROWS = 12


@pytest.fixture
def make_world(make_services: Callable[..., Services]) -> Callable[..., World]:
    def make(
        rows: int, *, compressed: bool = False, lease_seconds: float = LEASE_SECONDS, last_wins: bool = False
    ) -> World:
        profiles = '{"": {"lineItems": "lastWins"}}' if last_wins else ""
        services = make_services(
            import_lease_seconds=lease_seconds, import_batch_rows=BATCH_ROWS, import_profiles=profiles
        )
        setup.run(services, lambda line: None)
        return World(Bucket(services), rows, compressed=compressed)

    return make


@pytest.fixture
def bucket(services: Services) -> Bucket:
    return Bucket(services)
