"""A stack as a user runs it, `python -m local up`, and a client of it. Imports nothing of Mailroom: modules move."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import urllib3
from minio import Minio

from tests.support.processes import alive
from tests.support.waiting import eventually

START_SECONDS, STOP_SECONDS, COMMAND_SECONDS, CALL_SECONDS = 90.0, 30.0, 60.0, 30.0


@contextmanager
def checkout(repository: Path, commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of an earlier commit. Without that commit, a laptop skips the test and CI fails."""
    git = ("git", "-C", str(repository))
    known = subprocess.run(
        [*git, "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, text=True, check=False
    )
    if known.returncode:
        reason = f"no commit {commit} here, perhaps a shallow clone: {known.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    subprocess.run([*git, "worktree", "add", "--detach", str(folder), commit], capture_output=True, check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(folder)], capture_output=True, check=True)


class Stack:
    """The stack of the checkout `root` on a data folder. `info` is the content of local.json."""

    def __init__(self, root: Path, data: Path, settings: Mapping[str, str]) -> None:
        """Blocks until the stack is ready."""
        self.root, self.data = root, data
        self._environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | dict(settings)
        self._output = data.with_name("output")
        command = [sys.executable, "-m", "local", "up", "--data", str(data), "--parent", str(os.getpid())]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=root, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            eventually(self._ready, START_SECONDS, "the stack")
        except BaseException:
            self.stop()
            raise
        self.info: dict[str, Any] = json.loads((data / "local.json").read_text())

    def stop(self, kill: Sequence[str] = ()) -> None:
        """Stops the stack. The processes in `kill` get SIGKILL, after the router: nobody can call them any more."""
        self._process.terminate()
        if kill:
            router = self.info["processes"]["router"]
            eventually(lambda: not alive(router), STOP_SECONDS, "the end of the router")
        for name in kill:
            with suppress(ProcessLookupError):
                self.signal(name, signal.SIGKILL)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.info["processes"][name], number)

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Pauses the process within the block."""
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    def mailroom(self, *words: str) -> str:
        """The output of `python -m mailroom` of this checkout."""
        done = subprocess.run(
            [sys.executable, "-m", "mailroom", *words],
            cwd=self.root,
            env=self._environment | {"SECRETS_DIR": str(self.data / "secrets" / "setup")},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            pytest.fail(f"the stack of {self.root} does not start:\n{self._output.read_text(errors='replace')}")
        return (self.data / "local.json").exists()


class Client:
    """Calls the APIs with an API key, uploads files, reads the inbox."""

    def __init__(self, info: Mapping[str, Any], key: str) -> None:
        self._info, self._key = info, key
        minio = info["minio"]
        self._objects = Minio(urlsplit(minio["endpoint"]).netloc, minio["accessKey"], minio["secretKey"], secure=False)

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, **query: str
    ) -> urllib3.BaseHTTPResponse:
        """Any answer, also a refusal."""
        return urllib3.request(
            method,
            f"{self._info['gateway']}/function/{path}?{urlencode(query)}".rstrip("?"),
            json=body,
            headers={"Authorization": f"Bearer {self._key}", **(headers or {})},
            retries=False,
            timeout=CALL_SECONDS,
        )

    def get(self, path: str, **query: str) -> Any:
        return _accepted(self.call("GET", path, None, None, **query))

    def post(self, path: str, body: object = None) -> Any:
        return _accepted(self.call("POST", path, body))

    def all(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The items of all pages of a list."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit="1000", **query)
            items += page["items"]
            if page["nextCursor"] is None:
                return items
            query["cursor"] = page["nextCursor"]

    def upload(self, key: str, body: bytes) -> None:
        self._objects.put_object("invoices", key, BytesIO(body), len(body))

    def download(self, bucket: str, key: str) -> str:
        return self._objects.get_object(bucket, key).data.decode()

    def start_import(self, key: str) -> str:
        """The id of the import."""
        import_id: str = self.post("invoices/imports", {"bucket": "invoices", "key": key})["id"]
        return import_id

    def finished(self, import_id: str) -> Any:
        """The import, or None while it runs."""
        found = self.get(f"invoices/imports/{import_id}")
        return found if found["finishedAt"] else None

    def inbox(self) -> Counter[str]:
        """The number of messages with each subject in the inbox."""
        messages = urllib3.request("GET", f"{self._info['inbox']}/messages", timeout=CALL_SECONDS).json()
        return Counter(each["subject"] for each in messages)


def _accepted(answer: urllib3.BaseHTTPResponse) -> Any:
    assert answer.status < 400, answer.data
    return answer.json()
