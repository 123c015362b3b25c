"""What the views of sessions and keys work with."""

from __future__ import annotations

from typing import cast

import msgspec
from flask import Flask, current_app

from mailroom.keys.codes import LoginCodes
from mailroom.keys.managed import ManagedKeys
from mailroom.keys.sessions import Sessions

_NAME = "mailroom.keys"


class KeysContext(msgspec.Struct, frozen=True):
    """`codes` start sessions, as keys do."""

    keys: ManagedKeys
    sessions: Sessions
    codes: LoginCodes

    def attach(self, app: Flask) -> None:
        """Makes it the context of `app`."""
        app.extensions[_NAME] = self


def context() -> KeysContext:
    """The context of the application that serves this call."""
    return cast(KeysContext, current_app.extensions[_NAME])
