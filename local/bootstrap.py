"""Installs a lock file into .venv, and MinIO beside it: `python3 local/bootstrap.py LOCK STAMP [--servers]`.

Runs with the system's Python, without any package. uv installs the packages; pip does where uv cannot. Every file is
checked against the hashes of the lock. The stamp holds the lock's checksum, so that the same lock is installed once.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV_LOCK = ROOT / "local" / "requirements-uv.txt"
LEAST = (3, 11)


class MinioBuild(threading.Thread):
    """Builds MinIO while the packages are installed."""

    error = None

    def run(self):
        sys.path.insert(0, str(ROOT))
        from local import tools

        try:
            tools.minio()
        except tools.ToolError as error:
            self.error = error


def main(lock, stamp, *options):
    """The exit code: 1, with a reason on stderr, when a step failed."""
    checksum = hashlib.sha256(Path(lock).read_bytes()).hexdigest()
    if PYTHON.exists() and Path(stamp).exists() and Path(stamp).read_text() == checksum:
        Path(stamp).touch()
        return 0
    if sys.version_info < LEAST:
        version = sys.version.split()[0]
        return fail(f"Mailroom needs Python 3.11 or newer, this is {version}. Name one: make PYTHON=python3.13 demo")
    say(f"Installing {Path(lock).read_text().count('==')} Python packages into .venv, once: about 20 seconds")
    build = MinioBuild(daemon=True)
    if options:
        say("Beside them MinIO is built from its source, once: 2 to 5 minutes on two cores")
        build.start()
    try:
        install(lock)
    except subprocess.CalledProcessError as error:
        step = " ".join(map(str, error.cmd[:6]))
        return fail(f"{error.stdout}\n{step} … failed, for the reason above. Run make again once it is gone.")
    if options:
        build.join()
    if build.error:
        return fail(str(build.error))
    Path(stamp).write_text(checksum)
    return 0


def install(lock):
    """Makes .venv and installs the lock into it. Raises CalledProcessError."""
    if not (VENV / "bin" / "pip").exists():
        try:
            run("making .venv", sys.executable, "-m", "venv", "--clear", VENV)
        except subprocess.CalledProcessError as error:
            error.stdout += "\nOn Debian and Ubuntu: apt install python3-venv"
            raise
    hashes = ("--require-hashes", "-r", lock)
    try:
        run("installing uv", PYTHON, "-m", "pip", "install", "--only-binary=:all:", "--require-hashes", "-r", UV_LOCK)
        run("installing the packages", VENV / "bin" / "uv", "pip", "install", "--python", PYTHON, *hashes)
    except subprocess.CalledProcessError:  # uv has no wheel for this machine, or does not know pip's package index
        say("  uv cannot install them here: pip does, which takes longer")
        run("installing the packages", PYTHON, "-m", "pip", "install", *hashes)


def run(what, *command):
    """Runs a step and prints one line about it. Raises CalledProcessError with the step's output."""
    started = time.monotonic()
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    say(f"  {what}: done in {time.monotonic() - started:.0f} s")


def say(text):
    print(text, flush=True)


def fail(text):
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
