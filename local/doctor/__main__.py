"""`python -m local.doctor [compose|kubernetes|openfaas]`: checks a way of deploying Mailroom; says how to fix it.

It checks what is installed, and a running deployment. GATEWAY, API_KEY, S3_ENDPOINT, INVOICES_BUCKET, NAMESPACE,
OPENFAAS_URL and OPENFAAS_PASSWORD name that deployment.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping

from local import addresses
from local.doctor import checks, waiting
from local.doctor.checks import Finding


def main() -> int:
    """Returns 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m local.doctor", description=__doc__)
    parser.add_argument("way", nargs="?", default="compose", choices=WAYS)
    findings = WAYS[parser.parse_args().way](os.environ)
    wrong = 0
    for finding in findings:
        print(f"{'WRONG' if finding.fix else 'ok   '}  {finding.text}")
        if finding.fix:
            wrong += 1
            print(f"       {finding.fix}")
    return 1 if wrong else 0


def compose(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Checks what `make up` needs and, once its secrets exist, what it made."""
    engine = checks.engine()
    yield engine
    if not engine.fix:
        yield checks.compose()
    secrets = checks.secrets(addresses.secrets(variables))
    yield secrets
    url = addresses.gateway(variables)
    gateway = checks.gateway(url)
    yield gateway
    if not gateway.fix:
        yield checks.console(url, variables.get("CONSOLE_PREFIX", ""))
    key = variables.get("API_KEY") or addresses.secret("api-key", variables)
    works = False
    if key and not gateway.fix:
        database = checks.database(url, key)
        yield database
        works = not database.fix
    if works:
        yield from _work(url, key)
    if not secrets.fix:
        endpoint, bucket = addresses.s3(variables), variables.get("INVOICES_BUCKET") or "invoices"
        user, password = (addresses.secret(f"minio-root-{each}", variables) for each in ("user", "password"))
        if variables.get("EVENTS") != "poll":
            yield checks.event_rule(endpoint, user, password, bucket)
        if works:
            yield waiting.events(endpoint, user, password, bucket, url, key)


def kubernetes(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Checks what the overlays need and, if GATEWAY and API_KEY are set, what runs there."""
    namespace = variables.get("NAMESPACE") or "mailroom"
    cluster = checks.kubernetes(namespace)
    yield cluster
    if not cluster.fix:
        yield checks.cluster_secrets(namespace)
        yield checks.setup_job(namespace)
    if url := variables.get("GATEWAY"):
        gateway = checks.gateway(url)
        yield gateway
        if not gateway.fix:
            yield checks.console(url, variables.get("CONSOLE_PREFIX", ""))
        if key := variables.get("API_KEY"):
            database = checks.database(url, key)
            yield database
            if not database.fix:
                yield from _work(url, key)


def _work(url: str, key: str) -> Iterator[Finding]:
    """What the workers do, and what waits for them."""
    yield from waiting.health(url, key)
    yield waiting.oldest_message(url, key)


def openfaas(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Checks what `faas-cli up` needs."""
    url = variables.get("OPENFAAS_URL", "http://127.0.0.1:8080").rstrip("/")
    yield checks.engine()
    yield from checks.openfaas(url, variables.get("OPENFAAS_PASSWORD", ""))


WAYS = {"compose": compose, "kubernetes": kubernetes, "openfaas": openfaas}


if __name__ == "__main__":
    sys.exit(main())
