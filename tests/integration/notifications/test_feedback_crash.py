"""SIGKILL for a process that applies a report, at each step: the report again finishes what it began."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins

from tests.integration.notifications.children import StartChild, hear, killed, say
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.test_feedback import ANNA, COMPLAINT, DELIVERED, FULL, GONE, report, send

POINTS = {
    "hard": (GONE, ["noted", "suppressed", "finished"]),
    "complaint": (COMPLAINT, ["noted", "suppressed", "finished"]),
    "soft": (FULL, ["noted", "counted", "suppressed", "finished"]),
    "delivered": (DELIVERED, ["noted", "finished"]),
}


@pytest.mark.parametrize(
    ("given", "point"),
    [pytest.param(given, point, id=f"{name}-{point}") for name, (given, points) in POINTS.items() for point in points],
)
def test_after_a_kill_the_report_again_finishes_it(
    make_mail: Any, start_child: StartChild, point: str, given: Any
) -> None:
    mail: Mail = make_mail(soft_bounces=2)
    earlier, message = send(mail), send(mail)
    mail.feedback.apply(report(earlier, **FULL))
    line = to_builtins(report(message, **given), builtin_types=(), enc_hook=str)
    dying = start_child(mail, "feedback", point)

    say(dying, line)
    assert killed(dying)
    assert mail.client.get(f"/{message}").body["recipients"][0]["delivery"]["status"] == given["delivery"]
    if point == "noted":
        assert mail.suppressed() == []
    other = start_child(mail, "feedback")
    for _ in range(2):
        say(other, line)
        assert hear(other) == "repeated"

    assert mail.suppressed() == ([] if given is DELIVERED else [ANNA])
    document = mail.collection.find_one({"reports": {"$exists": True}}, sort=[("_id", -1)])
    assert document is not None
    assert len(document["reports"]) == 1
    assert "unfinished" not in document["reports"][0]
    counted = mail.services.database["softBounces"].find_one()
    assert counted is not None
    assert len(counted["bounces"]) == (2 if given is FULL else 1)
