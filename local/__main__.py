"""`python -m local up` runs stack.yml on this machine until Ctrl-C; `python -m local tools` installs what it needs."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from local import tools
from local.data_folder import InUseError
from local.process import StartError
from local.signals import exit_on_signals, exit_with_parent
from local.stack import Stack
from local.stack_file import StackError

SLEEP_SECONDS = 0.5
ROOT = Path(__file__).resolve().parent.parent
TO_TRY = """
Gateway   {gateway}
API key   {apiKey}
Inbox     {inbox}      (SMTP on {smtp[host]}:{smtp[port]})
MinIO     {minio[endpoint]}      (access key {minio[accessKey]}, secret key {minio[secretKey]})
MongoDB   {mongoUri}
Data      {data}      (logs in {data}/log; all of this in {data}/local.json)

Three things to try:

1. Upload a CSV file; it is imported within 4 s:
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
    """The exit status: 1, with a reason on stderr, when the stack cannot be run."""
    options = parse()
    exit_on_signals()
    if options.command == "up" and options.parent:
        exit_with_parent(options.parent)
    try:
        if options.command == "tools":
            tools.install()
        else:
            up(options.data)
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
    starter.add_argument("--parent", type=int, help="end when this process, which started it, is gone")
    return parser.parse_args()


def up(data: Path) -> None:
    """Runs until a signal."""
    started = time.monotonic()
    stack = Stack(ROOT, data, quiet=False)
    try:
        with stack:
            print(f"Ready after {time.monotonic() - started:.1f} s.")
            print(describe(stack.info, stack.data.folder), flush=True)
            while True:
                # Not signal.pause(): a signal that comes just before it would be waited for in vain.
                time.sleep(SLEEP_SECONDS)
    finally:
        print("Stopped.", flush=True)


def describe(info: dict[str, Any], data: Path) -> str:
    """Where everything is, and what to try."""
    sample = min((ROOT / "samples").glob("*.csv"), default=Path("FILE.csv"))
    return TO_TRY.format(**info, data=data, sample=sample)


if __name__ == "__main__":
    sys.exit(main())
