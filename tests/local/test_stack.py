"""A whole stack: a function's environment, local.json, and that nothing survives its supervisor."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from minio.error import S3Error
from pymongo import MongoClient

from local.process import StartError
from local.servers import Servers
from local.stack import Stack
from tests.support.processes import alive, inherited
from tests.support.waiting import eventually


@pytest.fixture
def running(root: Path, tmp_path: Path) -> Iterator[Stack]:
    with Stack(root, tmp_path / "data", {"IMPORT_LEASE_SECONDS": "2", "S3_ENDPOINT": "http://elsewhere"}) as stack:
        yield stack


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def told(stack: Stack, name: str = "invoices") -> Any:
    return get(f"{stack.info['gateway']}/function/{name}")


def test_a_stack_serves_its_functions_and_ends_without_a_trace(running: Stack, root: Path, tmp_path: Path) -> None:
    info = running.info

    # a function gets its own settings and secrets, and nothing of ours
    invoices = told(running)
    assert invoices["environment"]["S3_ENDPOINT"] == info["minio"]["endpoint"]
    assert invoices["environment"]["KICK_URL"] == f"{info['gateway']}/function/{{function}}"
    assert invoices["environment"]["SMTP_TLS"] == "off"
    assert invoices["environment"]["IMPORT_LEASE_SECONDS"] == "2"
    assert "PYTEST_CURRENT_TEST" not in invoices["environment"]
    assert set(invoices["secrets"]) == {"mailroom-s3-access-key", "mailroom-mongodb-invoices"}
    assert invoices["secrets"]["mailroom-mongodb-invoices"].startswith("mongodb://invoices:")
    assert invoices["modes"] == ["0o600"]
    assert told(running, "other")["secrets"] == {}
    assert told(running, "other")["environment"]["STARTS"] == "false"

    # local.json is what a script needs, and for its owner only
    file = tmp_path / "data" / "local.json"
    assert json.loads(file.read_text()) == info
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(info) == {
        "gateway",
        "apiKey",
        "webhookToken",
        "minio",
        "mongoUri",
        "smtp",
        "inbox",
        "metrics",
        "processes",
    }
    assert set(info["processes"]) == {"supervisor", "mongo", "minio", "inbox", "router", "invoices", "other"}
    assert all(alive(pid) for pid in info["processes"].values())
    assert info["apiKey"] == "the-key"  # pragma: allowlist secret
    assert (root / "mailroom" / "calls").read_text().splitlines() == [
        "setup",
        "keys create --name local --scope invoices:read --scope invoices:write"
        " --scope notifications:send --scope notifications:read"
        " --scope notifications:erase --scope templates:read --scope templates:write"
        " --scope webhooks:read --scope webhooks:write",
    ]

    # the servers answer
    with MongoClient(info["mongoUri"]) as client:
        client.get_database("any").get_collection("any").insert_one({"a": 1})
    client = Minio(
        info["minio"]["endpoint"].removeprefix("http://"),
        info["minio"]["accessKey"],
        info["minio"]["secretKey"],
        secure=False,
    )
    with pytest.raises(S3Error, match="Access Denied"):
        client.make_bucket("any")  # the printed text is for people

    # a killed function comes back on its port, and local.json has its new process
    old = info["processes"]["invoices"]
    os.killpg(old, signal.SIGKILL)
    eventually(lambda: json.loads(file.read_text())["processes"].get("invoices", old) != old)
    running.wait_ready()
    assert told(running)["pid"] == running.info["processes"]["invoices"] != old

    # a stopped function stays down until it is started
    running.stop("other")
    assert "other" not in json.loads(file.read_text())["processes"]
    running.start("other")
    assert told(running, "other")["pid"] == json.loads(file.read_text())["processes"]["other"]

    # a second stack on the same data says why it does not start
    second = up(root, tmp_path / "data")
    assert second.wait(20) == 1
    assert "already" in second.stderr.read()  # type: ignore[union-attr]


def test_a_stack_with_the_console_has_a_link_that_opens_it(
    running: Stack, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = root / "mailroom" / "calls"
    before = calls.read_text()
    assert (running.console_link(), calls.read_text()) == ("", before)
    monkeypatch.setitem(running.functions, "console", running.functions["other"])
    assert running.console_link() == f"{running.info['gateway']}/function/console/enter?code=the-key"
    [code] = calls.read_text().removeprefix(before).splitlines()
    assert code.startswith("keys code --name local --scope invoices:read")
    assert code.endswith("--scope keys:manage --scope operations:read")


def test_ports_credentials_and_data_are_kept(root: Path, tmp_path: Path) -> None:
    with Servers(root, tmp_path / "data") as servers:
        first = {**servers.info, "processes": {}}
        with MongoClient(first["mongoUri"]) as client:
            client.get_database("kept").get_collection("kept").insert_one({"_id": 1})
        pids = list(servers.supervisor.pids().values())
    assert not any(alive(pid) for pid in pids)
    assert not (tmp_path / "data" / "local.json").exists()
    with Servers(root, tmp_path / "data") as servers, MongoClient(servers.info["mongoUri"]) as client:
        assert {**servers.info, "processes": {}} == first
        assert client.get_database("kept").get_collection("kept").count_documents({}) == 1


def test_what_does_not_start_is_named_with_its_log(root: Path, tmp_path: Path) -> None:
    (root / "functions" / "other" / "broken").touch()
    stack = Stack(root, tmp_path / "data")
    with pytest.raises(StartError, match=r"other ended(?s:.*)this function is broken"), stack:
        pass
    assert not (tmp_path / "data" / "local.json").exists()


def up(root: Path, data: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local", "up", "--data", str(data), *arguments],
        cwd=root,
        env=inherited(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "end", [*(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGINT)), signal.SIGKILL]
)
def test_nothing_survives_the_supervisor(root: Path, tmp_path: Path, end: signal.Signals) -> None:
    file = tmp_path / "data" / "local.json"
    supervisor = up(root, tmp_path / "data")
    eventually(file.exists, 60)
    pids = json.loads(file.read_text())["processes"].values()
    assert len(pids) == 7

    supervisor.send_signal(end)

    supervisor.wait(15)
    eventually(lambda: not any(alive(pid) for pid in pids))
    eventually(lambda: not file.exists())


def test_a_stack_killed_while_starting_leaves_nothing(root: Path, tmp_path: Path) -> None:
    supervisor = up(root, tmp_path / "data")
    eventually((tmp_path / "data" / "log" / "minio.log").exists, 20)

    supervisor.kill()

    supervisor.wait(5)
    eventually(
        lambda: str(tmp_path / "data") not in subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout
    )
    with Servers(root, tmp_path / "data") as servers:  # the data can be used again
        assert servers.info["processes"]


@pytest.mark.slow
def test_a_stack_ends_with_the_make_that_started_it(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "data" / "local.json"
    (root / "Makefile").write_text(
        f".PHONY: local\nlocal:\n\t@exec {sys.executable} -m local up --data {tmp_path / 'data'} --parent $$PPID\n"
    )
    make = subprocess.Popen(["make", "local"], cwd=root, env=inherited(), stdout=subprocess.DEVNULL)
    eventually(file.exists, 60)
    pids = json.loads(file.read_text())["processes"].values()

    make.kill()

    make.wait(5)
    eventually(lambda: not any(alive(pid) for pid in pids), 15)
