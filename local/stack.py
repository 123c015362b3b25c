"""Runs a stack from Python: `with Stack(root, data) as stack: …`, for `make local`, the demo and the tests."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pymongo.errors import PyMongoError

from local import programs, users
from local.process import Program, StartError
from local.servers import Servers
from local.stack_file import Function, read_stack

SCOPES = (
    *("invoices:read", "invoices:write", "notifications:send", "notifications:read"),
    *("notifications:erase", "templates:read", "templates:write", "webhooks:read", "webhooks:write"),
)
COMMAND_SECONDS = 120.0
LISTENER = "listener"
CONSOLE = "console"
CONSOLE_SCOPES = (*SCOPES, "keys:manage", "operations:read")
API_KEY = "api-key"  # pragma: allowlist secret
PREPARE = Path("compose/prepare.py")


class Stack(Servers):
    """The servers, the functions of `root`/stack.yml, and the router before them.

    With events, the listener too. Each function has its own users in MongoDB and MinIO. `info["minio"]` holds the MinIO
    user for people.
    """

    def __init__(self, root: Path, data: Path, env: Mapping[str, str] | None = None, *, quiet: bool = True) -> None:
        super().__init__(root, data, env, quiet=quiet)
        self.functions = {entry.name: entry for entry in read_stack(self.root / "stack.yml", self.variables)}
        kinds = ("function", "metrics")
        self.port_names += [*(f"{kind} {name}" for name in self.functions for kind in kinds), LISTENER]

    def _start(self) -> None:
        self._protect_mongo()
        super()._start()
        self._say("Setting up users, buckets, event rules and indexes")
        self._set_up()
        self._say(f"Starting the functions {', '.join(self.functions)}, and the router")
        entries = {name: (self._here(name), self.ports[f"function {name}"]) for name in self.functions}
        metrics = {name: self.ports[f"metrics {name}"] for name in self.functions}
        self.info["metrics"] = {name: f"http://127.0.0.1:{port}/metrics" for name, port in metrics.items()}
        started = [
            programs.function(self.root, self.data, (port, metrics[name]), entry, self.secrets)
            for name, (entry, port) in entries.items()
        ]
        if "invoice-events" in self.functions and self._here("invoices").environment["EVENTS"] == "webhook":
            started.append(self._listener())
        self.supervisor.start(started)
        # The router starts last and so ends first: nobody calls a function that is being stopped.
        self.supervisor.start([programs.router(self.root, self.data, self.ports["router"], entries)])
        self.supervisor.wait_ready([*(program.name for program in started), "router"])

    def _protect_mongo(self) -> None:
        """Makes MongoDB's administrator on the first start of a data folder; access control needs one."""
        password = self.secrets["mongodb-root-password"]
        without_access_control, uri = programs.mongo(self.data, self.ports["mongo"])
        clients = [name for name in self.functions if name != CONSOLE]  # it has no database
        self.secrets |= users.connection_strings(self.data, uri, clients)
        made = self.data.folder / "mongo-protected"
        if not made.exists():
            self.supervisor.start([without_access_control])
            self.supervisor.wait_ready(["mongo"])
            try:
                users.make_root(uri, password)
            except PyMongoError as error:
                raise StartError(f"MongoDB makes no administrator: {error}") from error
            self.supervisor.process("mongo").stop()
            made.touch()
        self._mongo_password = password

    def _here(self, name: str) -> Function:
        """The function, with this machine's addresses in the settings that name or allow other servers."""
        entry = self.functions[name]
        addresses = {
            "API_URL": self._url("router"),
            "S3_ENDPOINT": self._url("minio"),
            "S3_PUBLIC_ENDPOINT": entry.environment.get("S3_PUBLIC_ENDPOINT") or self._url("minio"),
            "KICK_URL": f"{self._url('router')}/function/{{function}}",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.ports["smtp"]),
            "SMTP_TLS": "off",
            "WEBHOOK_ALLOW_PRIVATE": "yes",  # endpoints on this machine
        }
        return replace(entry, environment={key: addresses.get(key, value) for key, value in entry.environment.items()})

    def _listener(self) -> Program:
        """The listener, which the runtime serves like a function. It calls `invoice-events` through the router."""
        settings = self._here("invoices").environment
        entry = Function(
            name=LISTENER,
            handler=self.root / "mailroom/events/listener",
            environment={
                **{name: settings[name] for name in ("S3_ENDPOINT", "S3_REGION", "INVOICES_BUCKET", "LOG_LEVEL")},
                "EVENTS_URL": f"{self._url('router')}/function/invoice-events",
            },
            secrets=("mailroom-s3-access-key", "mailroom-s3-secret-key", "mailroom-webhook-token"),
            annotations={},
        )
        own = {f"mailroom-s3-{part}": self.secrets[f"listener-s3-{part}"] for part in ("access-key", "secret-key")}
        # It has no metrics: what it hands on is seen in those of `invoice-events`.
        return programs.function(self.root, self.data, (self.ports[LISTENER], 0), entry, {**self.secrets, **own})

    def _set_up(self) -> None:
        """Makes the users, buckets and indexes, and an API key on the first start of a data folder."""
        self._command("prepare", self.secrets, str(self.root / PREPARE))
        self.info["minio"] |= {
            "accessKey": self.secrets["people-s3-access-key"],
            "secretKey": self.secrets["people-s3-secret-key"],
        }
        self._mailroom("setup")

        def make_key() -> str:
            return self._mailroom("keys", "create", "--name", "local", *_options(SCOPES)).strip()

        self.info["apiKey"] = self.data.kept_secret(API_KEY, make_key)

    def console_link(self) -> str:
        """A link that opens the console once, within five minutes; empty in a stack without the console."""
        if CONSOLE not in self.functions:
            return ""
        code = self._mailroom("keys", "code", "--name", "local", *_options(CONSOLE_SCOPES)).strip()
        return f"{self.info['gateway']}/function/{CONSOLE}/enter?code={code}"

    def _mailroom(self, *arguments: str) -> str:
        """Runs `python -m mailroom` as MinIO's administrator, who alone may make buckets and event rules."""
        root = {"mailroom-s3-access-key": users.ROOT, "mailroom-s3-secret-key": self.secrets["minio-root-password"]}
        return self._command("setup", {**self.secrets, **root}, "-m", "mailroom", *arguments)

    def _command(self, owner: str, secrets: Mapping[str, str], *command: str) -> str:
        """Runs Python with the settings of `invoices` and these secrets; returns what it prints. Raises StartError."""
        environment = {
            **programs.base_environment(),
            **self._here("invoices").environment,
            "PUBLIC_URL": "",  # `keys code` then prints the code alone, for a link to this machine
            "MONGODB_SECRET": "mailroom-mongodb-uri",  # pragma: allowlist secret
            "SECRETS_DIR": str(self.data.secret_files(owner, secrets)),
            "PYTHONPATH": str(self.root),
        }
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
            raise StartError(f"python {' '.join(command)} failed:\n{error.stderr.strip()}") from error
        except subprocess.TimeoutExpired as error:
            raise StartError(f"python {' '.join(command)} took more than {COMMAND_SECONDS:.0f} s") from error
        return done.stdout


def _options(scopes: tuple[str, ...]) -> list[str]:
    return [word for scope in scopes for word in ("--scope", scope)]
