"""The ways to send queued messages: ours, django-post-office, nodemailer's pool."""

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from pymongo.database import Database

from bench.mail.django_post_office import THREADS
from bench.mail.messages import SENDER, messages, write
from bench.mail.postgres import Postgres
from bench.servers import BenchServers
from local.programs import base_environment
from mailroom.notifications.message import request as requests
from mailroom.notifications.message.request import Send
from mailroom.notifications.model import addresses
from mailroom.notifications.outbox.accept import Submission, Submissions
from mailroom.platform.server_clock import ServerClock
from mailroom.services import Services
from mailroom.webhooks.endpoints import WebhookEndpoints
from mailroom.webhooks.model import EventType

CONNECTIONS = 10
MOST_IN_A_BATCH = 100  # the largest list that the API accepts

_DATABASE = "bench_mail"  # the database in PostgreSQL, whose names have no hyphen


@dataclass(frozen=True)
class Child:
    """A process to start, with its environment and, if it wants one, its first line of input."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    task: Mapping[str, Any] = field(default_factory=dict)


class Way(Protocol):
    """A way to send. `name`, `processes` and `connections` go into the table. `server` is the process of its own
    database server, if it has one.
    """

    name: str
    processes: int
    connections: int
    server: int | None

    def queue(self, count: int, port: int) -> list[Child]:
        """Queues `count` messages for an SMTP server on that port. Returns the processes that send them."""

    def recorded(self) -> int:
        """The number of messages recorded as sent."""

    def close(self) -> None:
        """Removes the messages."""


class Ours:
    """Our sender, with messages in our outbox."""

    def __init__(self, servers: BenchServers, processes: int, connections: int = CONNECTIONS) -> None:
        self.name = "**Mailroom**"
        self.processes = processes
        self.server: int | None = servers.supervisor.pids()["mongo"]
        self.connections = connections
        self._servers = servers
        self.services: Services = servers.services("bench-mail")

    def queue(self, count: int, port: int) -> list[Child]:
        self.accept(
            Send(email_to=each.to, subject=each.subject, text=each.text, html=each.html) for each in messages(count)
        )
        environment = base_environment() | self._servers.environment("bench-mail")
        environment |= {"MAIL_FROM": f"Mailroom <{SENDER}>", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port)}
        environment |= {"SMTP_TLS": "off", "SMTP_CONNECTIONS": str(self.connections)}
        return [Child((sys.executable, "-m", "bench.mail.sending"), environment)] * self.processes

    def accept(self, sends: Iterator[Send]) -> None:
        """Accepts messages as the function `notifications` does, without HTTP."""
        clock = ServerClock(self.services.database)
        sender = addresses.sender(f"Mailroom <{SENDER}>")
        submissions = Submissions(self.services.database["notifications"], clock)
        waiting = (Submission(requests.check(send), sender) for send in sends)
        while some := list(islice(waiting, MOST_IN_A_BATCH)):
            submissions.accept(some, "bench", answered=True)

    def recorded(self) -> int:
        """Counts only messages whose attempt holds the relay's answer."""
        done = {"state": "sent", "attempts": {"$elemMatch": {"outcome": "sent", "steps.code": 250}}}
        return self.services.database["notifications"].count_documents(done)

    def close(self) -> None:
        self.services.database.client.drop_database("bench-mail")
        self.services.close()


class WithoutMetricsIndexes(Ours):
    """Our sender without the two indexes that only the metrics read."""

    def __init__(self, servers: BenchServers, processes: int, connections: int = CONNECTIONS) -> None:
        super().__init__(servers, processes, connections)
        self.name = "**Mailroom**, without the indexes of the metrics"
        for index in ("tried", "reported"):
            self.services.database["notifications"].drop_index(index)


