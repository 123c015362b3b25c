"""The overlay `dev` in its own namespace, on kubectl's current cluster, and what the tests do to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import urllib3

from tests.deploy.pods import READ, SLEEP, python_pod
from tests.deploy.stand_ins import stand_ins
from tests.support.ports import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("invoice-events", "invoice-importer", "invoices", "notifications", "notification-sender", "webhook-sender")
BUILT = (*FUNCTIONS, "console")  # of each, there is an image and a Deployment
SERVERS = ("mongo", "minio", "mailpit")
IMAGES = {
    "mongo": "MONGO_IMAGE",
    "ghcr.io/mailroom/minio": "MINIO_IMAGE",
    "axllent/mailpit": "MAILPIT_IMAGE",
    "caddy": "CADDY_IMAGE",
}
REGISTRY, TAG, NEXT_TAG = "mailroom", "test", "next"
IMAGE = f"{REGISTRY}/invoices:{TAG}"  # for pods of the tests
# Leases and waits short enough for a test. They stay within the limits that the functions check.
SETTINGS = {
    "exec_timeout": "20s",
    "write_timeout": "20s",
    "WORK_BUDGET_SECONDS": "10",
    "EXPORT_SECONDS": "10",
    "SMTP_DATA_TIMEOUT_SECONDS": "10",
    "SEND_LEASE_SECONDS": "22",
    "IMPORT_LEASE_SECONDS": "15",
    "RETRY_FIRST_SECONDS": "2",
}
SCOPES = ("invoices:read", "invoices:write", "notifications:read", "notifications:send")


def run(*words: str, given: str | None = None) -> str:
    done = subprocess.run(words, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class Cluster:
    """One namespace. `secrets` is the folder of its secrets' files."""

    namespace: str
    secrets: Path
    key: str = ""

    def kubectl(self, *words: str, given: str | None = None) -> str:
        return run("kubectl", "--namespace", self.namespace, *words, given=given)

    def raise_(self) -> None:
        """Starts everything, and makes an API key."""
        build_images()
        run("kubectl", "apply", "-f", "-", given=_here((ROOT / "k8s/base/namespace.yaml").read_text(), self.namespace))
        run("compose/make-secrets", str(self.secrets))
        run("k8s/create-secrets", self.namespace, str(self.secrets))
        self.apply()
        self.wait_until_ready()
        scopes = (word for scope in SCOPES for word in ("--scope", scope))
        made = run("k8s/mailroom", self.namespace, str(self.secrets), "keys", "create", "--name", "test", *scopes)
        self.key = made.splitlines()[-1]

    def apply(self, tag: str = TAG, *components: str) -> None:
        """Applies the overlay as GitOps tools do: nothing is deleted first. `tag` is of the image of `invoices`."""
        run("kubectl", "apply", "-k", str(overlay(self.secrets.parent / "manifests", self.namespace, tag, *components)))

    def setups(self) -> dict[str, str]:
        """The image of each set-up job, by the job's uid."""
        jobs = json.loads(self.kubectl("get", "jobs", "--selector", "app=setup", "-o", "json"))["items"]
        return {job["metadata"]["uid"]: job["spec"]["template"]["spec"]["containers"][0]["image"] for job in jobs}

    def image(self, function: str) -> str:
        return self.kubectl("get", f"deploy/{function}", "-o", "jsonpath={.spec.template.spec.containers[0].image}")

    def wait_until_set_up(self) -> None:
        self.kubectl("wait", "--for=condition=complete", "job", "--selector", "app=setup", "--timeout=240s")

    def wait_until_ready(self) -> None:
        self.wait_until_set_up()
        for name in (*SERVERS, *BUILT, "router"):
            self.kubectl("rollout", "status", f"deploy/{name}", "--timeout=120s")

    def wait_until_gone(self, pods: Iterable[str]) -> None:
        names = [f"pod/{name}" for name in pods]
        self.kubectl("wait", "--for=delete", *names, "--timeout=90s")

    def pods(self, *apps: str) -> list[str]:
        found = self.kubectl("get", "pods", "-l", f"app in ({','.join(apps)})", "-o", "name")
        return [name.removeprefix("pod/") for name in found.split()]

    def kill(self, app: str) -> None:
        """Kills the only pod of a workload and waits for the next one."""
        [pod] = self.pods(app)
        self.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
        eventually(lambda: self.pods(app) not in ([], [pod]), 60, f"another pod of {app}")
        self.kubectl("rollout", "status", f"deploy/{app}", "--timeout=120s")

    def run_job(self, cronjob: str) -> str:
        """Runs the job of a CronJob now. Returns its log."""
        name = f"{cronjob}-now"
        self.kubectl("create", "job", f"--from=cronjob/{cronjob}", name)
        # Waits for either condition: a failed job never becomes "complete".
        eventually(lambda: self._job(name).get("succeeded") or self._job(name).get("failed"), 120, f"the job {name}")
        log = self.kubectl("logs", f"job/{name}")
        assert self._job(name).get("succeeded"), log
        self.kubectl("delete", "job", name)
        return log

    def _job(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.kubectl("get", "job", name, "-o", "json"))["status"]
        return status

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[str]:
        """The URL of a service, from here. It ends with the pod that was chosen."""
        here = free_port()
        command = ["kubectl", "--namespace", self.namespace, "port-forward", f"service/{service}", f"{here}:{port}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            assert "Forwarding" in process.stdout.readline()
            yield f"http://127.0.0.1:{here}"
        finally:
            process.terminate()
            process.wait()

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text()

    def verify(self) -> None:
        """As `make verify`."""
        with self.forwarded("router", 8080) as gateway, self.forwarded("minio", 9000) as store:
            environment = {
                **os.environ,
                "GATEWAY": gateway,
                "API_KEY": self.key,
                "S3_ENDPOINT": store,
                "S3_ACCESS_KEY": self.secret("people-s3-access-key"),
                "S3_SECRET_KEY": self.secret("people-s3-secret-key"),
            }
            command = [sys.executable, "-m", "local.verify"]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr

    def everything(self, path: str, **query: str) -> list[dict[str, Any]]:
        """All pages of a list of the APIs."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        with self.forwarded("router", 8080) as gateway:
            while True:
                fields = {"limit": "1000", **query, **cursor}
                headers = {"Authorization": f"Bearer {self.key}"}
                answer = urllib3.request("GET", f"{gateway}/function/{path}", fields=fields, headers=headers)
                assert answer.status == 200, answer.data
                page = answer.json()
                items += page["items"]
                if page["nextCursor"] is None:
                    return items
                cursor = {"cursor": page["nextCursor"]}

    @contextmanager
    def load(self) -> Iterator[dict[str, list[Any]]]:
        """Calls and uploads until the end of the block. The result is complete after it."""
        outcome: dict[str, list[Any]] = {}
        self.kubectl("create", "configmap", "load", f"--from-file={ROOT / 'tests/deploy/load.py'}")
        self.kubectl("apply", "-f", "-", given=json.dumps(self._load_pod()))
        try:
            self.kubectl("wait", "--for=condition=Ready", "pod/load", "--timeout=60s")
            eventually(lambda: "begun" in self.kubectl("logs", "load"), 60, "the load")
            yield outcome
            self.kubectl("exec", "load", "--", "touch", "/tmp/stop")
            self.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/load", "--timeout=90s")
            outcome.update(json.loads(self.kubectl("logs", "load").splitlines()[-1]))
        finally:
            self.kubectl("delete", "pod/load", "configmap/load", "--grace-period=0", "--force")

    def _load_pod(self) -> dict[str, Any]:
        environment = {
            "API_KEY": self.key,
            "S3_ACCESS_KEY": self.secret("people-s3-access-key"),
            "S3_SECRET_KEY": self.secret("people-s3-secret-key"),
        }
        # The network lets those who set up reach MinIO.
        pod = python_pod(IMAGE, "load", self.namespace, {"role": "setup"}, "/load/load.py")
        [container] = pod["spec"]["containers"]
        container["env"] = [{"name": name, "value": value} for name, value in environment.items()]
        container["volumeMounts"] = [{"name": "load", "mountPath": "/load"}]
        pod["spec"]["volumes"] = [{"name": "load", "configMap": {"name": "load"}}]
        return pod

    def metrics(self) -> dict[str, str]:
        """The address of the metrics of each pod, by function, as the pods' annotations tell it to Prometheus."""
        pods = json.loads(self.kubectl("get", "pods", "--output", "json"))["items"]
        found: dict[str, str] = {}
        for pod in pods:
            notes = pod["metadata"].get("annotations", {})
            if notes.get("prometheus.io/scrape") == "true" and not pod["metadata"].get("deletionTimestamp"):
                place = f"{pod['status']['podIP']}:{notes['prometheus.io/port']}{notes['prometheus.io/path']}"
                found[pod["metadata"]["labels"]["app"]] = f"http://{place}"
        return found

    @contextmanager
    def reader(self, namespace: str, app: str) -> Iterator[Callable[[], set[str]]]:
        """A pod with this label. The result tells which functions show it their metrics now."""
        name, there = f"{app}-reads", ("kubectl", "--namespace", namespace)
        run(
            "kubectl",
            "apply",
            "-f",
            "-",
            given=json.dumps(python_pod(IMAGE, name, namespace, {"app": app}, "-c", SLEEP)),
        )

        def read() -> set[str]:
            addresses = json.dumps(self.metrics())
            return set(json.loads(run(*there, "exec", name, "--", "python", "-c", READ, addresses)))

        try:
            run(*there, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
            yield read
        finally:
            run(*there, "delete", f"pod/{name}", "--grace-period=0", "--force", "--wait=false")

    def lose_servers(self) -> None:
        """Replaces MongoDB and MinIO, with all their data, by empty ones."""
        for name in ("mongo", "minio"):
            self.kubectl("delete", "deployment", name)
            self.kubectl("delete", "pvc", name)
        self.kubectl("delete", "job", "--selector", "app=setup")  # nothing of the job has changed, so it would not run
        self.apply()


def build_images() -> None:
    """Builds the functions' images and loads them, with the servers' images, into the cluster."""
    environment = {**os.environ, "REGISTRY": REGISTRY, "TAG": TAG}
    done = subprocess.run(
        [sys.executable, "-m", "local.images"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    servers = servers_images().values()
    run(*os.environ["CLUSTER_LOAD"].split(), *(f"{REGISTRY}/{name}:{TAG}" for name in BUILT), *servers)


@cache
def servers_images() -> dict[str, str]:
    """The images that take the place of those in the manifests, by the names of these."""
    given = {**os.environ, **stand_ins(os.environ)}
    return {name: given[variable] for name, variable in IMAGES.items() if variable in given}


def load_next_image() -> None:
    """Loads the image of `invoices` and the set-up under another tag, as a release would bring it."""
    run("docker", "tag", f"{REGISTRY}/invoices:{TAG}", f"{REGISTRY}/invoices:{NEXT_TAG}")
    run(*os.environ["CLUSTER_LOAD"].split(), f"{REGISTRY}/invoices:{NEXT_TAG}")


def overlay(folder: Path, namespace: str, tag: str, *components: str) -> Path:
    """Writes an overlay over `dev` as an operator does: namespace, this machine's images, short waits, components."""
    for name in ("k8s", "compose"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("secrets"), dirs_exist_ok=True)
    for file in folder.glob("k8s/**/*.yaml"):
        file.write_text(_here(file.read_text(), namespace))
    ours = [
        {
            "name": f"ghcr.io/mailroom/{name}",
            "newName": f"{REGISTRY}/{name}",
            "newTag": tag if name == "invoices" else TAG,
        }
        for name in BUILT
    ]
    others = [
        {"name": name, **dict(zip(("newName", "newTag"), image.rsplit(":", 1), strict=True))}
        for name, image in servers_images().items()
    ]
    env = [{"name": name, "value": value} for name, value in SETTINGS.items()]
    waits = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "any"},
        "spec": {"template": {"spec": {"containers": [{"name": "function", "env": env}]}}},
    }
    functions = {"kind": "Deployment", "labelSelector": "role in (api, worker)"}
    kustomization = {
        "namespace": namespace,
        "resources": ["../dev"],
        "components": [f"../../components/{name}" for name in components],
        "images": ours + others,
        "patches": [{"target": functions, "patch": json.dumps(waits)}],
    }
    made = folder / "k8s/overlays/test"
    made.mkdir(exist_ok=True)
    (made / "kustomization.yaml").write_text(json.dumps(kustomization))
    return made


def _here(text: str, namespace: str) -> str:
    named = re.sub(r"\b(name|namespace): mailroom$", rf"\1: {namespace}", text, flags=re.MULTILINE)
    return re.sub(r"\b(minio|smtp|mongo)\.mailroom\b", rf"\1.{namespace}", named)
