"""The data folder of a stack: its lock, ports, secrets and local.json. The next run uses the same values."""

import fcntl
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

# Outgoing connections use higher ports, on Linux from 32768, on macOS from 49152: these stay free over a restart.
PORTS = range(20000, 32000)
S3_USERS = ("mailroom-s3", "mailroom-uploads", "mailroom-attachments", "people-s3", "listener-s3", "backup-s3")
PASSWORDS = (
    *("minio-root-password", "mongodb-root-password", "mongodb-key"),
    *(f"{user}-secret-key" for user in S3_USERS),
    "mailroom-signing-key",
    "mailroom-webhook-token",  # one word: MinIO sends it as `Bearer WORD`
)
REAPING_SECONDS = 8.0


class InUseError(Exception):
    """Another stack runs on this data folder."""


class DataFolder:
    """A data folder. Only its owner can read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.secrets = self.sub("secrets")
        self.logs = self.sub("log")
        self.info = self.folder / "local.json"

    def lock(self) -> int:
        """Locks the folder. Returns the descriptor of the lock, which ends when all copies of it are closed.

        Raises InUseError. Waits a few seconds if a stack was killed and its processes are still ending.
        """
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + REAPING_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                holder = int(os.pread(descriptor, 20, 0) or 0)
                if _alive(holder) or time.monotonic() > deadline:
                    os.close(descriptor)
                    raise InUseError(f"a stack is running on {self.folder} already (process {holder})") from error
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def ports(self, names: Iterable[str]) -> dict[str, int]:
        """A free port for each name: that of the last run, if it is still free."""
        file = self.folder / "ports.json"
        before: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        chosen: dict[str, int] = {}
        for name in names:
            port = before.get(name, 0)
            while port in chosen.values() or not _is_free(port):
                port = random.choice(PORTS)  # noqa: S311  # nosec B311  # a free port is no secret
            chosen[name] = port
        write(file, json.dumps({**before, **chosen}))
        return chosen

    def generated_secrets(self) -> dict[str, str]:
        """Credentials, made once for each data folder, under their names in stack.yml."""
        # In hexadecimal, because mongod accepts no key with a `-` or a `_`.
        passwords = {name: self.kept_secret(name, lambda: secrets.token_hex(24)) for name in PASSWORDS}
        return passwords | {f"{user}-access-key": user for user in S3_USERS}

    def kept_secret(self, name: str, make: Callable[[], str]) -> str:
        """The secret of that name. Makes it on the first call."""
        file = self.kept_file(name)
        if not file.exists():
            write(file, make())
        return file.read_text()

    def kept_file(self, name: str) -> Path:
        """The file of the secret of that name."""
        return self.sub("secrets/kept") / name

    def secret_files(self, owner: str, values: Mapping[str, str]) -> Path:
        """A folder with one file for each of these secrets, and no other file."""
        folder = self.sub(f"secrets/{owner}")
        for stray in set(folder.iterdir()) - {folder / name for name in values}:
            stray.unlink()
        for name, value in values.items():
            write(folder / name, value)
        return folder

    def sub(self, name: str) -> Path:
        """A folder inside the data folder. Makes it if needed."""
        folder = self.folder / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def write(file: Path, text: str) -> None:
    """Writes a file of mode 0600. A reader sees either all of the new text or the old file."""
    part = file.with_name(f".{file.name}.part")
    with open(part, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
        stream.write(text)
    part.replace(file)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return pid != 0


def _is_free(port: int) -> bool:
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
