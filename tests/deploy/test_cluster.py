"""The overlay `dev` on a cluster."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.cluster import Cluster

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def lane(docker: None, cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not os.environ.get("CLUSTER_LOAD"):
        pytest.skip("CLUSTER_LOAD names no command that brings images of Docker into the cluster")
    lane = Cluster(f"mailroom-lane-{secrets.token_hex(3)}", tmp_path_factory.mktemp("lane") / "secrets")
    try:
        lane.raise_()
        yield lane
    finally:
        subprocess.run(["kubectl", "delete", "namespace", lane.namespace, "--wait=false"], check=False)


def test_a_file_and_a_notification_come_through(lane: Cluster) -> None:
    lane.verify()
