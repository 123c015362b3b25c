"""`python -m bench.polling` measures a pass over a bucket of known files with `EVENTS=poll`.

`--store listing` takes the place of the S3 server with a program that only lists: it tells what the importer and
MongoDB need for 1,000,000 files, without the time that an S3 server takes to list them.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.measure import measured
from bench.processes import ROOT
from bench.servers import BenchServers
from mailroom.deploy import setup
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.polling import Poller
from mailroom.platform.clock import Budget
from mailroom.platform.listed_objects import list_newest
from mailroom.platform.settings import Settings
from mailroom.services import Services
from tests.support import seaweedfs

UPLOADS = 4
FILES_OF_A_FOLDER = 1000
TIME = "2026-01-31T12:00:00.000Z"
NOW = datetime.now(UTC)
ETAG = "d41d8cd98f00b204e9800998ecf8427e"  # pragma: allowlist secret


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.polling", description=__doc__)
    parser.add_argument("--store", choices=("minio", "seaweedfs", "listing"), default="minio")
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--new", action="store_true", help="also a pass that finds all files new")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as folder, ExitStack() as stack:
        servers = stack.enter_context(BenchServers(ROOT, Path(folder) / "servers"))
        minio = servers.info["minio"]
        store = (minio["endpoint"], minio["accessKey"], minio["secretKey"])
        if arguments.store == "seaweedfs":
            store = stack.enter_context(seaweedfs.running(Path(folder) / "seaweedfs"))
        services = _services(Path(folder), servers.info["mongoUri"], *store)
        stack.callback(services.close)
        setup.run(services, lambda _: None)
        if arguments.store == "listing":
            endpoint = stack.enter_context(_listing(arguments.objects))
            listed = _services(Path(folder), servers.info["mongoUri"], endpoint, *store[1:])
            stack.callback(listed.close)
            _write_imports(listed)
            _measure("all known", listed)
            return
        _upload(services, arguments.objects)
        if arguments.new:
            _measure("all new", services)
        else:
            _write_imports(services)
        _measure("all known", services)


def _services(folder: Path, mongo_uri: str, endpoint: str, access_key: str, secret_key: str) -> Services:
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    values = {"mongodb-uri": mongo_uri, "s3-access-key": access_key, "s3-secret-key": secret_key}
    for name, value in values.items():
        (secrets / f"mailroom-{name}").write_text(value)
    return Services(Settings(secrets_dir=secrets, s3_endpoint=endpoint, events="poll", mongodb_timeout_seconds=600))


def _measure(what: str, services: Services) -> None:
    """Prints the time of a pass, and the processor time and memory of this process."""
    ledger = Ledger.of(services.database, services.settings)
    cursors = services.database["cursors"]
    due = datetime(2000, 1, 1, tzinfo=UTC)
    cursors.update_many({}, {"$set": {"dueAt": due}})
    poller = Poller(cursors, ledger, services.objects, services.settings.invoices_bucket)
    used = measured(lambda: poller.run(Budget(24 * 3600)))
    print(
        f"{what}: {used.seconds:.1f} s, processor time of the importer {used.processor_seconds:.1f} s, "
        f"imports submitted {used.rows:,}, peak of memory {used.peak_bytes / 2**20:.0f} MiB",
        flush=True,
    )


def _upload(services: Services, objects: int) -> None:
    client, bucket = services.objects.client, services.settings.invoices_bucket

    def upload_folder(first: int) -> None:
        for number in range(first, min(first + FILES_OF_A_FOLDER, objects)):
            client.put_object(bucket, _key(number), BytesIO(), 0)

    with ThreadPoolExecutor(UPLOADS) as uploads:
        for _ in uploads.map(upload_folder, range(0, objects, FILES_OF_A_FOLDER)):
            pass
    print(f"{objects:,} empty files are in the bucket")


def _key(number: int) -> str:
    return f"{number // FILES_OF_A_FOLDER:06}/{number:09}.csv"


def _write_imports(services: Services) -> None:
    """Writes what the ledger keeps of imports that have ended, as far as a pass reads it."""
    same = {"bucket": services.settings.invoices_bucket, "state": "done", "dryRun": False, "createdAt": NOW}
    token, more, written = "", True, 0
    while more:
        page, token = list_newest(services.objects, services.settings.invoices_bucket, token)
        ended = [{"key": each.key, "etag": each.etag, "modifiedAt": each.modified_ms, **same} for each in page]
        if ended:
            services.database["imports"].insert_many(ended)
        written, more = written + len(page), bool(token)
    print(f"{written:,} imports are in MongoDB")


@contextmanager
def _listing(objects: int) -> Iterator[str]:
    """A server that answers every listing of a bucket with empty objects. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            start = int(query.get("continuation-token", ["0"])[0])
            end = min(start + 1000, objects)
            entries = "".join(
                f"<Contents><Key>{_key(number)}</Key><LastModified>{TIME}</LastModified>"
                f"<ETag>&quot;{ETAG}&quot;</ETag><Size>0</Size></Contents>"
                for number in range(start, end)
            )
            more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>"
            body = (
                '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>invoices</Name>'
                f"{more if end < objects else '<IsTruncated>false</IsTruncated>'}{entries}</ListBucketResult>"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    main()
