"""The checks. Each returns findings: what is right, or what is wrong and how to fix it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio.error import MinioException

from local.client import s3_client
from local.stack_file import ROOT, Function, read_stack
from mailroom.platform.settings import Settings

COMPOSE = (2, 30)  # docker-compose.yml needs this version
FUNCTIONS_OF_COMMUNITY_EDITION = 15
CALL_SECONDS = 5.0
GATEWAY_FIX = "Is GATEWAY right? Is the stack up (make up)?"
MAY_BE_EMPTY = ("mailroom-smtp-", "mailroom-dkim-", "mailroom-imap-", "mailroom-events-", "mailroom-backup-")


@dataclass(frozen=True)
class Finding:
    """The result of a check. `fix` is empty when nothing is wrong."""

    text: str
    fix: str = ""


def engine() -> Finding:
    """A Docker engine answers."""
    if not shutil.which("docker"):
        return Finding("there is no docker command", "Install Docker, or try Mailroom without it: make demo")
    done = _run("docker", "version", "--format", "{{.Server.Version}}")
    if done.returncode:
        return Finding("the Docker engine does not answer", f"Start it, or fix DOCKER_HOST: {done.stderr.strip()}")
    return Finding(f"Docker engine {done.stdout.strip()}")


def compose() -> Finding:
    """Docker Compose is new enough."""
    wanted = ".".join(map(str, COMPOSE))
    done = _run("docker", "compose", "version", "--short")
    version = tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:2])
    if done.returncode or version < COMPOSE:
        return Finding(f"Docker Compose {wanted} or newer is missing", "Install the docker-compose-plugin")
    return Finding(f"Docker Compose {done.stdout.strip()}")


def secrets(folder: Path) -> Finding:
    """Every secret of docker-compose.yml exists, and only optional ones are empty."""
    names = re.findall(r"\./compose/secrets/([\w.-]+)}", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    there = {name: (folder / name).stat().st_size for name in names if (folder / name).is_file()}
    if lacking := _lacking(names, there):
        return Finding(
            f"these secrets are missing or empty in {folder}: {', '.join(lacking)}",
            "make up makes the secrets of a new deployment (compose/make-secrets). The volumes of an old deployment "
            "need its old secrets: copy them from where you keep them",
        )
    return Finding(f"{len(names)} secrets")


def _lacking(wanted: Iterable[str], sizes: Mapping[str, int]) -> list[str]:
    """The wanted secrets that are missing, or empty and not optional."""
    return [name for name in wanted if name not in sizes or not (sizes[name] or name.startswith(MAY_BE_EMPTY))]


def gateway(url: str) -> Finding:
    """A gateway of Mailroom answers."""
    answer = _get(f"{url}/function/invoices", GATEWAY_FIX)
    if isinstance(answer, Finding):
        return answer
    if answer.status != 401:  # without a key, our function refuses
        return Finding(
            f"{url}/function/invoices answers {answer.status}, and not 401",
            "That is no gateway of Mailroom, or its functions do not run: see their logs (make logs)",
        )
    return Finding(f"the gateway {url} knows our functions")


def console(url: str, prefix: str = "") -> Finding:
    """The pages for people are served, and name the path `prefix` in their links: CONSOLE_PREFIX, or its default."""
    prefix = prefix or Settings().console_prefix
    page = f"{url}/function/console/sign-in"
    answer = _get(page, GATEWAY_FIX)
    if isinstance(answer, Finding):
        return answer
    if answer.status != 200 or f'action="{prefix.rstrip("/")}/sign-in"'.encode() not in answer.data:
        return Finding(
            f"{page} answers {answer.status}, and not the page of the console",
            "Does the function console run? Is it in FUNCTIONS of the router, and CONSOLE_PREFIX its path?",
        )
    return Finding(f"the console: {url}/function/console")


def database(url: str, key: str) -> Finding:
    """The functions reach MongoDB and accept the API key."""
    answer = _get(f"{url}/function/invoices?limit=1", GATEWAY_FIX, {"Authorization": f"Bearer {key}"}, seconds=30.0)
    if isinstance(answer, Finding):
        return answer
    if answer.status == 503:
        return Finding(
            "the functions do not reach MongoDB",
            "Is it up (docker compose ps mongo, its log)? Is the address in the secret mailroom-mongodb-uri right?",
        )
    if answer.status in (401, 403):
        return Finding(
            f"the API key is refused: {answer.status}",
            "It is revoked, or of another deployment: remove compose/secrets/api-key, and make up makes a new one",
        )
    if answer.status != 200:
        return Finding(f"invoices answers {answer.status}", "See its log (make logs)")
    return Finding("the functions reach MongoDB")


def _get(
    url: str, fix: str, headers: Mapping[str, str] | None = None, seconds: float = CALL_SECONDS
) -> urllib3.BaseHTTPResponse | Finding:
    """The answer to a GET, or a finding when there is none."""
    try:
        return urllib3.request("GET", url, headers=headers, timeout=seconds, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return Finding(f"{url} does not answer: {error}", fix)


def event_rule(endpoint: str, user: str, password: str, bucket: str) -> Finding:
    """The bucket exists and sends events."""
    client = s3_client(endpoint, user, password, CALL_SECONDS, retries=False)
    try:
        if not client.bucket_exists(bucket):
            return Finding(f"there is no bucket {bucket}", "Run the set-up: docker compose up setup")
        rules = client.get_bucket_notification(bucket).queue_config_list or []
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        return Finding(
            f"the S3 server {endpoint} refuses or does not answer: {error}", "Correct S3_ENDPOINT or its keys"
        )
    if not any(":webhook" in (rule.queue or "") for rule in rules):
        return Finding(f"the bucket {bucket} has no event rule", "Run the set-up: docker compose up setup")
    return Finding(f"the bucket {bucket} sends an event for each upload")


def openfaas(url: str, password: str) -> Iterator[Finding]:
    """OpenFaaS answers, can take our functions within the Community Edition's limit, and has their secrets."""
    headers = urllib3.make_headers(basic_auth=f"admin:{password}")
    names: dict[str, set[str]] = {}
    for kind in ("functions", "secrets"):
        answer = _get(f"{url}/system/{kind}", "Correct OPENFAAS_URL, or port-forward the gateway", headers)
        if isinstance(answer, Finding):
            yield answer
            return
        if answer.status != 200:
            yield Finding(f"OpenFaaS at {url} answers {answer.status}", "Log in: OPENFAAS_PASSWORD, faas-cli login")
            return
        names[kind] = {entry["name"] for entry in answer.json()}
    functions = names["functions"] | {entry.name for entry in _functions()}
    if len(functions) > FUNCTIONS_OF_COMMUNITY_EDITION:
        yield Finding(
            f"with Mailroom's functions there are {len(functions)}",
            f"The Community Edition runs {FUNCTIONS_OF_COMMUNITY_EDITION}: remove some, or use k8s/overlays/production",
        )
    else:
        yield Finding(f"OpenFaaS at {url} can take Mailroom's functions")
    if lacking := sorted(set(secret_names()) - names["secrets"]):
        yield Finding(
            f"OpenFaaS lacks the secrets {', '.join(lacking)}",
            "k8s/create-secrets --openfaas openfaas-fn k8s/secrets",
        )


