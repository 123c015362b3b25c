"""A small stack for these tests: a stack.yml with two functions, a runtime and a trivial set-up."""

import shutil
from pathlib import Path

import pytest

from tests.support.processes import ROOT

STACK = """
functions:
  invoices:
    handler: ./functions/invoices
    environment:
      S3_ENDPOINT: ${S3_ENDPOINT:-http://minio.mailroom:9000}
      KICK_URL: ${GATEWAY_URL:-http://gateway.openfaas:8080}/async-function/{function}
      SMTP_TLS: required
      IMPORT_LEASE_SECONDS: ${IMPORT_LEASE_SECONDS:-30}
    secrets: [mailroom-s3-access-key, mailroom-mongodb-invoices]
  other:
    handler: ./functions/other
    environment: {STARTS: "false"}
"""
INDEX = '''
"""A runtime that tells what it was given."""
import http.server, json, os, pathlib, signal, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(size)
        if self.path.startswith("/slow"):
            with open(os.environ["FUNCTION_DIR"] + "/calls", "a") as calls:
                calls.write(f"begun {self.command} {self.path}\\n")
            time.sleep(2)
        secrets = {file.name: file.read_text() for file in pathlib.Path(os.environ["SECRETS_DIR"]).iterdir()}
        modes = {oct(file.stat().st_mode & 0o777) for file in pathlib.Path(os.environ["SECRETS_DIR"]).iterdir()}
        told = {"method": self.command, "path": self.path, "body": body.decode(), "pid": os.getpid(),
                "headers": [[key, value] for key, value in self.headers.items()],
                "environment": dict(os.environ), "secrets": secrets, "modes": sorted(modes)}
        content = b"" if self.path.startswith("/_/") else json.dumps(told).encode()
        if self.path.startswith("/big"):
            content = b"x" * 300_000
        with open(os.environ["FUNCTION_DIR"] + "/calls", "a") as calls:
            self.path.startswith("/_/") or calls.write(f"{self.command} {self.path} {body.decode()}\\n")
        self.send_response(201 if self.path.startswith("/made") else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass

signal.signal(signal.SIGINT, lambda *_: os._exit(0))
signal.signal(signal.SIGTERM, lambda *_: time.sleep(60))  # a drain that takes its time
if (pathlib.Path(os.environ["FUNCTION_DIR"]) / "broken").exists():
    sys.exit("this function is broken")
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
'''
MAILROOM = """
import os, pathlib, sys
with open(pathlib.Path(__file__).parent / "calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
assert (pathlib.Path(os.environ["SECRETS_DIR"]) / "mailroom-webhook-token").read_text()
if sys.argv[1] == "keys":
    print("the-key")
"""


RIGHTS = """
MONGODB = {"invoices": MONGODB["invoices"], "other": {"invoices": ("find",)}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a stack in it."""
    root = tmp_path / "root"
    for name in ("invoices", "other"):
        (root / "functions" / name).mkdir(parents=True)
        (root / "functions" / name / "handler.py").touch()
    (root / "template" / "python3-http").mkdir(parents=True)
    (root / "template" / "python3-http" / "index.py").write_text(INDEX)
    (root / "mailroom").mkdir()
    (root / "mailroom" / "__main__.py").write_text(MAILROOM)
    (root / "mailroom" / "deploy").mkdir()
    permissions = (ROOT / "mailroom" / "deploy" / "permissions.py").read_text() + RIGHTS
    (root / "mailroom" / "deploy" / "permissions.py").write_text(permissions)
    shutil.copytree(ROOT / "compose", root / "compose", ignore=shutil.ignore_patterns("secrets", "environment"))
    (root / "stack.yml").write_text(STACK)
    shutil.copytree(ROOT / "local", root / "local", ignore=shutil.ignore_patterns("__pycache__"))
    return root
