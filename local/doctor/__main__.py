"""`python -m local.doctor [compose|openfaas]`: what that way of running Mailroom needs, and how to mend it.

A running stack is looked at too. GATEWAY, S3_ENDPOINT, INVOICES_BUCKET, OPENFAAS_URL and OPENFAAS_PASSWORD say where.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping

from local.doctor import checks
from local.doctor.checks import Finding


def main() -> int:
    """Exit code 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m local.doctor", description=__doc__)
    parser.add_argument("way", nargs="?", default="compose", choices=("compose", "openfaas"))
    findings = (compose if parser.parse_args().way == "compose" else openfaas)(os.environ)
    wrong = 0
    for finding in findings:
        print(f"{'WRONG' if finding.mend else 'ok   '}  {finding.text}")
        if finding.mend:
            wrong += 1
            print(f"       {finding.mend}")
    return 1 if wrong else 0


def compose(variables: Mapping[str, str]) -> Iterator[Finding]:
    """What `make up` needs; then, once its secrets are there, what it made."""
    engine = checks.engine()
    yield engine
    if not engine.mend:
        yield checks.compose()
    secrets = checks.secrets()
    yield secrets
    yield checks.gateway(variables.get("GATEWAY") or f"http://127.0.0.1:{variables.get('GATEWAY_PORT', '8080')}")
    if not secrets.mend:
        endpoint = variables.get("S3_ENDPOINT") or f"http://127.0.0.1:{variables.get('S3_PORT', '9000')}"
        user, password = ((checks.SECRETS / f"minio-root-{kind}").read_text().strip() for kind in ("user", "password"))
        yield checks.event_rule(endpoint, user, password, variables.get("INVOICES_BUCKET", "invoices"))


def openfaas(variables: Mapping[str, str]) -> Iterator[Finding]:
    """What `faas-cli up` needs."""
    url = variables.get("OPENFAAS_URL", "http://127.0.0.1:8080").rstrip("/")
    yield checks.engine()
    yield checks.openfaas(url, {"password": variables.get("OPENFAAS_PASSWORD", "")})


if __name__ == "__main__":
    sys.exit(main())