def kubernetes(namespace: str) -> Finding:
    """A cluster answers and has the namespace."""
    if not shutil.which("kubectl"):
        return Finding("there is no kubectl", "Install it")
    done = _run("kubectl", "get", "namespace", namespace, "--request-timeout=5s")
    if "NotFound" in done.stderr:
        return Finding(f"there is no namespace {namespace}", "kubectl apply -f k8s/base/namespace.yaml")
    if done.returncode:
        return Finding("no cluster answers kubectl", f"Correct KUBECONFIG or its context: {done.stderr.strip()}")
    return Finding(f"the cluster has the namespace {namespace}")


def cluster_secrets(namespace: str) -> Finding:
    """The namespace has every secret of the functions, each under its own name as the key."""
    names = secret_names()
    done = _run("kubectl", "--namespace", namespace, "get", "secrets", "--output", "json")
    if done.returncode:
        return Finding("the secrets cannot be listed", done.stderr.strip())
    found = {each["metadata"]["name"]: each.get("data") or {} for each in json.loads(done.stdout)["items"]}
    if lacking := _lacking(names, {name: len(data[name]) for name, data in found.items() if name in data}):
        return Finding(
            f"these secrets are missing or empty in {namespace}: {', '.join(lacking)}",
            f"compose/make-secrets k8s/secrets makes files; k8s/create-secrets {namespace} k8s/secrets loads them",
        )
    return Finding(f"{len(names)} secrets")


def setup_job(namespace: str) -> Finding:
    """The newest set-up job succeeded. Kubernetes removes it an hour later."""
    done = _run("kubectl", "--namespace", namespace, "get", "jobs", "--selector", "app=setup", "--output", "json")
    if done.returncode:
        return Finding("the set-up jobs cannot be listed", done.stderr.strip())
    jobs = json.loads(done.stdout)["items"]
    if not jobs:
        return Finding("there is no set-up job: it is removed an hour after it ran")
    newest = max(jobs, key=lambda job: str(job["metadata"]["creationTimestamp"]))
    if newest["status"].get("succeeded"):
        return Finding("the set-up job succeeded")
    name = newest["metadata"]["name"]
    log = _run("kubectl", "--namespace", namespace, "logs", f"job/{name}", "--all-containers", "--tail=1")
    said = log.stdout.strip() or log.stderr.strip()
    return Finding(f"the set-up job has not succeeded: {said}", "Fix this; the job then tries again by itself")


def secret_names() -> list[str]:
    """The secrets of all functions."""
    return sorted({secret for entry in _functions() for secret in entry.secrets})


def _functions() -> tuple[Function, ...]:
    return read_stack(ROOT / "stack.yml", {})


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)
