"""The checks. Each returns a finding: what is right, or what is wrong and how to mend it."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException

ROOT = Path(__file__).parents[2]
SECRETS = ROOT / "compose" / "secrets"
COMPOSE = (2, 30)  # the first with all that docker-compose.yml uses
FUNCTIONS_OF_COMMUNITY_EDITION = 15
CALL_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """`mend` is empty when all is well."""

    text: str
    mend: str = ""


def engine() -> Finding:
    """A Docker engine that answers."""
    if not shutil.which("docker"):
        return Finding("there is no docker command", "Install Docker, or try Mailroom without it: make demo")
    done = _run("docker", "version", "--format", "{{.Server.Version}}")
    if done.returncode:
        return Finding("the Docker engine does not answer", f"Start it, or mend DOCKER_HOST: {done.stderr.strip()}")
    return Finding(f"Docker engine {done.stdout.strip()}")


def compose() -> Finding:
    """Compose v2, new enough."""
    wanted = ".".join(map(str, COMPOSE))
    done = _run("docker", "compose", "version", "--short")
    version = tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:2])
    if done.returncode or version < COMPOSE:
        return Finding(f"Docker Compose {wanted} or newer is not there", "Install the docker-compose-plugin")
    return Finding(f"Docker Compose {done.stdout.strip()}")


def secrets(folder: Path = SECRETS) -> Finding:
    """Every secret that docker-compose.yml names is there, and none but the relay's is empty."""
    names = re.findall(r"\./compose/secrets/([\w.-]+)}", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    missing = [name for name in names if not (folder / name).is_file()]
    empty = [
        name for name in names if name not in missing and "smtp" not in name and not (folder / name).stat().st_size
    ]
    if missing or empty:
        return Finding(
            f"these secrets are missing or empty in {folder}: {', '.join(missing + empty)}",
            "make up makes those of a new deployment (compose/make-secrets)",
        )
    return Finding(f"{len(names)} secrets")


def gateway(url: str) -> Finding:
    """Something answers there that knows our functions."""
    try:
        answer = urllib3.request("GET", f"{url}/function/invoices", timeout=CALL_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return Finding(f"the gateway {url} does not answer: {error}", "Is GATEWAY right? Is the stack up (make up)?")
    if answer.status != 401:  # without a key, our function refuses
        return Finding(
            f"{url}/function/invoices answers {answer.status}, and not 401",
            "That is no gateway of Mailroom, or its functions do not run: see their logs (make logs)",
        )
    return Finding(f"the gateway {url} knows our functions")


def event_rule(endpoint: str, user: str, password: str, bucket: str) -> Finding:
    """The bucket is there and tells of uploads."""
    url = urlsplit(endpoint)
    pool = urllib3.PoolManager(timeout=CALL_SECONDS, retries=False)
    client = Minio(url.netloc, user, password, secure=url.scheme == "https", http_client=pool)
    try:
        if not client.bucket_exists(bucket):
            return Finding(f"there is no bucket {bucket}", "Run the set-up: docker compose up setup")
        rules = client.get_bucket_notification(bucket).queue_config_list or []
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        return Finding(f"the S3 server {endpoint} refuses or does not answer: {error}", "Mend S3_ENDPOINT or its keys")
    if not any(":webhook" in (rule.queue or "") for rule in rules):
        return Finding(f"the bucket {bucket} has no event rule", "Run the set-up: docker compose up setup")
    return Finding(f"the bucket {bucket} tells of its uploads")


def openfaas(url: str, login: Mapping[str, str]) -> Finding:
    """OpenFaaS answers, and has room for our functions under the Community Edition's limit."""
    headers = urllib3.make_headers(basic_auth=f"{login.get('user', 'admin')}:{login.get('password', '')}")
    try:
        answer = urllib3.request("GET", f"{url}/system/functions", headers=headers, timeout=CALL_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return Finding(f"OpenFaaS at {url} does not answer: {error}", "Mend OPENFAAS_URL, or port-forward the gateway")
    if answer.status != 200:
        return Finding(f"OpenFaaS at {url} answers {answer.status}", "Log in: OPENFAAS_PASSWORD, faas-cli login")
    found = {entry["name"] for entry in json.loads(answer.data)}
    ours = set(re.findall(r"^  ([a-z-]+):\n    lang:", (ROOT / "stack.yml").read_text(encoding="utf-8"), re.MULTILINE))
    if len(found | ours) > FUNCTIONS_OF_COMMUNITY_EDITION:
        return Finding(
            f"with ours there would be {len(found | ours)} functions",
            f"The Community Edition runs {FUNCTIONS_OF_COMMUNITY_EDITION}: remove some, or use k8s/overlays/production",
        )
    return Finding(f"OpenFaaS at {url} has room for {len(ours)} functions")


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)
