"""The servers for the measurements: those of `make local`, with the fastest MongoDB of this machine."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from bench.secantus import rust_server
from local import tools
from local.process import Program
from local.servers import Servers
from local.stack import Stack
from mailroom.deploy import setup
from mailroom.platform.environment import load
from mailroom.services import Services


class BenchServers(Servers):
    """MinIO, and a mongod on the PATH, else SecantusDB's Rust server, else its Python server (`fast` is False then)."""

    @cached_property
    def fast(self) -> bool:
        return bool(tools.mongod() or rust_server())

    @property
    def kind(self) -> str:
        """The database server's name for the table."""
        if tools.mongod():
            return "mongod"
        return "SecantusDB, Rust server" if self.fast else "SecantusDB, Python server (no cargo: a slow server)"

    def _server_programs(self) -> list[Program]:
        programs = super()._server_programs()
        binary = None if tools.mongod() else rust_server()
        return [_in_rust(each, binary) if binary and each.name == "mongo" else each for each in programs]

    def environment(self, database: str) -> dict[str, str]:
        """Settings for a process of ours that uses these servers, with the database and bucket of that name."""
        minio = self.info["minio"]
        administrators = {
            "mailroom-mongodb-uri": self.info["mongoUri"],
            "mailroom-s3-access-key": minio["accessKey"],
            "mailroom-s3-secret-key": minio["secretKey"],
        }
        ours = {
            "SECRETS_DIR": str(self.data.secret_files("bench", {**self.secrets, **administrators})),
            "S3_ENDPOINT": self.info["minio"]["endpoint"],
            "MONGODB_DATABASE": database,
            "INVOICES_BUCKET": database,
            "MONGODB_TIMEOUT_SECONDS": "600",
            "S3_TIMEOUT_SECONDS": "600",
            "IMPORT_LEASE_SECONDS": "300",
            "WORK_BUDGET_SECONDS": "36000",
        }
        batch = {name: os.environ[name] for name in ("IMPORT_BATCH_ROWS",) if name in os.environ}
        return ours | batch

    def services(self, database: str) -> Services:
        """Services on that database and bucket, after set-up as in a deployment: with buckets and all indexes."""
        services = Services(load(self.environment(database)))
        setup.run(services, lambda line: None)
        return services


class BenchStack(BenchServers, Stack):
    """The stack of `make local`, with the fastest MongoDB of this machine."""


def _in_rust(program: Program, binary: Path) -> Program:
    command = program.command
    arguments: Mapping[str, str] = {
        name: command[command.index(name) + 1] for name in ("--host", "--port", "--storage-path")
    }
    words = (word for pair in arguments.items() for word in pair)
    return replace(program, command=(str(binary), *words, "--log-level", "ERROR"))
