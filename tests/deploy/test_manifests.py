"""stack.yml is the single source of truth: every other description of the functions agrees with it."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.images import assemble, read_builds
from local.manifests import monitoring
from local.manifests.compose import environments
from local.stack_file import substitute
from mailroom.platform import environment, settings
from mailroom.platform.api_keys import SCOPES

ROOT = Path(__file__).resolve().parents[2]


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(substitute((ROOT / name).read_text(), {}).replace("$$", "$"))
    return loaded


FUNCTIONS = document("stack.yml")["functions"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compose_runs_each_function_as_stack_yml_says(name: str) -> None:
    service, function = document("docker-compose.yml")["services"][name], FUNCTIONS[name]
    assert service["image"] == function["image"]
    assert [file["path"] for file in service["env_file"]] == [f"./compose/environment/{name}.env"]
    targets = {secret["target"] for secret in service.get("secrets", [])}
    assert targets == {f"/var/openfaas/secrets/{secret}" for secret in function.get("secrets", [])}
    assert service["read_only"] is function["readonly_root_filesystem"]
    assert f"{service['mem_limit']}i".upper() == function["limits"]["memory"].upper()


def test_settings_of_the_caller_go_before_the_defaults() -> None:
    environment = environments({"SMTP_HOST": "relay.example.com", "WORK_BUDGET_SECONDS": "7", "SMTP_TLS": ""})
    sender = environment["notification-sender"]
    assert (sender["SMTP_HOST"], sender["SMTP_TLS"], sender["WORK_BUDGET_SECONDS"]) == ("relay.example.com", "off", "7")
    assert environment["invoices"]["S3_ENDPOINT"] == "http://minio:9000"
    assert environment["invoices"]["S3_PUBLIC_ENDPOINT"] == "http://127.0.0.1:9000"
    elsewhere = environments({"S3_ENDPOINT": "https://s3.example.com"})["invoices"]
    assert (elsewhere["S3_ENDPOINT"], elsewhere["S3_PUBLIC_ENDPOINT"]) == ("https://s3.example.com", "")
    assert environment["invoice-events"]["KICK_URL"] == "http://{function}:8080/"


@pytest.mark.parametrize(
    "text", ["*", '"A, B" <a@example.com>', "A: B <a@example.com>", "A #1 <a@example.com>", "O'B <a@example.com>"]
)
@pytest.mark.parametrize("name", ["CORS_ORIGINS", "MAIL_FROM", "MAIL_HEADERS", "IMPORT_ALIASES", "IMPORT_STATUSES"])
def test_what_a_setting_says_comes_through_as_it_is(name: str, text: str) -> None:
    assert {environment.get(name, text) for environment in environments({name: text}).values()} == {text}


def test_every_setting_can_be_given_from_outside() -> None:
    elsewhere = {"SECRETS_DIR", "KICK_URL", "MONGODB_SECRET", "BACKUP_TO", "BACKUP_KEEP", "REVISION", "EVENTS_URL"}
    names = {field.name.upper() for field in dataclasses.fields(settings.Settings)} - elsewhere
    text = (ROOT / "stack.yml").read_text()
    assert {name for name in names if f"${{{name}:-" not in text} == set()


def test_who_takes_the_urls_of_webhooks_knows_as_well_as_who_calls_them_which_are_allowed() -> None:
    environment = environments({"WEBHOOK_ALLOW_PRIVATE": "yes"})
    names = ("notifications", "webhook-sender")
    assert [environment[name].get("WEBHOOK_ALLOW_PRIVATE") for name in names] == ["yes", "yes"]


def test_compose_publishes_nothing_beyond_this_machine() -> None:
    services = document("docker-compose.yml")["services"]
    published = {name: port for name, service in services.items() for port in service.get("ports", [])}
    assert set(published) == {"router", "minio", "mailpit", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for port in published.values())


def test_events_come_in_by_the_router_only_if_the_s3_server_is_outside() -> None:
    called = [name for name, entry in FUNCTIONS.items() if "schedule" not in entry.get("annotations", {})]
    default = re.search(r"\{\$FUNCTIONS:([^}]*)\}", (ROOT / "compose/Caddyfile").read_text())
    assert default
    assert set(default[1].split("|")) == {*called} - {"invoice-events"}
    production = document("k8s/overlays/production/kustomization.yaml")
    [patch] = (each["patch"] for each in production["patches"] if each.get("target", {}).get("name") == "router")
    [container] = yaml.safe_load(patch)["spec"]["template"]["spec"]["containers"]
    [variable] = container["env"]
    assert variable["name"] == "FUNCTIONS"
    assert set(variable["value"].split("|")) == {*called}


def test_prometheus_finds_the_metrics_of_each_function_and_nobody_comes_to_them_by_a_service() -> None:
    manifests = [*yaml.safe_load_all((ROOT / "k8s/components/functions/functions.yaml").read_text())]
    pods = {each["metadata"]["name"]: each["spec"]["template"] for each in manifests if each["kind"] == "Deployment"}
    assert pods.keys() == FUNCTIONS.keys()
    for pod in pods.values():
        [container] = pod["spec"]["containers"]
        [port] = (each["containerPort"] for each in container["ports"] if each["name"] == "metrics")
        assert {each["name"]: each["value"] for each in container["env"]}["METRICS_PORT"] == str(port)
        assert pod["metadata"]["annotations"] == {
            "prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/metrics",
        }  # fmt: skip
    services = [each for each in manifests if each["kind"] == "Service"]
    assert {port["targetPort"] for each in services for port in each["spec"]["ports"]} == {"http"}
    for entry in FUNCTIONS.values():
        assert entry["annotations"]["prometheus.io.port"] == str(entry["environment"]["METRICS_PORT"])


@pytest.mark.parametrize("file", ["base/network.yaml", "overlays/openfaas/functions.yaml"])
def test_the_metrics_are_open_to_prometheus_alone(file: str) -> None:
    port = int(FUNCTIONS["invoices"]["environment"]["METRICS_PORT"])
    rules = [
        (peer, {each["port"] for each in rule["ports"]})
        for policy in yaml.safe_load_all((ROOT / "k8s" / file).read_text())
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
    ]
    for peer, ports in rules:
        if port in ports:
            assert ports == {port}
            assert "prometheus" in str(peer) or "mailroom-monitoring" in str(peer)
    assert any(port in ports for _, ports in rules)


def test_compose_calls_every_function_with_a_schedule() -> None:
    scheduled = {name for name, entry in FUNCTIONS.items() if "schedule" in entry.get("annotations", {})}
    assert set(document("docker-compose.yml")["services"]["schedule"]["command"][2:]) == scheduled
    # schedule.py and the CronJobs know only this one.
    assert {FUNCTIONS[name]["annotations"]["schedule"] for name in scheduled} == {"* * * * *"}
    assert {path.stem for path in (ROOT / "k8s/components/schedules").glob("*.yaml")} - {"kustomization"} == scheduled


def test_the_manifests_are_those_of_stack_yml() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "local.manifests.kubernetes"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert (ROOT / "k8s/components/functions/functions.yaml").read_text() == made, (
        "make it anew: local.manifests.kubernetes"
    )


def test_grafana_and_the_operator_get_what_rules_and_dashboards_say() -> None:
    for path, text in monitoring.files(ROOT).items():
        assert (ROOT / path).read_text() == text, f"make {path} anew: python -m local.manifests.monitoring"


@pytest.mark.parametrize("name", ["base/setup", "components/backups/backup", "components/backups/restore"])
def test_a_job_of_our_command_line_accepts_its_settings(name: str) -> None:
    [job] = (each for each in yaml.safe_load_all((ROOT / f"k8s/{name}.yaml").read_text()) if "Job" in each["kind"])
    spec = job["spec"].get("jobTemplate", job)["spec"]
    [container] = spec["template"]["spec"]["containers"]
    dockerfile = (ROOT / "template/python3-http/Dockerfile").read_text()
    of_the_image = dict(re.findall(r"\b(\w+_timeout)=(\w+)", dockerfile))
    assert of_the_image["exec_timeout"]
    environment.load(of_the_image | {each["name"]: each["value"] for each in container["env"]})


@pytest.mark.parametrize("way", ["compose", "kubernetes"])
def test_the_listener_is_served_from_the_image_with_settings_it_accepts(way: str) -> None:
    if way == "compose":
        service = document("docker-compose.yml")["services"]["listener"]
        settings, folder = environments({})["invoices"] | service["environment"], service["working_dir"]
        secrets = {each["target"]: each["source"] for each in service["secrets"]}
        command, image = service["command"], service["image"]
    else:
        pod = PODS["Deployment listener"]
        [container] = pod["containers"]
        [volume] = (each for each in pod["volumes"] if each["name"] == "secrets")
        settings, folder = {each["name"]: each["value"] for each in container["env"]}, container["workingDir"]
        items = [each["secret"] for each in volume["projected"]["sources"]]
        secrets = {f"/var/openfaas/secrets/{each['items'][0]['path']}": each["name"] for each in items}
        command, image = container["command"], container["image"]
    assert image == FUNCTIONS["invoices"]["image"]
    assert (folder, command) == ("/home/app", ["python", "index.py"])
    handler = settings["FUNCTION_DIR"].removeprefix(f"{settings['PYTHONPATH']}/")
    assert (ROOT / handler / "handler.py").is_file()
    accepted = environment.load(settings)
    assert (accepted.events, accepted.events_url) == ("webhook", "http://invoice-events:8080/")
    assert secrets == {
        "/var/openfaas/secrets/mailroom-s3-access-key": "listener-s3-access-key",
        "/var/openfaas/secrets/mailroom-s3-secret-key": "listener-s3-secret-key",
        "/var/openfaas/secrets/mailroom-webhook-token": "mailroom-webhook-token",
    }


@pytest.mark.parametrize("overlay", ["dev", "production", "openfaas/servers"])
def test_any_overlay_takes_the_listener(overlay: str, tmp_path: Path) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl")
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s", ignore=shutil.ignore_patterns("secrets"))
    shutil.copytree(ROOT / "compose", tmp_path / "compose", ignore=shutil.ignore_patterns("secrets", "environment"))
    file = tmp_path / "k8s/overlays" / overlay / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    content["components"].append(f"{'../' * (overlay.count('/') + 2)}components/listener")
    file.write_text(yaml.safe_dump(content))
    made = subprocess.run(["kubectl", "kustomize", file.parent], capture_output=True, text=True, check=True).stdout
    [listener] = (
        each
        for each in yaml.safe_load_all(made)
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", "listener")
    )
    [container] = listener["spec"]["template"]["spec"]["containers"]
    settings = {each["name"]: each["value"] for each in container["env"]}
    assert (
        settings["EVENTS_URL"]
        == {
            "dev": "http://invoice-events:8080/",
            "production": "http://invoice-events:8080/",
            "openfaas/servers": "http://gateway.openfaas:8080/function/invoice-events",
        }[overlay]
    )
    assert settings["S3_ENDPOINT"].startswith("https://s3.example" if overlay == "production" else "http://minio")


def secrets_of(node: object) -> set[str]:
    """The names of the secrets that a manifest mounts."""
    if isinstance(node, list):
        return {name for each in node for name in secrets_of(each)}
    if not isinstance(node, dict):
        return set()
    mounted = {node["secret"][key] for key in ("name", "secretName") if key in (node.get("secret") or {})}
    return mounted | {name for each in node.values() for name in secrets_of(each)}


def test_external_secrets_are_all_that_production_mounts() -> None:
    files = [
        *("base/setup.yaml", "components/functions/functions.yaml"),
        *("components/backups/backup.yaml", "components/backups/restore.yaml", "components/listener/listener.yaml"),
    ]
    mounted = {name for file in files for name in secrets_of([*yaml.safe_load_all((ROOT / "k8s" / file).read_text())])}
    made = [*yaml.safe_load_all((ROOT / "k8s/components/external-secrets/external-secrets.yaml").read_text())]
    assert sorted(each["metadata"]["name"] for each in made) == sorted(mounted)
    assert all(each["spec"]["data"][0]["secretKey"] == each["metadata"]["name"] for each in made)


def test_openfaas_gets_the_secrets_of_the_functions(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n')
    kubectl.chmod(0o755)
    wanted = {secret for function in FUNCTIONS.values() for secret in function.get("secrets", [])}
    for secret in {*wanted, "mongodb-root-password"}:
        (tmp_path / "secrets" / secret).parent.mkdir(exist_ok=True)
        (tmp_path / "secrets" / secret).touch()
    command = [str(ROOT / "k8s/create-secrets"), "--openfaas", "openfaas-fn", str(tmp_path / "secrets")]
    subprocess.run(command, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)
    made = re.findall(r"create secret generic (\S+)", (tmp_path / "calls").read_text())
    assert sorted(made) == sorted(wanted)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_image_is_built_from_template_function_and_shared_code(name: str, tmp_path: Path) -> None:
    build = next(each for each in read_builds(ROOT / "stack.yml", {}) if each.function == name)
    assemble(build, tmp_path / "context")
    files = {path.relative_to(tmp_path / "context").as_posix() for path in (tmp_path / "context").rglob("*")}
    assert {"Dockerfile", "index.py", "function/handler.py", "function/mailroom/services.py"} <= files
    assert (tmp_path / "context/function/handler.py").read_text() == (build.handler / "handler.py").read_text()
    assert not [file for file in files if "__pycache__" in file]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """The pods of our manifests, with kind and name of what makes them. Patches of an overlay are not among them."""
    for file in sorted((ROOT / "k8s").glob("*/**/*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            kind, spec = document["kind"], document.get("spec", {})
            template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
            if template and file.name != "prepare.yaml":
                yield f"{kind} {document['metadata']['name']}", template["spec"]


PODS = dict(pods())


@pytest.mark.parametrize("name", PODS)
def test_a_pod_writes_only_into_volumes_of_limited_size(name: str) -> None:
    for container in PODS[name]["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
    folders = [volume["emptyDir"] for volume in PODS[name].get("volumes", []) if "emptyDir" in volume]
    assert all("sizeLimit" in folder for folder in folders)


@pytest.mark.parametrize("name", [name for name in PODS if name.startswith("Deployment")])
def test_a_pod_that_hangs_is_ended(name: str) -> None:
    assert all("livenessProbe" in container for container in PODS[name]["containers"])


@pytest.mark.parametrize("overlay", ["dev", "production", "openfaas"])
@pytest.mark.usefixtures("cluster")
def test_the_api_server_takes_each_overlay(overlay: str) -> None:
    # In their own namespaces, apart from what the cluster runs already.
    manifests = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "k8s/overlays" / overlay)], capture_output=True, text=True, check=True
    ).stdout
    prefix = f"mailroom-test-{overlay}"
    there = re.sub(r"\b(name|namespace): (mailroom|openfaas|openfaas-fn)$", rf"\1: {prefix}-\2", manifests, flags=re.M)
    namespaces = sorted(set(re.findall(rf"^  namespace: ({prefix}-\S+)$", there, re.M)))
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    made = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted}}
        for name in namespaces
    ]
    try:
        apply("\n---\n".join(map(json.dumps, made)))
        warnings = apply(there, "--dry-run=server")
    finally:
        subprocess.run(["kubectl", "delete", "namespace", *namespaces, "--wait=false"], check=True, capture_output=True)
    assert warnings == ""


def apply(manifests: str, *options: str) -> str:
    """What the API server says to them, if it takes them."""
    command = ["kubectl", "apply", *options, "--filename", "-"]
    applied = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False)
    assert applied.returncode == 0, applied.stderr
    return applied.stderr


def test_the_key_of_the_docs_has_every_scope_for_data() -> None:
    docs = (ROOT / "docs/deploy-openfaas.md").read_text()
    others = {"notifications:test", "keys:manage", "operations:read"}
    for command in re.findall(r"keys create (?:.*\\\n)*.*", docs):
        assert sorted(re.findall(r"--scope ([\w:]+)", command)) == sorted(set(SCOPES) - others)


def test_every_command_of_the_docs_can_be_typed() -> None:
    docs = (ROOT / "docs/deploy-openfaas.md").read_text()
    commands = re.findall(r"^    (?:export \w+=\$\()?((?:k8s|compose)/\S+)", docs, re.M)
    assert "k8s/apply" in commands
    assert [each for each in commands if not os.access(ROOT / each, os.R_OK)] == []
    assert [line for line in docs.splitlines() if line.startswith("    ") and "…" in line] == []
