"""Functions in processes of their own, which die at a given point: see `child.py`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.processes import ROOT, running

if TYPE_CHECKING:
    from tests.integration.notifications.conftest import Mail

StartChild = Callable[..., subprocess.Popen[str]]


@contextmanager
def children() -> Iterator[StartChild]:
    """Starts a function in its own process with the settings of `mail`. Returns when it is ready."""

    def start(mail: Mail, function: str, point: str = "", **headers: str) -> subprocess.Popen[str]:
        settings = mail.services.settings
        environment = {name.upper(): str(getattr(settings, name)) for name in type(settings).__dataclass_fields__}
        environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        environment |= {"API_KEY": mail.client.key, "HEADERS": json.dumps(headers)}
        child = Path(__file__).with_name("child.py")
        process = stack.enter_context(
            running(child, function, point, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    with ExitStack() as stack:
        yield start


def say(process: subprocess.Popen[str], line: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(line) + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def stopped(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG) is not None


def killed(process: subprocess.Popen[str]) -> bool:
    return process.wait(60) == -signal.SIGKILL
