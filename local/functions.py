"""The functions of stack.yml and the router before them, as programs to run."""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from local.data_folder import DataFolder, write
from local.process import Program
from local.programs import base_environment
from local.ready import http_ok
from local.stack_file import Function, StackError

TEMPLATE = Path("template/python3-http/index.py")


def function(
    root: Path, index: Path, data: DataFolder, port: int, entry: Function, secrets: Mapping[str, str]
) -> Program:
    """One function, started by the template's own index.py, with its settings and its secrets and no others.

    Raises StackError when its handler or a secret is missing.
    """
    if not (entry.handler / "handler.py").exists():
        raise StackError(f"function {entry.name}: there is no {entry.handler}/handler.py")
    if unknown := set(entry.secrets) - set(secrets):
        raise StackError(f"function {entry.name}: no value here for the secrets {', '.join(sorted(unknown))}")
    files = data.secret_files(entry.name, {name: secrets[name] for name in entry.secrets})
    environment = {
        **base_environment(),
        **entry.environment,
        "FUNCTION_DIR": str(entry.handler),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SECRETS_DIR": str(files),
        "PYTHONPATH": str(root),
    }
    return Program(
        entry.name,
        (sys.executable, str(index)),
        environment,
        data.folder,
        http_ok(f"http://127.0.0.1:{port}/_/ready"),
        stop_signal=signal.SIGINT,  # SIGTERM would wait a while for calls still to come, as a platform needs it
    )


def router(root: Path, data: DataFolder, port: int, entries: Mapping[str, tuple[Function, int]]) -> Program:
    """The gateway's stand-in, knowing each function by its port and its schedule."""
    routes = {
        name: {"url": f"http://127.0.0.1:{function_port}", "schedule": entry.schedule}
        for name, (entry, function_port) in entries.items()
    }
    file = data.folder / "routes.json"
    write(file, json.dumps(routes, indent=2))
    command = (sys.executable, "-m", "local.router", "--port", str(port), "--routes", str(file))
    environment = base_environment() | {"PYTHONPATH": str(root)}
    return Program("router", command, environment, data.folder, http_ok(f"http://127.0.0.1:{port}/healthz"))
