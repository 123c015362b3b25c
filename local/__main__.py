"""`python -m local up` runs stack.yml on this machine until Ctrl-C; `python -m local tools` installs what it needs."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from local import tools
from local.data_folder import InUseError
from local.process import StartError
from local.stack import Stack
from local.stack_file import StackError

POLL_SECONDS = 0.5
ROOT = Path(__file__).resolve().parent.parent
TO_TRY = """
Gateway   {gateway}
API key   {apiKey}
Inbox     {inbox}      (SMTP on {smtp[host]}:{smtp[port]})
MinIO     {minio[endpoint]}      (access key {minio[accessKey]}, secret key {minio[secretKey]})
MongoDB   {mongoUri}
Data      {data}      (logs in {data}/log; all of this in {data}/local.json)

Three things to try:

1. Upload a CSV file; it is imported at once, at the latest after 4 s:
   curl --aws-sigv4 aws:amz:us-east-1:s3 --user '{minio[accessKey]}:{minio[secretKey]}' \\
     -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -T {sample} {minio[endpoint]}/invoices/

2. List the invoices:
   curl -H 'Authorization: Bearer {apiKey}' '{gateway}/function/invoices?limit=5'

3. Send a mail, then read it at {inbox}
   curl -H 'Authorization: Bearer {apiKey}' -H 'Content-Type: application/json' \\
     -d '{{"emailTo": "you@example.com", "subject": "Hello", "message": "<p>It works.</p>"}}' \\
     {gateway}/function/notifications

Ctrl-C ends it; the data stays for the next time.
"""


def main() -> int:
    """Returns the exit status: 1, with the reason on stderr, when the stack cannot run."""
    options = parse()
    exit_on_signals()
    try:
        if options.command == "tools":
            tools.install()
        else:
            up(options.data, options.parent)
    except (InUseError, StackError, StartError, tools.ToolError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tools", help="install the servers that pip does not bring")
    starter = commands.add_parser("up", help="run the stack in the foreground")
    starter.add_argument("--data", type=Path, default=ROOT / ".mailroom", help="the data folder (default: .mailroom)")
    starter.add_argument("--parent", type=int, help="end when this process, the parent, is gone")
    return parser.parse_args()


def up(data: Path, parent: int | None) -> None:
    """Runs the stack until a signal arrives, or `parent` is gone: a killed `make` does not end what it started."""
    started = time.monotonic()
    stack = Stack(ROOT, data, quiet=False)
    try:
        with stack:
            print(f"Ready after {time.monotonic() - started:.1f} s.")
            sample = min((ROOT / "samples").glob("*.csv"), default=Path("FILE.csv"))
            print(TO_TRY.format(**stack.info, data=stack.data.folder, sample=sample), flush=True)
            if link := stack.console_link():
                print(f"Look around in a browser; this link works once, within five minutes:\n\n  {link}\n", flush=True)
            while not parent or os.getppid() == parent:
                time.sleep(POLL_SECONDS)
    finally:
        print("Stopped.", flush=True)


def exit_on_signals() -> None:
    """The first SIGTERM, SIGINT or SIGHUP raises SystemExit; later ones are ignored while the stack ends."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def leave(number: int, _: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(0 if number == signal.SIGINT else 128 + number)

    for number in numbers:
        signal.signal(number, leave)


if __name__ == "__main__":
    sys.exit(main())
