"""The fields of a delivery report (RFC 3464): which recipient, which action, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from mailroom.notifications.feedback.parsing.addressing import same, typed_address, xtext_decoded
from mailroom.notifications.feedback.parsing.codes import judge, shortened, status_of
from mailroom.notifications.feedback.parsing.found import Found, Outcome

_MOST_RECIPIENTS = 100  # of one report
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]*(.*)")
_RECIPIENTS = ("original-recipient", "final-recipient")
_KNOWN = frozenset({*_RECIPIENTS, "action", "status", "diagnostic-code"})
_ACTION = re.compile(r"[a-z]+")

Fields = dict[str, str]


def recipients_of(status: str, words_about: Callable[[str], str]) -> list[Found]:
    """The recipients in the text of a delivery report, each once.

    `words_about` finds what the mail says to people about an address whose fields have no words.
    Recipients that were relayed or expanded to a list are left out: nobody knows yet what becomes of the message.
    """
    found = (each for fields in _groups(status) if (each := _recipient(fields, words_about)) is not None)
    return _without_conflicts(islice(found, _MOST_RECIPIENTS))


def has_fields(text: str) -> bool:
    """Whether the text has a recipient's fields, as in reports that are no MIME."""
    return any("action" in fields and any(name in fields for name in _RECIPIENTS) for fields in _groups(text))


def _groups(text: str) -> Iterator[Fields]:
    """The fields of each recipient.

    Empty lines should divide the groups, but some servers leave them out. So a group also ends where a field or an
    address comes again. It goes on behind an empty line until it has an action.
    """
    fields: Fields = {}
    ended, last = False, ""
    for name, value in _fields(text):
        if not name:
            ended = bool(fields)
            continue
        next_recipient = name in _RECIPIENTS and last not in _RECIPIENTS and any(each in fields for each in _RECIPIENTS)
        if name in fields or next_recipient or (ended and ("action" in fields or name in _RECIPIENTS)):
            yield fields
            fields = {}
        fields[name] = value
        ended, last = False, name
    if fields:
        yield fields


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """The known fields with lower-case names and unfolded values; ("", "") for an empty line."""
    name, value = "", ""
    lines = text.strip().splitlines()
    if len(lines) > 2 and not any(line.strip() for line in lines[1::2]):
        lines = lines[::2]  # a server has doubled every line end
    for line in (*lines, ""):
        if line[:1] in (" ", "\t") and line.strip() and name:
            value = f"{value} {line.strip()}"
            continue
        if name in _KNOWN:
            yield name, value
        match = _FIELD.match(line)
        name, value = (match[1].lower(), match[2]) if match else ("", "")
        if not line.strip():
            yield "", ""


def _recipient(fields: Fields, words_about: Callable[[str], str]) -> Found | None:
    status = status_of(fields.get("status", ""))
    outcome = _outcome(fields.get("action", ""), status)
    original, final = (typed_address(fields.get(name, "")) for name in _RECIPIENTS)
    if outcome is None or not (original or final):
        return None
    original = original or final
    decoded = xtext_decoded(original)
    if final and same(decoded, final):
        original = decoded
    words = fields.get("diagnostic-code", "")
    # Without the type: `smtp; 550 5.1.1 unknown`.
    words = words.partition(";")[2].strip() if re.match(r"\s*[\w-]+\s*;", words) else words
    if not words and outcome is Outcome.BOUNCED:
        words = words_about(final or original)
    code, permanent = judge(status, words) if outcome is Outcome.BOUNCED else (status, False)
    forwarded = bool(final) and not same(original, final)
    return Found(
        recipient=original,
        outcome=outcome,
        # The address that the mail went to exists: its mail is forwarded, to an address that takes none.
        permanent=permanent and not forwarded,
        code=code,
        text=shortened(words),
        others=tuple(each for each in dict.fromkeys((final, decoded)) if each and each != original),
    )


def _outcome(action: str, status: str) -> Outcome | None:
    """None if the fields contradict each other, or tell nothing final."""
    match = _ACTION.match(action.strip().lower())
    word = match[0] if match else ""
    if word.startswith(("fail", "error")) or (not word and status.startswith("5.")):
        return None if status.startswith("2.") else Outcome.BOUNCED
    if word == "delayed":
        return Outcome.DELAYED
    if word == "delivered" and not status.startswith(("4.", "5.")):
        return Outcome.DELIVERED
    return None


def _without_conflicts(found: Iterable[Found]) -> list[Found]:
    """Each recipient once. It is left out if its reports differ: then it is a list, and only some members failed."""
    by_recipient: dict[str, list[Found]] = {}
    for each in found:
        by_recipient.setdefault(each.recipient.lower(), []).append(each)
    once = []
    for reports in by_recipient.values():
        first = reports[0]
        if len({each.outcome for each in reports}) > 1:
            continue
        once.append(msgspec.structs.replace(first, permanent=all(each.permanent for each in reports)))
    return once
