"""Runs a stack from Python: `with Stack(root, data) as stack: …`, for `make local`, the demo and the tests."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo.errors import PyMongoError

from local import functions, programs, users
from local.data_folder import DataFolder, write
from local.process import Program, StartError
from local.stack_file import Function, read_stack
from local.supervisor import Supervisor

SERVERS = ("mongo", "minio", "inbox")
SERVER_PORTS = ("mongo", "minio", "smtp", "inbox", "router")
SCOPES = (
    *("invoices:read", "invoices:write", "notifications:send", "notifications:read"),
    *("notifications:erase", "templates:read", "templates:write"),
)
COMMAND_SECONDS = 120.0
API_KEY = "api-key"  # pragma: allowlist secret
PREPARE = Path("compose/prepare.py")


class Servers:
    """MongoDB, MinIO and the inbox on a data folder, from `with` to its end; nothing of them survives this process.

    MinIO sends its events to `info["gateway"]`, where nothing answers unless the caller does. Access is the
    administrator's: to MinIO with `info["minio"]`, and MongoDB has no access control.
    """

    _mongo_password: str | None = None

    def __init__(self, root: Path, data: Path, env: Mapping[str, str] | None = None, *, quiet: bool = True) -> None:
        """`root` holds stack.yml and the packages; `env` goes before this process's own environment in stack.yml."""
        self.root = root.resolve()
        self.data = DataFolder(data)
        self.variables = {**os.environ, **(env or {})}
        self.quiet = quiet
        self.ports: dict[str, int] = {}
        self.secrets: dict[str, str] = {}
        self.info: dict[str, Any] = {}
        self._complete = False
        self._supervisor: Supervisor | None = None
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Starts everything and waits until it is ready.

        Raises InUseError, StackError, ToolError, or StartError with the tail of the log of what did not start.
        """
        self._lock = self.data.lock()
        try:
            self.data.info.unlink(missing_ok=True)
            self._supervisor = Supervisor(
                self.data.logs, self._write_info, keep_open=[self._lock], leftover=self.data.info
            )
            self._start()
            self._complete = True
            self._write_info()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Blocks until every process can serve, also one that died and starts again. Raises StartError."""
        self.supervisor.wait_ready(self.supervisor.pids(), seconds, may_restart=True)

    def stop(self, name: str) -> None:
        """Ends one process, which stays down until `start`."""
        self.supervisor.process(name).stop()
        self._write_info()

    def start(self, name: str, *, wait: bool = True) -> None:
        """Starts one process that was stopped, on its former port. Raises StartError."""
        process = self.supervisor.process(name)
        process.start()
        if wait:
            process.wait_ready()
        self._write_info()

    def restart(self, name: str) -> None:
        """Stops and starts one process."""
        self.stop(name)
        self.start(name)

    @property
    def supervisor(self) -> Supervisor:
        """What keeps the processes. Raises RuntimeError outside `with`."""
        if not self._supervisor:
            raise RuntimeError("the stack is not running")
        return self._supervisor

    def _start(self) -> None:
        self._choose(SERVER_PORTS)
        self._say(f"Starting {', '.join(SERVERS)}")
        self.supervisor.start(self._server_programs())
        self.supervisor.wait_ready(SERVERS)

    def _choose(self, names: tuple[str, ...]) -> None:
        self.ports = self.data.ports(names)
        self.secrets = self.data.generated_secrets()
        self.secrets |= {"mailroom-smtp-username": "", "mailroom-smtp-password": "", "mailroom-dkim-key": ""}
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

    def _server_programs(self) -> list[Program]:
        mongo, self.info["mongoUri"] = programs.mongo(self.data, self.ports["mongo"], self._mongo_password)
        minio = programs.minio(self.data, self.ports["minio"], self._url("router"), self.secrets)
        return [mongo, minio, programs.inbox(self.root, self.data, self.ports["smtp"], self.ports["inbox"])]

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _write_info(self) -> None:
        """local.json as it is now; there is none before everything is ready, nor after it ends."""
        if not self._complete:
            return
        self.info["processes"] = {"supervisor": os.getpid(), **self.supervisor.pids()}
        write(self.data.info, json.dumps(self.info, indent=2) + "\n")

    def _end(self) -> None:
        self._complete = False
        self.data.info.unlink(missing_ok=True)
        if self._supervisor:
            self._supervisor.stop()
            self._supervisor = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)


