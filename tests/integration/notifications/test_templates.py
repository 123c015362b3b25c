"""Stored templates: each change is a version, and a message names the version it was made from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mailroom.web import paging
from tests.integration.notifications.conftest import Answer, Mail
from tests.integration.notifications.relay import Relay

WELCOME = {"subject": "Welcome {{ name }}", "html": "<p>Hello {{ name }}, {{ greeting }}</p>"}
ANNA = {"name": "Anna <b>", "greeting": "good morning"}


def put(mail: Mail, name: str, body: Any) -> Answer:
    return mail.client.call("PUT", f"/templates/{name}", json.dumps(body).encode())


def send(mail: Mail, template: dict[str, Any], **more: Any) -> Answer:
    return mail.client.post({"emailTo": "anna@example.com", "template": template, **more})


def test_a_message_is_made_from_a_template(mail: Mail, relay: Relay) -> None:
    assert put(mail, "welcome", WELCOME).status == 201

    answer = send(mail, {"name": "welcome", "parameters": ANNA})

    assert answer.body["status"] == "sent"
    [received] = relay.taken
    assert received.parsed["Subject"] == "Welcome Anna <b>"
    assert received.body("html") == "<p>Hello Anna &lt;b&gt;, good morning</p>"
    assert received.body("plain").strip() == "Hello Anna <b>, good morning"
    one = mail.client.get(f"/{answer.body['id']}").body
    assert (one["template"], one["html"]) == ({"name": "welcome", "version": 1}, received.body("html"))


def test_an_accepted_message_is_sent_although_its_template_was_deleted(mail: Mail, relay: Relay) -> None:
    put(mail, "welcome", WELCOME)
    mail.client.post(
        {"emailTo": "anna@example.com", "template": {"name": "welcome", "parameters": ANNA}}, Prefer="respond-async"
    )
    put(mail, "welcome", WELCOME | {"subject": "Changed"})
    mail.client.call("DELETE", "/templates/welcome")

    mail.drain()

    assert relay.taken[0].parsed["Subject"] == "Welcome Anna <b>"


def test_a_repeated_batch_gets_the_first_answer_though_the_template_is_gone(mail: Mail, relay: Relay) -> None:
    put(mail, "welcome", WELCOME)
    message = {"emailTo": "anna@example.com", "template": {"name": "welcome", "parameters": ANNA}}
    first = mail.client.post({"messages": [message]}, "/batch", Idempotency_Key="k")
    mail.client.call("DELETE", "/templates/welcome")
    second = mail.client.post({"messages": [message]}, "/batch", Idempotency_Key="k")
    unknown = mail.client.post({"messages": [message]}, "/batch", Idempotency_Key="other")

    assert (second.status, second.body) == (first.status, first.body)
    assert unknown.status == 422
    assert len(mail.states()) == 1


def test_a_repeat_gets_the_first_answer_though_the_template_is_gone(mail: Mail, relay: Relay) -> None:
    put(mail, "welcome", WELCOME)
    body = {"emailTo": "anna@example.com", "template": {"name": "welcome", "parameters": ANNA}}
    first = mail.client.post(body, Idempotency_Key="k")
    mail.client.call("DELETE", "/templates/welcome")

    again = mail.client.post(body, Idempotency_Key="k")

    assert (again.status, again.body) == (first.status, first.body) == (200, first.body)
    assert mail.client.post(body, Idempotency_Key="other").body["field"] == "template.name"
    assert mail.client.post(body | {"tags": ["t"]}, Idempotency_Key="k").body["field"] == "template.name"
    assert len(relay.taken) == 1


def test_every_change_is_a_version_that_stays(mail: Mail, relay: Relay) -> None:
    first = put(mail, "welcome", WELCOME)
    same = put(mail, "welcome", WELCOME)
    second = put(mail, "welcome", WELCOME | {"subject": "Hi", "text": "Hi {{ name }}"})
    assert [each.status for each in (first, same, second)] == [201, 200, 200]
    assert [each.body["version"] for each in (first, same, second)] == [1, 1, 2]

    assert mail.client.get("/templates/welcome").body["subject"] == "Hi"
    assert mail.client.get("/templates/welcome", version="1").body["subject"] == WELCOME["subject"]
    send(mail, {"name": "welcome", "version": 1, "parameters": ANNA})
    send(mail, {"name": "welcome", "parameters": ANNA})
    assert [each.parsed["Subject"] for each in relay.taken] == ["Welcome Anna <b>", "Hi"]
    assert relay.taken[1].body("plain").strip() == "Hi Anna <b>"

    assert mail.client.call("DELETE", "/templates/welcome").body == {"deleted": "welcome", "version": 2}
    assert mail.client.call("DELETE", "/templates/welcome").status == 404
    assert mail.client.get("/templates/welcome").status == 404
    assert mail.client.get("/templates/welcome", version="2").body["subject"] == "Hi"
    assert send(mail, {"name": "welcome", "parameters": ANNA}).body["field"] == "template.name"
    again = put(mail, "welcome", WELCOME)
    assert (again.status, again.body["version"]) == (201, 4)

    versions = mail.client.get("/templates/welcome/versions", limit="3").body
    assert [(each["version"], each["deleted"]) for each in versions["items"]] == [(4, False), (3, True), (2, False)]
    rest = mail.client.get("/templates/welcome/versions", cursor=versions["nextCursor"]).body
    assert [each["version"] for each in rest["items"]] == [1]
    assert rest["nextCursor"] is None


def test_changes_at_once_are_all_versions(mail: Mail) -> None:
    put(mail, "welcome", WELCOME)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: put(mail, "welcome", WELCOME | {"subject": str(n)}), range(16)))

    assert sorted(each.body["version"] for each in answers) == list(range(2, 18))
    assert mail.client.get("/templates/welcome").body["version"] == 17


def test_the_list_shows_each_template_once_page_by_page(mail: Mail) -> None:
    for name in ("b", "a", "d", "c"):
        put(mail, name, WELCOME)
    put(mail, "a", WELCOME | {"subject": "new"})
    mail.client.call("DELETE", "/templates/c")

    first = mail.client.get("/templates", limit="2").body
    second = mail.client.get("/templates", limit="2", cursor=first["nextCursor"]).body

    assert [(each["name"], each["version"]) for each in first["items"] + second["items"]] == [
        ("a", 2),
        ("b", 1),
        ("d", 1),
    ]
    assert second["nextCursor"] is None
    for path in ("/templates", "/templates/a/versions"):
        for cursor in ("x", paging.to_cursor([10**30]), paging.to_cursor([None])):
            assert mail.client.get(path, cursor=cursor).body["field"] == "cursor"


def test_a_preview_stores_and_sends_nothing(mail: Mail, relay: Relay) -> None:
    put(mail, "welcome", WELCOME)

    preview = mail.client.post({"parameters": ANNA}, "/templates/welcome/preview")

    assert preview.body == {
        "name": "welcome",
        "version": 1,
        "subject": "Welcome Anna <b>",
        "html": "<p>Hello Anna &lt;b&gt;, good morning</p>",
        "text": None,
    }
    missing = mail.client.post({"parameters": {}}, "/templates/welcome/preview")
    assert (missing.status, missing.body["field"]) == (422, "parameters.name")
    assert mail.client.post({}, "/templates/gone/preview").status == 404
    assert (mail.states(), relay.connections) == ([], 0)


@pytest.mark.parametrize(
    ("template", "more", "field"),
    [
        ({"name": "welcome", "parameters": {"name": "Anna"}}, {}, "template.parameters.greeting"),
        ({"name": "welcome", "parameters": ANNA | {"name": "a\r\nBcc: eve@example.com"}}, {}, "subject"),
        ({"name": "welcome", "parameters": ANNA | {"name": "x" * 600}}, {}, "template.parameters"),
        ({"name": "welcome", "parameters": ANNA | {"name": [1]}}, {}, "template.parameters"),
        ({"name": "gone"}, {}, "template.name"),
        ({"name": "../x"}, {}, "template.name"),
        ({"name": "welcome", "version": 7}, {}, "template.version"),
        ({"name": "welcome", "version": 10**30}, {}, "template.version"),
        ({"name": "welcome", "parameters": ANNA}, {"message": "<p>x</p>"}, "message"),
        ({"name": "welcome", "parameters": ANNA}, {"subject": "x"}, "subject"),
        ({}, {}, "template.name"),
    ],
)
def test_a_message_that_cannot_be_rendered_is_refused_and_not_stored(
    mail: Mail, template: dict[str, Any], more: dict[str, Any], field: str
) -> None:
    put(mail, "welcome", WELCOME)

    answer = send(mail, template, **more)

    assert (answer.status, answer.body["field"]) == (422, field)
    assert mail.states() == []


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("welcome", {"html": "{{ x"}, "html"),
        ("welcome", {"html": "{% for a in x %}"}, "html"),
        ("welcome", {"text": "{{ x.y() }}"}, "text"),
        ("welcome", {"subject": "{{ range(9) }}"}, "subject"),
        ("welcome", {"subject": " "}, "subject"),
        ("welcome", {"subject": "a\nb"}, "subject"),
        ("welcome", {"html": None}, "html"),
        ("welcome", {"html": "x" * 100_001}, "html"),
        ("Wel come", {}, "name"),
        ("welcome", {"more": 1}, "more"),
    ],
)
def test_a_bad_template_is_refused_and_not_stored(mail: Mail, name: str, change: dict[str, Any], field: str) -> None:
    answer = put(mail, name, WELCOME | change)

    assert (answer.status, answer.body["field"]) == (422, field)
    assert mail.client.get("/templates").body["items"] == []


def test_each_call_has_its_scope(mail: Mail) -> None:
    put(mail, "welcome", WELCOME)
    mail.client.key = mail.services.keys.create("other", ["notifications:send", "notifications:read"]).text

    assert send(mail, {"name": "welcome", "parameters": ANNA}).status == 200
    assert put(mail, "welcome", WELCOME).status == 403
    assert mail.client.get("/templates").status == 403
    assert mail.client.call("DELETE", "/", query={"emailTo": "anna@example.com"}).status == 403


def test_templates_can_be_managed_by_command(mail: Mail, tmp_path: Path) -> None:
    settings = mail.services.settings
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
    environment |= {"SECRETS_DIR": str(settings.secrets_dir), "MONGODB_DATABASE": settings.mongodb_database}

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "mailroom", "templates", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout or done.stderr

    html = tmp_path / "welcome.html"
    html.write_text("<p>Grüße, {{ name }}</p>", encoding="utf-8")
    assert run("put", "welcome", "--subject", "Hi {{ name }}", "--html", str(html)) == (0, "welcome\t1\n")
    assert run("list")[1].startswith("welcome\t1\t20")
    assert "Grüße, {{ name }}" in run("show", "welcome")[1]
    html.write_text("{{ broken")
    assert run("put", "welcome", "--subject", "Hi", "--html", str(html))[0] == 1
    assert run("put", "welcome", "--subject", "Hi", "--html", str(tmp_path / "gone"))[0] == 1
    assert run("delete", "welcome") == (0, "")
    assert run("show", "welcome")[0] == 1
    assert run("show", "welcome", "--version", "1")[0] == 0
    assert run("list") == (0, "")
