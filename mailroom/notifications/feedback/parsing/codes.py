"""Enhanced status codes (RFC 3463), and whether an answer says that an address takes no mail for good."""

from __future__ import annotations

import re

from mailroom.notifications.model.reports import LONGEST_TEXT, STATUS_CODE, code_after_reply, is_gone

_ALONE = re.compile(r"(?<![\w./=-])#?" + STATUS_CODE + r"(?![\w/])")
_STATUS = re.compile(r"\s*#?([245]\.\d{1,3}\.\d{1,3})\b")
_TEMPORARY_REPLY = re.compile(r"(?:^|said:|\bsmtp;|\s)\s*4[2-7]\d[\s-]", re.IGNORECASE)

# Hosts, addresses and links say nothing about the reason: `spamfilter.example.com said: 550 5.1.1`.
_NAMES = re.compile(r"(?<!\S)\S[^\s.@/]*[.@/][^\sA-Za-z]*[A-Za-z]\S*")
# The server refuses the mail, or is not able to take it now. So the code of a missing mailbox is not meant:
# Sendmail reports 5.1.1 for every bare 550.
_OTHER_REASON = re.compile(
    r"""spam|\bjunk|black-?\s?list|block-?\s?list|\bblocked|\bbanned|\b[dr]bl\b|dnsbl|reputation|\bpolic(?:y|ies)\b
    |relay(?:ing)?\s+(?:access\s+)?(?:denied|not|prohibited|is)|to\s+relay|\bquota|mailbox\s+(?:is\s+)?full
    |\bfull\b|insufficient|disk\s+space|storage|over\s+(?:its|the)\s+limit|exceed
    |rate\s+(?:limit|that)|too\s+(?:many|quickly|fast|large|big)|gr[ea]y-?\s?list|try\s+(?:again|later)|temporar
    |deferred|\bspf\b|\bdkim\b|\bdmarc\b|authenticat|sender\s+(?:address|domain|verif|is|not|unknown|rejected|denied)
    |\bhelo\b|\bptr\b|reverse\s+dns|virus|malware|content|attachment|client\s+host|access\s+denied|not\s+allowed
    |permission|restricted|only\s+accept|(?<!not\s)listed|timed?\s?-?out|connection|loop|hop\s+count""",
    re.IGNORECASE | re.VERBOSE,
)
_WHO = r"(?:user|recipient|mail\s?box|address|account|mail\s+account)"
_NOBODY = re.compile(
    rf"""\bno\s+such\s+(?:\w+\s+)?{_WHO}|\bno\s+such\s+person|\bunknown\s+(?:local\s+)?{_WHO}
    |\b{_WHO}\s+(?:\w+\s+)?(?:is\s+)?(?:unknown|not\s+found|non-?existent)
    |\b{_WHO}\s+(?:\S+\s+)?(?:does\s+not|doesn't|doesn\u2019t|no\s+longer)\s+exists?
    |\btried\s+to\s+reach\s+(?:does\s+not|doesn't|doesn\u2019t)\s+exist|\baddressee\s+unknown|\bnot\s+listed\s+in
    |\b{_WHO}\s+(?:is\s+)?not\s+known|\binvalid\s+(?:recipient|mail\s?box|user)|\bno\s+mail\s?box\s+(?:here\s+)?by\s+that\s+name
    |\b(?:user|account)\s+(?:\S+\s+)?(?:does\s+not|doesn't|doesn\u2019t)\s+have\s+an?\s+(?:\S+\s+)?account
    |\b{_WHO}\s+(?:is\s+|has\s+been\s+)?(?:disabled|deactivated|closed|deleted)""",
    re.IGNORECASE | re.VERBOSE,
)


def status_of(field: str) -> str:
    """The code of a Status field; comments are allowed behind it. "" if it has none."""
    match = _STATUS.match(field)
    return match[1] if match else ""


def code_in(text: str) -> str:
    """The first enhanced status code of an answer, or ""."""
    if code := code_after_reply(text):
        return code
    match = _ALONE.search(text)
    return match[1] if match else ""


def judge(status: str, text: str) -> tuple[str, bool]:
    """The code of a bounce, and whether it is permanent. `status` is a code or "", `text` the other server's words.

    It is permanent only if nothing in the words speaks against it. The code is "" if only the words say so.
    """
    said = code_in(text)
    code = said if said and (not status or status.endswith(".0.0") or status == "5.5.0") else status
    if (said and not is_gone(said) and not said.endswith(".0.0")) or code.startswith(("4.", "2.")):
        return code, False
    words = _NAMES.sub(" ", text)
    if _OTHER_REASON.search(words) or (not said and _TEMPORARY_REPLY.search(words)):
        return code, False
    unspecific = not code or code.endswith(".0.0") or code == "5.5.0"
    if unspecific and _NOBODY.search(words):
        return "", True
    return code, is_gone(code)


def shortened(text: str) -> str:
    """The other server's words in one line."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * LONGEST_TEXT]).split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
