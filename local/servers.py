"""Runs MongoDB, MinIO and the inbox from Python: `with Servers(root, data) as servers: …`."""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from local import programs, users
from local.data_folder import DataFolder, write
from local.process import Program
from local.supervisor import Supervisor

SERVERS = ("mongo", "minio", "inbox")
PORTS = ("mongo", "minio", "smtp", "inbox", "router")
EMPTY_SECRETS = (
    *("mailroom-smtp-username", "mailroom-smtp-password", "mailroom-dkim-key", "mailroom-dkim-keys"),
    *("mailroom-events-postmark", "mailroom-events-mailgun", "mailroom-events-generic"),
    *("mailroom-imap-username", "mailroom-imap-password"),
)


class Servers:
    """The servers that the functions need, on a data folder. They run within `with`; none outlives this process.

    MinIO sends its events to `info["gateway"]`, where nothing answers unless the caller does. The caller has all
    rights: MinIO's administrator is in `info["minio"]`, and MongoDB has no access control.
    """

    def __init__(self, root: Path, data: Path, env: Mapping[str, str] | None = None, *, quiet: bool = True) -> None:
        """`root` holds stack.yml and the packages. In stack.yml, `env` overrides this process's environment."""
        self.root = root.resolve()
        self.data = DataFolder(data)
        self.variables = {**os.environ, **(env or {})}
        self.quiet = quiet
        self.port_names = [*PORTS]
        self.ports: dict[str, int] = {}
        self.secrets: dict[str, str] = {}
        self.info: dict[str, Any] = {}
        self._mongo_password: str | None = None
        self._complete = False
        self.supervisor: Supervisor  # within `with` only
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        """Starts everything and waits until it is ready.

        Raises InUseError, StackError, ToolError, or StartError with the tail of the log of what did not start.
        """
        with ExitStack() as cleanup:
            lock = self.data.lock()
            cleanup.callback(os.close, lock)
            self.data.info.unlink(missing_ok=True)
            self.supervisor = Supervisor(self.data.logs, self._write_info, keep_open=[lock], leftover=self.data.info)
            cleanup.callback(self._end)
            self._choose()
            self._start()
            self._complete = True
            self._write_info()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def wait_ready(self) -> None:
        """Blocks until every process can serve, also after a restart. Raises StartError."""
        self.supervisor.wait_ready(self.supervisor.pids(), may_restart=True)

    def stop(self, name: str) -> None:
        """Ends one process, which stays down until `start`."""
        self.supervisor.process(name).stop()
        self._write_info()

    def start(self, name: str) -> None:
        """Starts a stopped process again, on the same port. Raises StartError."""
        process = self.supervisor.process(name)
        process.start()
        process.wait_ready()
        self._write_info()

    def _choose(self) -> None:
        """Chooses ports and secrets: those of the last run on this data folder, where there was one."""
        self.ports = self.data.ports(self.port_names)
        self.secrets = self.data.generated_secrets() | dict.fromkeys(EMPTY_SECRETS, "")
        self.info = {
            "gateway": self._url("router"),
            "webhookToken": self.secrets["mailroom-webhook-token"],
            "minio": {
                "endpoint": self._url("minio"),
                "accessKey": users.ROOT,
                "secretKey": self.secrets["minio-root-password"],
            },
            "smtp": {"host": "127.0.0.1", "port": self.ports["smtp"]},
            "inbox": self._url("inbox"),
        }

    def _start(self) -> None:
        self._say(f"Starting {', '.join(SERVERS)}")
        self.supervisor.start(self._server_programs())
        self.supervisor.wait_ready(SERVERS)

    def _server_programs(self) -> list[Program]:
        mongo, self.info["mongoUri"] = programs.mongo(self.data, self.ports["mongo"], self._mongo_password)
        minio = programs.minio(self.data, self.ports["minio"], self._url("router"), self.secrets)
        return [mongo, minio, programs.inbox(self.root, self.data, self.ports["smtp"], self.ports["inbox"])]

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _write_info(self) -> None:
        """Writes local.json, which exists only from the moment when everything is ready until the end."""
        if not self._complete:
            return
        self.info["processes"] = {"supervisor": os.getpid(), **self.supervisor.pids()}
        write(self.data.info, json.dumps(self.info, indent=2) + "\n")

    def _end(self) -> None:
        self._complete = False
        self.data.info.unlink(missing_ok=True)
        self.supervisor.stop()

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)
