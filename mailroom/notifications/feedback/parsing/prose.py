"""Reports that only people can read: the failed addresses in the text of a mail.

Only what the mail says itself is read, never the message that it returns, because that has addresses of others.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from email.message import Message as ParsedMessage

from mailroom.notifications.feedback.parsing.addressing import all_addresses, one_address, same
from mailroom.notifications.feedback.parsing.codes import judge, shortened
from mailroom.notifications.feedback.parsing.found import Found, Outcome
from mailroom.notifications.feedback.parsing.reading import Mail

_MOST_RECIPIENTS = 50
_SECTION_LINES = 12  # that tell about an address, at most
_LONGEST_TEXT = 32_000  # characters that are looked at
_LONGEST_LINE = 1_000
_LONG_BLANKS = re.compile(r"(\s{8})\s+")  # the patterns below take cubic time for them

_DAEMON = re.compile(r"mail(?:er)?-?daemon|\bmdaemon\b", re.IGNORECASE)
_SYSTEM = re.compile(
    r"mail(?:er)?-?daemon|\bmdaemon\b|postmaster|mail\s+(?:delivery|administrator|system|server|gateway)|mailsystem"
    r"|system\s+administrator|internet\s+mail|smtp\s+(?:gateway|server|service)|delivery\s+(?:sub)?system",
    re.IGNORECASE,
)
_CONTACT = re.compile(r"(?:postmaster|mailer-daemon|abuse|hostmaster)@", re.IGNORECASE)
_SUBJECT = re.compile(
    r"undeliver|non-?deliver|not\s+delivered|delivery[\s_-]+(?:status|fail|notif|report|error|problem|has\s+failed)"
    r"|returned\s+(?:e?mail|to\s+sender)|failure\s+(?:notice|notif)|failed\s+(?:mail|delivery|to\s+deliver)"
    r"|mail\s+(?:delivery|system\s+error|could\s+not|fail)|could\s?n[o']t\s+be\s+delivered|unable\s+to\s+deliver"
    r"|unzustellbar|non\s+remis|(?:mail|message)\s+(?:rejected|status\s+-\s+undeliverable)|delivery\s+failure"
    r"|rejected\s+mail|^bounced?\b",
    re.IGNORECASE,
)
_ANSWERED = re.compile(r"\s*(?:re|aw|fwd?|wg|antw|sv)\s*:", re.IGNORECASE)

# The other server goes on trying. It says so even if it says "failed", too.
_DELAY = re.compile(
    r"""will\s+(?:be\s+retried|be\s+re-?tried|keep\s+trying|keep\s+attempting|continue\s+(?:to|trying|for)|try\s+again|retry)
    |(?:is|are)\s+still\s+(?:trying|being\s+(?:re)?tried|undelivered|in\s+(?:the\s+)?queue)|still\s+undelivered
    |delivery\s+attempts\s+will\s+continue|attempts\s+to\s+deliver\s+the\s+message\s+will\s+continue
    |has\s+(?:not\s+yet\s+been|been\s+(?:delayed|postponed|deferred))|not\s+yet\s+been\s+delivered
    |(?:is|just|only)\s+a\s+warning|advisory[\s-]only|do\s+not\s+need\s+to\s+take\s+any\s+action
    |warning\s+message\s+only|do\s+not\s+need\s+to\s+resend|no\s+need\s+to\s+resend|is\s+being\s+retried
    |(?:is|was|been)\s+(?:temporarily\s+)?delayed|transient\s+non-fatal|could\s+not\s+send\s+message\s+for\s+past
    |no\s+action\s+is\s+required\s+on\s+your\s+part|delivery\s+delay
    |(?<!\bno\s)further\s+(?:delivery\s+)?attempts\s+will|verzögert|noch\s+nicht\s+zugestellt|pas\s+encore\s+été
    |retardé|retrasad|ritardat""",
    re.IGNORECASE | re.VERBOSE,
)
_DELAYED_SUBJECT = re.compile(
    r"\bdelay|\bwarning\b|still\s+being\s+retried|delayed|has\s+not\s+yet|deferred|verzögert", re.IGNORECASE
)

# A line that begins the list of failed addresses.
_HEADING = re.compile(
    r"""(?:could\s*(?:n't|\s?not|\snot)|cannot|can't|can\s+not|was\s?n[o']t\s+able\s+to|(?:was|were|am|are)\s+(?:unable|not\s+able)\s+to
        |unable\s+to|was\s+not|were\s+not|wasn't|has\s+not|have\s+not)\s+(?:be(?:en)?\s+)?(?:successfully\s+)?
        (?:deliver|reach|sen[dt]|accept)
    |permanent\s+(?:fatal\s+)?(?:error|failure)|(?:address|recipient|deliver)\S*\s+(?:\S+\s+){0,4}fail
    |fail\w*\s+(?:to\s+deliver|recipient|address|permanently)|delivery\s+(?:has\s+)?failed|did\s+not\s+(?:reach|receive)
    |not\s+delivered\s+to|undeliver(?:able|ed)|delivery\s+(?:error|problem)|(?:unknown|no\s+such|invalid)\s+(?:user|recipient|address)
    |following\s+(?:address|recipient)\S*\s+(?:had|has|have|failed|were|was|could)|delivery\s+to\s+the\s+following
    |nicht\s+zugestellt|konnten?\s+nicht|unzustellbar|n.(?:a|ont)\s+pas\s+pu|no\s+se\s+ha\s+podido|no\s+pudo\s+ser
    |non\s+è\s+stato\s+possibile|impossibile|não\s+foi\s+possível|kon\s+niet|できません|无法|could\s+not\s+deliver|rejected\s+your\s+message
    |was\s+automatically\s+rejected|mailbox\s+(?:\S+\s+)?(?:exceeds|is\s+full|full)|over\s+quota|quota\s+exceeded
    |transcript\s+of\s+session|failure\s+reason|user\s+not\s+listed|said:\s*[45]\d\d\b
    |(?:user|mailbox|account|address|recipient)\s+\S+\s+(?:does\s+not|doesn't)\s+exist|^\s*your\s+message\s+to\s*:?\s*$""",
    re.IGNORECASE | re.VERBOSE,
)
# The message that comes back begins.
_RETURNED = re.compile(
    r"""(?:original|returned|your|copy\s+of\s+(?:the|your)|undelivered)\s+(?:e?-?mail|message|text)\s+(?:\w+\s+)?(?:follow|head|attached|text|is\s+(?:below|attached))
    |below\s+this\s+line\s+is\s+a\s+copy|this\s+is\s+a\s+copy\s+of|copy\s+of\s+(?:your|the)\s+(?:original\s+)?message
    |^-{2,}\s*(?:unsent|original|returned|start\s+of|forwarded|begin|message\s+head|mail\s+head|the\s+header)
    |(?:first|header)\s+(?:\d+\s+)?lines|message\s+headers?\s*(?:follow|:)|mail\s+header\s*:|^(?:received|return-path|message-id|mime-version|dkim-signature|x-mailer)\s*:""",
    re.IGNORECASE | re.VERBOSE,
)
_ITS_HEADERS = re.compile(r"(?:from|to|date|subject|reply-to|cc)\s*:", re.IGNORECASE)
_QUOTED = re.compile(r"\s*>(?!>>)")  # `>>> RCPT TO` is a transcript
_HELP = re.compile(
    r"contact|\bhelp|assist|question|support|write\s+to|forward|send\s+(?:this|mail|a|an|your|it)\b|report\s+(?:this|it)"
    r"|abuse|unblock|white-?list|administrator",
    re.IGNORECASE,
)
_REPLY = re.compile(r"\b[45]\d\d\b|[45]\.\d{1,3}\.\d{1,3}")
_A = r"""<?((?:[^\s@<>()\[\],;:"'=][^\s@<>()\[\],;:"=]{0,63})@(?:[\w-]{1,63}\.){1,8}[A-Za-z][\w-]{1,62})>?"""
_LINE = re.compile(rf"""\s*(?:[-*•]\s*|\d+[.)]\s+)?(?:to\s*:?\s*)?["']?{_A}(?=$|[\s:,;(."'])""", re.IGNORECASE)
_NEXT = re.compile(rf"""["']?\s*(?:[,;]|\band\b)\s*["']?{_A}""", re.IGNORECASE)
_LABELLED = (
    re.compile(
        rf"""(?:recipients?|address(?:es)?|user|mailbox|account|rcpt\s+to|to\s+the\s+address|failed\s+address|e-?mail\s+address
        |your\s+message\s+to|message\s+to|delivered\s+to|addressed\s+to|deliver(?:y)?\s+(?:\w+\s+){{0,4}}to|mail\s+to
        |failed\s*:|unknown\s+user|no\s+such\s+user|exceeds?\s+allowed\s+size)\s*:?\s*(?:\(s\)\s*:?\s*)?
        (?:\[SMTP:|SMTP[=:]|smtp;|"|')?\s*{_A}""",
        re.IGNORECASE | re.VERBOSE,
    ),
    re.compile(rf"[45]\d\d\s(?:[\d.]+\s)?{_A}", re.IGNORECASE),
)


def is_daemon(mail: Mail) -> bool:
    """Whether the sender's name is one that only mail servers have."""
    return bool(_DAEMON.search(mail.header("From")))


def looks_like_a_report(mail: Mail) -> bool:
    """Whether a mail server seems to have written the mail: by its headers, before its text is read."""
    if is_daemon(mail) or mail.headers("X-Failed-Recipients"):
        return True
    if _ANSWERED.match(mail.header("Subject")) or mail.header("List-Id"):
        return False
    if _SYSTEM.search(mail.header("From")):
        return True
    by_a_person = mail.header("Return-Path") not in ("", "<>") or mail.header("In-Reply-To")
    return not by_a_person and bool(_SUBJECT.search(mail.header("Subject")))


def recipients_in(mail: Mail) -> list[Found]:
    """The failed recipients that the text names."""
    text = own_text(mail)
    lines = text.split("\n")
    outcome = Outcome.BOUNCED
    if _DELAY.search(text) or _DELAYED_SUBJECT.search(mail.header("Subject")):
        outcome = Outcome.DELAYED
    named = _failed_header(mail) or _listed(lines) or _by_library(mail, text)
    own = {address.lower() for name in ("From", "To") for address in all_addresses(mail.header(name))}
    wanted = [each for each in dict.fromkeys(named) if each.lower() not in own and not _CONTACT.match(each)]
    written = {address.lower() for name in ("To", "Cc") for address in all_addresses(mail.returned_header(name))}
    # Others are in the text for another reason, such as a contact.
    wanted = [each for each in wanted if each.lower() in written] or wanted
    return [_found(address, wanted, lines, outcome) for address in wanted[:_MOST_RECIPIENTS]]


def words_about(lines: list[str], address: str) -> str:
    """What the lines of a text say about an address, in one line; "" if there is no code in it."""
    words = shortened(" ".join(_section(address, [], lines)))
    return words if _REPLY.search(words) else ""


def own_text(mail: Mail) -> str:
    """The text up to the message that comes back."""
    return "\n".join(_own_lines(mail.prose))


def _own_lines(prose: str) -> Iterator[str]:
    """The lines up to the message that comes back. Quoted lines are of a person's answer."""
    begun = False
    for line in prose[:_LONGEST_TEXT].splitlines():
        line = _LONG_BLANKS.sub(r"\1", line[:_LONGEST_LINE].rstrip())
        if _QUOTED.match(line):
            continue
        begins = _begins(line)
        if _RETURNED.search(line) or (begun and not begins and _ITS_HEADERS.match(line)):
            return
        begun = begun or begins
        yield line


def _begins(line: str) -> bool:
    """Whether the addresses come in this line or below it."""
    return bool(_HEADING.search(line) or _DELAY.search(line))


def _failed_header(mail: Mail) -> list[str]:
    """The header of Exim and of Gmail."""
    return [address for each in mail.headers("X-Failed-Recipients") for address in all_addresses(each)]


def _listed(lines: list[str]) -> list[str]:
    """The addresses at the beginning of a line, or behind a label, below a heading of failure."""
    found = []
    begun = False
    for line in lines:
        begun = begun or _begins(line)
        if not begun:
            continue
        match = _LINE.match(line)
        if match is None and not _HELP.search(line):
            match = next((hit for each in _LABELLED if (hit := each.search(line))), None)
        while match and (address := one_address(match[1])):
            found.append(address)
            match = _NEXT.match(line, match.end())
    return found


def _by_library(mail: Mail, text: str) -> list[str]:
    """The addresses that flufl.bounce finds in the text, under the headers of the mail."""
    from flufl.bounce import scan_message  # many patterns, so only when a mail needs them

    logging.getLogger("flufl.bounce").setLevel(logging.WARNING)  # else a line for each of its 17 forms

    stand_in = ParsedMessage()
    stand_in["From"] = one_address(mail.header("From")) or "nobody@localhost"  # flufl.bounce fails without an address
    stand_in["X-Mailer"] = mail.header("X-Mailer")
    part = ParsedMessage()
    part.set_payload(text, "utf-8")
    if mail.kind.startswith("multipart/"):
        stand_in["Content-Type"] = "multipart/mixed"
        stand_in.attach(part)
    else:
        stand_in.set_payload(text, "utf-8")
    found = (one_address(address.decode("ascii", "replace")) for address in scan_message(stand_in))
    return sorted(address for address in found if address and _is_named(address, text))


def _is_named(address: str, text: str) -> bool:
    """Whether the text has the address. The library makes up domains, and takes any address between commas."""
    if address.lower() not in text.lower():
        local, _, domain = address.partition("@")
        return domain == "aol.com" and local in text.split()
    return bool(_HEADING.search(text)) or not re.search(rf",\s*{re.escape(address)},", text)


def _found(address: str, all_named: list[str], lines: list[str], outcome: Outcome) -> Found:
    words = shortened(" ".join(_section(address, all_named, lines)))
    if len(all_named) == 1 and not _REPLY.search(words):
        begin = next((number for number, line in enumerate(lines) if _begins(line)), 0)
        # The reason may stand before the address.
        words = shortened(" ".join(lines[begin : begin + 2 * _SECTION_LINES]))
    code, permanent = judge("", words)
    if outcome is Outcome.BOUNCED:
        return Found(address, outcome, permanent, code, words)
    return Found(address, outcome, text=words)


def _section(address: str, all_named: list[str], lines: list[str]) -> Iterator[str]:
    """The lines from the address up to the next address, or up to an empty line behind a code."""
    others = [each.lower() for each in all_named if not same(each, address)]
    start = next((number for number, line in enumerate(lines) if address.lower() in line.lower()), None)
    if start is None:
        return
    answered = False
    for line in lines[start : start + _SECTION_LINES]:
        if any(other in line.lower() for other in others):
            return
        answered = answered or bool(_REPLY.search(line))
        if answered and not line.strip():
            return
        yield line
