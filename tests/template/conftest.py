"""Real processes of the template's index.py, each with a small handler written for the test."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.functions import Functions


@pytest.fixture
def functions(tmp_path: Path) -> Iterator[Functions]:
    with ExitStack() as stack:
        yield Functions(tmp_path, stack)


@pytest.fixture(scope="module")
def shared_functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    with ExitStack() as stack:
        yield Functions(tmp_path_factory.mktemp("functions"), stack)