class Announced(Ours):
    """Our sender while an endpoint of a webhook wants to know of each message."""

    def __init__(self, servers: BenchServers, processes: int, connections: int = CONNECTIONS) -> None:
        super().__init__(servers, processes, connections)
        self.name = "**Mailroom**, with webhooks"

    def queue(self, count: int, port: int) -> list[Child]:
        endpoints = WebhookEndpoints(self.services.database, self.services.clock, insecure=False)
        endpoints.add("https://example.com/", list(EventType), "", enabled=True)
        return super().queue(count, port)

    def recorded(self) -> int:
        """Counts only messages that are announced, too."""
        announced = {"announcements": {"$size": 1}, "announcements.type": EventType.NOTIFICATION_SENT}
        found = self.services.database["notifications"].count_documents(announced)
        return min(found, super().recorded())


class PostOffice:
    """`send_queued_mail` on a SQLite file or PostgreSQL. It starts new processes and connections for each `batch`."""

    USUAL_BATCH = 100  # its default
    connections = THREADS

    def __init__(
        self, python: str, folder: Path, processes: int, *, batch: int = USUAL_BATCH, postgres: Postgres | None = None
    ) -> None:
        batches = "" if batch == self.USUAL_BATCH else f", batches of {batch:,}"
        self.name = f"django-post-office, {'PostgreSQL' if postgres else 'SQLite'}{batches}"
        self.processes = processes
        self.server = postgres.pid if postgres else None
        self._batch = batch
        self._python = python
        self._postgres = postgres
        self._file = folder / "post-office.sqlite3"

    def queue(self, count: int, port: int) -> list[Child]:
        task: dict[str, Any] = {"database": str(self._file), "lock": f"{self._file}.lock"}
        if self._postgres:
            self._postgres.sql("postgres", f"CREATE DATABASE {_DATABASE}")
            task |= {"database": _DATABASE, "postgres": self._postgres.socket}
        task |= {"port": port, "messages": count, "processes": self.processes, "batch": self._batch}
        return [Child((self._python, "-m", "bench.mail.django_post_office"), base_environment(), task)]

    def recorded(self) -> int:
        sent = "SELECT count(*) FROM post_office_email WHERE status = 0"
        if self._postgres:
            return int(self._postgres.sql(_DATABASE, sent))
        with closing(sqlite3.connect(self._file)) as connection:
            found: int = connection.execute(sent).fetchone()[0]
            return found

    def close(self) -> None:
        if self._postgres:
            self._postgres.sql("postgres", f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        for file in self._file.parent.glob(f"{self._file.name}*"):
            file.unlink()


class Nodemailer:
    """nodemailer's pool, with a document in MongoDB for each message. `insert` measures the inserts too."""

    processes, connections = 1, CONNECTIONS

    def __init__(self, script: Path, servers: BenchServers, folder: Path, *, insert: bool) -> None:
        self.name = "nodemailer, with the insert" if insert else "nodemailer"
        self.server: int | None = servers.supervisor.pids()["mongo"]
        self._script = script
        self._servers = servers
        self._file = folder / "messages.jsonl"
        self._insert = insert
        self._services = servers.services("bench-node")
        self._database: Database[dict[str, Any]] = self._services.database

    def queue(self, count: int, port: int) -> list[Child]:
        collection = self._database["messages"]
        collection.create_index("status")
        if self._insert:
            write(self._file, count)
        else:
            waiting = messages(count)
            while some := list(islice(waiting, MOST_IN_A_BATCH)):
                collection.insert_many([asdict(each) | {"status": "queued"} for each in some])
        task = {
            "way": "insert" if self._insert else "queued",
            "file": str(self._file),
            "mongoUri": self._servers.info["mongoUri"],
            "database": self._database.name,
            "port": port,
            "sender": SENDER,
        }
        return [Child(("node", str(self._script)), base_environment(), task)]

    def recorded(self) -> int:
        return self._database["messages"].count_documents({"status": "sent"})

    def close(self) -> None:
        self._database.client.drop_database(self._database.name)
        self._services.close()


def first_line(child: Child) -> str:
    """The task of a process, which it reads before it prints `ready`."""
    return json.dumps(dict(child.task)) + "\n" if child.task else ""
