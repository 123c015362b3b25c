"""Installs the alternatives to our sender, once per user, at the versions pinned here."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

from local.tools import cache_folder, say

HERE = Path(__file__).parent
POST_OFFICE = HERE / "requirements-post-office.txt"
NODEMAILER = HERE / "nodemailer"


def post_office_python() -> str | None:
    """A Python with django-post-office. None when it cannot be installed."""
    folder = cache_folder() / "bench-post-office"
    python, stamp = folder / "bin" / "python", folder / POST_OFFICE.name
    if stamp.exists() and stamp.read_text() == POST_OFFICE.read_text():
        return str(python)
    say("Installing django-post-office, once")
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run((sys.executable, "-m", "venv", str(folder)), check=True)
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
        subprocess.run((*pip, "-r", str(POST_OFFICE)), check=True)
        stamp.write_text(POST_OFFICE.read_text())
        return str(python)
    say("  it cannot be installed")
    return None


def nodemailer_script() -> Path | None:
    """The script that sends with nodemailer, beside the packages it needs. None without Node.js and npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        say("nodemailer: skipped, for node and npm are not on the PATH")
        return None
    folder = cache_folder() / "bench-nodemailer"
    lock, installed = NODEMAILER / "package-lock.json", folder / "installed.json"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(NODEMAILER / "send.mjs", folder)
    if installed.exists() and installed.read_text() == lock.read_text():
        return folder / "send.mjs"
    say("Installing nodemailer and MongoDB's driver for Node.js, once")
    for file in (lock, NODEMAILER / "package.json"):
        shutil.copy(file, folder)
    with contextlib.suppress(subprocess.CalledProcessError):
        command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        subprocess.run(command, cwd=folder, check=True)
        installed.write_text(lock.read_text())
        return folder / "send.mjs"
    say("  they cannot be installed")
    return None
