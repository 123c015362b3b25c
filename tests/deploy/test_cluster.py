"""The overlay `dev` on a cluster: verified, updated and killed under load, backed up, lost and restored."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.deploy.cluster import BUILT, FUNCTIONS, NEXT_TAG, REGISTRY, SERVERS, TAG, Cluster, load_next_image, run
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deploy"), pytest.mark.timeout(600)]

# How long the proxies of a busy node may need to hear that a pod ends.
SECONDS_TO_HEAR = 8.0


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


def nothing_is_lost(lane: Cluster, outcome: dict[str, list[Any]]) -> None:
    """Every accepted message is sent, every uploaded file imported."""
    waiting = ("queued", "sending")
    eventually(
        lambda: not any(lane.everything("notifications", status=each) for each in waiting), 150, "the last message"
    )
    states = {each["id"]: each["status"] for each in lane.everything("notifications")}
    assert {states.get(each) for each in outcome["messages"]} == {"sent"}
    uploaded = set(outcome["files"])
    eventually(
        lambda: uploaded <= {each["invoiceNumber"] for each in lane.everything("invoices", supplier="Load")},
        150,
        "the last file",
    )


def test_a_file_and_a_notification_come_through(lane: Cluster) -> None:
    lane.verify()


def test_a_rolling_update_loses_nothing_and_no_call_fails(lane: Cluster) -> None:
    replaced = [*BUILT, "router"]
    before = lane.pods(*replaced)
    with lane.load() as outcome:
        for name in replaced:
            lane.kubectl("rollout", "restart", f"deploy/{name}")
        for name in replaced:
            lane.kubectl("rollout", "status", f"deploy/{name}", "--timeout=120s")
        lane.wait_until_gone(before)  # the old ones drain under load too
    assert not set(before) & set(lane.pods(*replaced))
    assert outcome["failures"] == [], lane.kubectl("logs", "--selector=app=router", "--tail=50")
    assert outcome["messages"]
    nothing_is_lost(lane, outcome)


def test_an_apply_is_repeated_changed_and_taken_back_and_no_call_fails(lane: Cluster) -> None:
    first = lane.setups()
    lane.apply()
    assert lane.setups() == first  # nothing has changed, so nothing runs again

    load_next_image()
    with lane.load() as outcome:
        for tag in (NEXT_TAG, TAG):
            before = lane.pods("invoices")
            lane.apply(tag)
            lane.wait_until_ready()
            lane.wait_until_gone(before)
            assert lane.image("invoices") == f"{REGISTRY}/invoices:{tag}"
    [new] = lane.setups().keys() - first
    assert lane.setups()[new] == f"{REGISTRY}/invoices:{NEXT_TAG}"
    assert outcome["failures"] == [], outcome["failures"]
    nothing_is_lost(lane, outcome)


def test_a_pod_that_ends_still_serves_callers_who_have_not_heard_of_it(lane: Cluster) -> None:
    [pod] = lane.pods("invoices")
    address = lane.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}")
    call = f"wget -O- http://{address}:8080/ 2>&1 || true"
    lane.kubectl("delete", "pod", pod, "--wait=false")
    told = time.monotonic()
    while time.monotonic() - told < SECONDS_TO_HEAR:
        answer = lane.kubectl("exec", "deploy/router", "--", "sh", "-c", call)
        assert "401" in answer  # the call has no key
    lane.wait_until_ready()


def test_a_kill_of_each_pod_loses_nothing(lane: Cluster) -> None:
    with lane.load() as outcome:
        for name in (*BUILT, "router", *SERVERS):
            lane.kill(name)
    assert outcome["messages"]
    nothing_is_lost(lane, outcome)
    lane.verify()


def test_prometheus_reads_the_metrics_that_annotations_name_and_a_stranger_does_not(lane: Cluster) -> None:
    with lane.reader(lane.namespace, app="prometheus") as read:
        eventually(lambda: read() == {*BUILT}, what="all metrics, from the same namespace")
    with lane.reader(lane.namespace, app="stranger") as read:
        eventually(lambda: read() == set(), what="the policies")  # a new pod is open until its rules are written
    with elsewhere() as namespace, lane.reader(namespace, app="prometheus") as read:
        assert read() == set()
        run("kubectl", "label", "namespace", namespace, "mailroom-monitoring=true")
        eventually(lambda: read() == {*BUILT}, what="all metrics, from a namespace with the label")


@contextmanager
def elsewhere() -> Iterator[str]:
    """Another namespace."""
    name = f"mailroom-elsewhere-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", name)
    try:
        yield name
    finally:
        run("kubectl", "delete", "namespace", name, "--wait=false")


def test_the_listener_hands_on_an_upload(lane: Cluster) -> None:
    lane.apply(TAG, "listener", "monitoring")
    try:
        lane.kubectl("rollout", "status", "deploy/listener", "--timeout=120s")
        lane.verify()
        ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/').read().decode())"
        state = lane.kubectl("exec", "deploy/listener", "--", "python", "-c", ask)
        assert json.loads(state) == {"listening": True, "handedOn": 1, "left": 0}
    finally:  # the other tests go without
        lane.kubectl("delete", "deploy/listener", "netpol/listener-to-minio", "netpol/listener-to-invoice-events")


def test_all_is_as_it_was_after_a_restore_on_new_servers(lane: Cluster) -> None:
    invoices, imports = lane.everything("invoices"), lane.everything("invoices/imports")
    lane.run_job("backup")
    lane.kubectl("scale", "deploy", *FUNCTIONS, "--replicas=0")
    lane.lose_servers()
    lane.kubectl("scale", "deploy", *FUNCTIONS, "--replicas=0")
    lane.wait_until_set_up()
    lane.run_job("restore")
    lane.kubectl("scale", "deploy", *FUNCTIONS, "--replicas=1")
    lane.wait_until_ready()

    assert lane.everything("invoices") == invoices
    assert lane.everything("invoices/imports") == imports
    lane.verify()
