"""Functions as processes: the template's index.py with a handler."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, running

INDEX = ROOT / "template/python3-http/index.py"
SECONDS = 60  # a wait longer than this has failed


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A function that serves. `lines` is its log so far."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[dict[str, Any]] = field(default_factory=list)
    more: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def read_log(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            with self.more:
                self.lines.append(json.loads(text) | {"bytes": len(text.encode())})
                self.more.notify_all()

    def wait_line(self, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self.more:
            ok = self.more.wait_for(lambda: any(found(line) for line in self.lines), SECONDS)
            assert ok, self.lines
            return next(line for line in self.lines if found(line))

    def access(self, path: str) -> dict[str, Any]:
        return self.wait_line(lambda line: line["logger"] == "access" and line["path"] == path)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def call(
        self, path: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None, **more: Any
    ) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {}, **more)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(SECONDS)


class Functions:
    """Starts functions, and ends those that still run."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack

    def spawn(self, source: str | Path, name: str = "dashed-name", **environ: str) -> Running:
        """Starts the handler `source`: its text, or its folder."""
        folder = self._folder / name
        if isinstance(source, str):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "handler.py").write_text(source)
        else:
            folder = source
        settings = {"FUNCTION_DIR": str(folder), "PORT": "0", "healthcheck_interval": "100ms"} | environ
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | settings
        process = self._stack.enter_context(
            running(INDEX, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
        )
        function = Running(process, folder)
        reader = threading.Thread(target=function.read_log)
        reader.start()
        self._stack.callback(reader.join, SECONDS)
        self._stack.callback(process.kill)
        return function

    def start(self, source: str | Path, name: str = "dashed-name", **environ: str) -> Running:
        """Starts it and waits until it serves."""
        function = self.spawn(source, name, **environ)
        address = function.wait_line(lambda line: line["message"] == "serving")["address"]
        function.port = int(address.rpartition(":")[2])
        return function
