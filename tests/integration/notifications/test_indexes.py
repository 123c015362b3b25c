"""Every query of the API, the sender and the clean-up reads an index: the server's plan shows it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import monitoring

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>x</p>", "tags": ["t"]}
COLLECTIONS = ("notifications", "claims", "leases", "suppressions", "softBounces", "templates", "webhookDeliveries")

Query = tuple[str, dict[str, Any], dict[str, int], str | None]


class Listener(monitoring.CommandListener):
    """Records the collection, filter, order and hint of each command."""

    def __init__(self) -> None:
        self.queries: list[Query] = []
        self.on = False

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if not self.on:
            return
        command, name = event.command, event.command_name
        if name == "find":
            order = dict(command.get("sort", {}))
            self.queries.append((command["find"], command.get("filter", {}), order, command.get("hint")))
        for each in command.get("updates", ()) if name == "update" else ():
            self.queries.append((command["update"], each["q"], {}, each.get("hint")))
        for each in command.get("deletes", ()) if name == "delete" else ():
            self.queries.append((command["delete"], each["q"], {}, each.get("hint")))
        if name == "aggregate":
            first = command["pipeline"][0]
            self.queries.append((command["aggregate"], first.get("$match", {}), {}, command.get("hint")))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    listener = Listener()
    before = list(monitoring._LISTENERS.command_listeners)
    monitoring.register(listener)  # for clients that are made from now on
    yield listener
    monitoring._LISTENERS.command_listeners[:] = before


def stages(plan: Any) -> set[str]:
    """The names of all stages in a plan."""
    if not isinstance(plan, dict):
        return set()
    inner = [plan.get("inputStage"), plan.get("queryPlan"), *plan.get("inputStages", ())]
    return {plan.get("stage", "")}.union(*map(stages, inner))


def fill(mail: Mail, relay: Relay) -> None:
    """Stores enough messages for meaningful plans."""
    relay.on("rcpt", reply("550 5.1.1 unknown"))
    mail.client.post(HELLO)
    messages = [HELLO | {"emailTo": f"a{number}@example.com"} for number in range(60)]
    mail.client.post({"messages": messages}, "/batch")
    mail.drain()


def test_every_query_scans_an_index(listener: Listener, make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(retention_bodies_days=1.0, retention_messages_days=2.0)
    listener.on = True
    fill(mail, relay)
    message = mail.client.post(HELLO | {"emailTo": "b@example.com"}, Prefer="respond-async", Idempotency_Key="k").body
    mail.client.post(HELLO | {"emailTo": "b@example.com"}, Prefer="respond-async", Idempotency_Key="k")
    mail.client.post(None, f"/{message['id']}/cancel")
    mail.client.post(None, f"/{message['id']}/resend")
    bounce = {"address": "a2@example.com", "delivery": "bounced", "code": "4.2.2"}
    sent = mail.client.get(emailTo="a2@example.com").body["items"][0]["id"]
    assert mail.client.post(bounce, f"/{sent}/delivery").status == 200
    listener.on = False
    mail.let_time_pass()
    listener.on = True
    mail.drain()
    filters = {
        "status": "sent",
        "emailTo": "a1@example.com",
        "sender": "mailroom@ours.example.com",
        "tag": "t",
        "from": "2020-01-01T00:00:00Z",
    }
    for count in (1, 2, 3):
        for names in itertools.combinations(filters, count):
            page = mail.client.get(limit="1", **{name: filters[name] for name in names})
            if page.status == 200 and page.body["nextCursor"]:
                mail.client.get(cursor=page.body["nextCursor"], **{name: filters[name] for name in names})
    mail.client.get("/counts")
    mail.client.get("/suppressions", address="anna@example.com")
    mail.client.get("/suppressions", topic="news")
    mail.client.get("/suppressions", address="anna@example.com", topic="news")
    mail.client.post({"address": "c@example.com"}, "/suppressions")
    mail.client.call("DELETE", "/suppressions/c@example.com")
    mail.client.call("DELETE", "/suppressions/c@example.com", query={"topic": "news"})
    for subject in ("one", "two"):
        mail.client.call("PUT", "/templates/hi", b'{"subject": "%s", "text": "x"}' % subject.encode())
    mail.client.get("/templates/hi")
    mail.client.get("/templates/hi", version="1")
    mail.client.get("/templates/hi/versions")
    mail.client.call("DELETE", "/templates/hi")
    hook = mail.client.post({"url": "https://example.com/", "events": ["import.done"]}, "/webhooks").body["id"]
    mail.client.get(f"/webhooks/{hook}/deliveries")
    mail.client.get(f"/webhooks/{hook}/deliveries", state="dead")
    mail.client.call("DELETE", f"/webhooks/{hook}")
    mail.client.call("DELETE", "/", query={"emailTo": "a1@example.com"})
    listener.on = False

    # By _id every server looks up directly, though SecantusDB's plan does not say so; nor does it use partial indexes.
    passed_over = {"_id", "idempotency.key"}
    queries = [
        each for each in listener.queries if each[0] in COLLECTIONS and each[1] and not passed_over & set(each[1])
    ]
    assert {each[0] for each in queries} == set(COLLECTIONS)
    assert len(queries) > 50
    seen = set()
    for collection, which, order, index in queries:
        form = f"{collection} {sorted(which)} {order}"
        if form in seen:
            continue
        seen.add(form)
        cursor = mail.services.database[collection].find(which)
        cursor = cursor.sort(list(order.items())) if order else cursor
        index = mail.hint_for(which).get("hint", index)
        plan = (cursor.hint(index) if index else cursor).explain()["queryPlanner"]["winningPlan"]
        found = stages(plan)
        assert found & {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN"}, (form, plan)
        assert "COLLSCAN" not in found, (form, plan)
    assert len(seen) >= 15
