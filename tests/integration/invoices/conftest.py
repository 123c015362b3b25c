import pytest

from mailroom.services import Services
from tests.integration.invoices.files import Bucket


@pytest.fixture
def bucket(services: Services) -> Bucket:
    return Bucket(services)
