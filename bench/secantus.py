"""Builds SecantusDB's Rust server, once per user: the fast MongoDB for machines without a mongod."""

import shutil
import subprocess
from pathlib import Path

from local.tools import cache_folder, say

VERSION = "0.5.3-beta.196"
BINARY = "secantusd-rs"


def built() -> Path:
    """The path of the server's binary."""
    return cache_folder() / f"secantus-{VERSION}" / "bin" / BINARY


def rust_server() -> Path | None:
    """The server's binary. Builds it if missing, in five to seven minutes. None if no cargo can build it."""
    binary = built()
    root = binary.parents[1]
    if binary.exists():
        return binary
    cargo = shutil.which("cargo")
    if cargo is None:
        return None
    say(f"Building SecantusDB's Rust server {VERSION} with cargo, once: 5 to 7 minutes")
    root.mkdir(parents=True, exist_ok=True)
    log = root / "build.log"
    # The crate asks for a newer compiler than it needs.
    command = (cargo, "install", "secantus-mdb", "--version", VERSION, "--ignore-rust-version", "--root", str(root))
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=output, check=False)
    if done.returncode == 0 and binary.exists():
        return binary
    say(f"  it did not build: see {log}")
    return None
