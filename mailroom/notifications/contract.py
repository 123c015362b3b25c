"""The contract of the function `notifications`."""

from __future__ import annotations

from mailroom.notifications.model import State
from mailroom.platform.contract import Contract

CONTRACT = Contract(
    "notifications",
    "Mailroom: notifications",
    "Mail that is sent through a relay, recorded and tried again until it is taken. The body of `POST /` is "
    "`{emailTo, subject, message}`; `message` is HTML.",
    problem_members={
        "result": {"const": "FAILED"},
        "message": {"type": "string", "description": "The same as `detail`."},
        "id": {"type": "string", "description": "The notification, where it was recorded before it was refused."},
        "state": {"enum": [state.value for state in State]},
    },
)
