"""What a caller may give on: only scopes and senders that its own key has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
                "scopes.not_allowed", f"this key lacks the scope {scope}, so it cannot give it", field="scopes"
            )
    return scopes


def check_senders(senders: Sequence[str] | None, caller: Caller) -> tuple[str, ...]:
    """Returns the patterns `senders` if the caller may give all of them; without any, those of the caller.

    A key without patterns sends from MAIL_FROM alone. So a caller with patterns cannot give none.

    Raises:
        Invalid: one is neither an address nor `*@DOMAIN`.
        Forbidden: the caller's key does not allow one.
    """
    if senders is None:
        return caller.senders
    from mailroom.notifications.model.senders import pattern  # a function that starts does without it

    try:
        patterns = tuple(pattern(each) for each in senders)
    except ValueError as error:
        raise Invalid("senders", "senders.invalid", str(error)) from None
    if not patterns and caller.senders:
        raise Forbidden("senders.not_allowed", "this key has senders, so it must name some of them", field="senders")
    for each in patterns:
        if each not in caller.senders and f"*@{each.rpartition('@')[2]}" not in caller.senders:
            detail = f"this key may not send from {each}, so it cannot give it"
            raise Forbidden("senders.not_allowed", detail, field="senders")
    return patterns
