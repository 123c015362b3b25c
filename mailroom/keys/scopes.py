"""What a caller may give on: only scopes that its own key has."""

from __future__ import annotations

from collections.abc import Collection

from mailroom.errors import Forbidden, Invalid
from mailroom.platform.api_keys import SCOPES, Caller


def check_scopes(scopes: Collection[str], caller: Caller) -> Collection[str]:
    """Returns `scopes` if the caller may give all of them.

    Raises:
        Invalid: there is none, or one is unknown.
        Forbidden: the caller's key lacks one.
    """
    if not scopes:
        raise Invalid("scopes", "scopes.invalid", "scopes must name one scope at least")
    for scope in sorted(scopes):
        if scope not in SCOPES:
            raise Invalid("scopes", "scopes.invalid", f"unknown scope {scope}: there are {', '.join(SCOPES)}")
        if scope not in caller.scopes:
            raise Forbidden(
                "scopes.not_allowed", f"this key cannot give the scope {scope}, for it lacks it", field="scopes"
            )
    return scopes