class Stack(Servers):
    """The servers, the functions of `root`/stack.yml, and the router before them.

    Each function has users of its own in MongoDB and MinIO. `info["minio"]` is for people.
    """

    def __init__(self, root: Path, data: Path, env: Mapping[str, str] | None = None, *, quiet: bool = True) -> None:
        super().__init__(root, data, env, quiet=quiet)
        self.functions = read_stack(self.root / "stack.yml", self.variables)

    def _start(self) -> None:
        names = tuple(f"function {entry.name}" for entry in self.functions)
        self._choose(SERVER_PORTS + names)
        entries = {entry.name: (entry, self.ports[f"function {entry.name}"]) for entry in self.functions}
        self._say(f"Starting {', '.join(SERVERS)} and the router")
        self._protect_mongo()
        router = functions.router(self.root, self.data, self.ports["router"], entries)
        self.supervisor.start([*self._server_programs(), router])
        self.supervisor.wait_ready([*SERVERS, "router"])
        self._say("Setting up users, buckets, event rules and indexes")
        self._set_up()
        self._say(f"Starting the functions: {', '.join(entries)}")
        self.supervisor.start(self._program(entry, port) for entry, port in entries.values())
        self.supervisor.wait_ready(entries)

    def _protect_mongo(self) -> None:
        """Makes MongoDB's administrator on the first start of a data folder, for then only access can be controlled."""
        password = self.secrets["mongodb-root-password"]
        open_, uri = programs.mongo(self.data, self.ports["mongo"])
        self.secrets |= users.connection_strings(self.data, uri, [entry.name for entry in self.functions])
        made = self.data.folder / "mongo-protected"
        if not made.exists():
            self.supervisor.start([open_])
            self.supervisor.wait_ready(["mongo"])
            try:
                users.make_root(uri, password)
            except PyMongoError as error:
                raise StartError(f"MongoDB makes no administrator: {error}") from error
            self.supervisor.process("mongo").stop()
            made.touch()
        self._mongo_password = password

    def _program(self, entry: Function, port: int) -> Program:
        return functions.function(
            self.root, self.root / functions.TEMPLATE, self.data, port, self._here(entry), self.secrets
        )

    def _here(self, entry: Function) -> Function:
        """The function with this machine's addresses in those of its settings that name other servers."""
        addresses = {
            "S3_ENDPOINT": self._url("minio"),
            "KICK_URL": f"{self._url('router')}/function/{{function}}",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.ports["smtp"]),
            "SMTP_TLS": "off",
        }
        local = {name: addresses.get(name, value) for name, value in entry.environment.items()}
        return replace(entry, environment=local)

    def _set_up(self) -> None:
        """Makes the users, what set-up makes, and an API key on the first start of a data folder."""
        self._command("prepare", self.secrets, str(self.root / PREPARE))
        for name in ("accessKey", "secretKey"):
            self.info["minio"][name] = self.secrets[f"people-s3-{name.replace('Key', '-key')}"]
        self._mailroom("setup")

        def make_key() -> str:
            scopes = [word for scope in SCOPES for word in ("--scope", scope)]
            return self._mailroom("keys", "create", "--name", "local", *scopes).strip()

        self.info["apiKey"] = self.data.kept_secret(API_KEY, make_key)

    def _mailroom(self, *arguments: str) -> str:
        """What our own command line prints. Only MinIO's administrator makes buckets and event rules."""
        root = {"mailroom-s3-access-key": users.ROOT, "mailroom-s3-secret-key": self.secrets["minio-root-password"]}
        return self._command("setup", {**self.secrets, **root}, "-m", "mailroom", *arguments)

    def _command(self, owner: str, secrets: Mapping[str, str], *command: str) -> str:
        """What Python prints, run with the settings of `invoices` and these secrets. Raises StartError."""
        environment = {
            **programs.base_environment(),
            **self._here(next(entry for entry in self.functions if entry.name == "invoices")).environment,
            "MONGODB_SECRET": "mailroom-mongodb-uri",  # pragma: allowlist secret
            "SECRETS_DIR": str(self.data.secret_files(owner, secrets)),
            "PYTHONPATH": str(self.root),
        }
        shown = " ".join(command[:3])
        try:
            done = subprocess.run(
                (sys.executable, *command),
                env=environment,
                cwd=self.data.folder,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise StartError(f"python {shown} failed:\n{error.stderr.strip()}") from error
        except subprocess.TimeoutExpired as error:
            raise StartError(f"python {shown} took more than {COMMAND_SECONDS:.0f} s") from error
        return done.stdout

    def _end(self) -> None:
        """The router goes first, so that nobody calls a function that is being stopped."""
        if self._supervisor and "router" in self._supervisor.pids():
            self._supervisor.process("router").stop()
        super()._end()
