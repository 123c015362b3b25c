"""`python -m bench.console`: the processor time of the console's own process for each page, on the local stack.

The stack has 200 imports, 2,000 invoices and 1,000 messages. The APIs are other processes, so their time is not in the
figures. The aim for each page is at most 50 ms. Reads /proc, so it needs Linux.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import os
import re
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path
from statistics import median

import urllib3

from bench.latency import wait_for
from bench.mail.contest import processor_seconds
from bench.mail.messages import messages
from bench.processes import ROOT
from bench.servers import BenchStack
from local.client import Client
from local.process import StartError
from local.tools import ToolError, say
from mailroom.console import cookies
from samples.generate import HEADER, rows

FILES, ROWS_OF_A_FILE, MESSAGES = 200, 10, 1000
BATCH = 100  # the largest list of messages that the API accepts
CALLS, ROUNDS = 5, 5
AIM_SECONDS = 0.050
GZIP = b"\x1f\x8b"
PATIENCE_SECONDS = 300.0
FIGURES = ("today", "month", "waiting", "mail", "invoices", "failures", "mail_failures")


def main() -> int:
    """Returns 1 if a page is above the aim."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds; the median counts")
    rounds = parser.parse_args().rounds
    logging.disable(logging.INFO)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder,
            BenchStack(ROOT, Path(folder), {"RATE_LIMIT_PER_MINUTE": "1000000"}) as stack,
        ):
            client = Client(stack.info)
            fill(client)
            say(f"On the local stack, with {stack.kind}; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
            return measure(stack, paths_of_pages(client), rounds)
    except (StartError, ToolError) as error:
        print(error, file=sys.stderr)
        return 1


def fill(client: Client) -> None:
    """Stores files, invoices, messages, templates and webhooks."""
    lines = list(rows(FILES * ROWS_OF_A_FILE))
    for number in range(FILES):
        some = lines[number * ROWS_OF_A_FILE : (number + 1) * ROWS_OF_A_FILE]
        client.upload(f"2026/{number:03}.csv", (HEADER + "".join(some)).encode())
    rejected = "".join(line.replace(",EUR,", ",not a currency,").replace("S", "R", 1) for line in lines[:50])
    client.upload("rejects.csv", (HEADER + lines[0] + rejected).encode())
    sent = list(messages(MESSAGES))
    for start in range(0, MESSAGES, BATCH):
        bodies = [
            {"emailTo": each.to, "subject": each.subject, "html": each.html, "text": each.text}
            for each in sent[start : start + BATCH]
        ]
        client.post("notifications/batch", {"messages": bodies})
    for number in range(10):
        url = f"https://example.com/{number}"
        client.post("notifications/webhooks", {"url": url, "events": ["notification.bounced"]})
        client.put(f"notifications/templates/hello-{number}", {"subject": "Hello", "text": "Hello {{ name }}"})
    wait_for("the rejects", lambda: client.get("invoices/imports", key="rejects.csv", state="done")["items"],
             PATIENCE_SECONDS, pause=0.5)  # fmt: skip


def paths_of_pages(client: Client) -> dict[str, list[str]]:
    """The paths that a page asks for, by the page's name."""
    one = {
        "rejects": client.get("invoices/imports", key="rejects.csv")["items"][0]["id"],
        "import": client.get("invoices/imports", key="2026/000.csv")["items"][0]["id"],
        "invoice": client.get("invoices", limit="1")["items"][0]["id"],
        "message": client.get("notifications", limit="1")["items"][0]["id"],
    }
    return {
        "overview with its figures": ["/", *(f"/figures/{name}" for name in FIGURES)],
        "files": ["/files"],
        "import": [f"/files/imports/{one['import']}"],
        "import with the grid of rejects": [f"/files/imports/{one['rejects']}"],
        "invoices, 50 rows": ["/invoices"],
        "invoice": [f"/invoices/{one['invoice']}"],
        "mail": ["/mail"],
        "message": [f"/mail/{one['message']}"],
        "templates": ["/mail/templates"],
        "webhooks": ["/mail/webhooks"],
        "keys": ["/keys"],
        "health": ["/health"],
    }


def measure(stack: BenchStack, paths: dict[str, list[str]], rounds: int) -> int:
    """Prints the processor time of each page, and the bytes of the first load. Returns 1 if a page is above the aim."""
    console, pid = f"{stack.info['gateway']}/function/console", stack.supervisor.pids()["console"]
    # The code of this link gives all scopes that a page asks for. The API key has fewer.
    code = stack.console_link().partition("code=")[2]
    http = urllib3.PoolManager(timeout=PATIENCE_SECONDS, retries=False)
    session = http.request("POST", f"{stack.info['gateway']}/function/invoices/sessions", json={"code": code}).json()
    headers = {"Cookie": f"{cookies.SESSION}={session['token']}", "Accept-Encoding": "gzip"}

    def get(path: str) -> urllib3.BaseHTTPResponse:
        part = {"HX-Request": "true"} if path.startswith("/figures/") else {}
        answer = http.request("GET", console + path, headers=headers | part, decode_content=False)
        if answer.status != HTTPStatus.OK:
            raise StartError(f"{path} answered {answer.status}")
        return answer

    took: dict[str, list[float]] = {page: [] for page in paths}
    for number in range(rounds + 1):
        for page, parts in paths.items():
            before = processor_seconds(pid)
            for _ in range(CALLS):
                for path in parts:
                    get(path)
            if number:  # the first round compiles the templates
                took[page].append((processor_seconds(pid) - before) / CALLS)
                say(f"  {page}: {took[page][-1] * 1000:.0f} ms")
    for page, each in took.items():
        spread = f"{min(each) * 1000:.0f} to {max(each) * 1000:.0f}"
        print(f"{page} ({len(paths[page])} calls of the console): {median(each) * 1000:.1f} ms ({spread})")
    first = get("/").data
    page_text = gzip.decompress(first).decode() if first[:2] == GZIP else first.decode()
    files = set(re.findall(r'(?:src|href)="/function/console(/static/[^"]+)"', page_text))
    loaded = sum(len(get(file).data) for file in files)
    print(f"first load: {(len(first) + loaded) / 1000:.1f} kB, the page and {len(files)} files, compressed")
    return int(any(median(each) > AIM_SECONDS for each in took.values()))


if __name__ == "__main__":
    sys.exit(main())
