"""SPF (RFC 7208): which machines may send mail with a domain in the envelope."""

from __future__ import annotations

import re

from mailroom.notifications.domains.finding import Finding, Grade
from mailroom.notifications.domains.lookup import Lookup

# A receiver gives up after this many lookups (section 4.6.4).
MOST_LOOKUPS = 10

_TERM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:[:/](.*))?", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(.*)", re.IGNORECASE)
_LOOKS_UP = ("include", "a", "mx", "ptr", "exists")


def check(domain: str, lookup: Lookup) -> Finding:
    """Whether receivers can use the record, and whether it keeps others out.

    It does not know which machines your relay sends from. Raises `Unavailable`.
    """
    try:
        ends_with = _Evaluation(lookup).read(domain)
    except _UnusableRecord as error:
        return Finding("SPF", Grade.FAILED, str(error))
    match ends_with:
        case "-" | "~":
            return Finding("SPF", Grade.OK, f"{domain} has one, which ends with {ends_with}all")
        case "+":
            return Finding("SPF", Grade.FAILED, f"the record of {domain} lets everybody send (+all)")
        case _:
            return Finding("SPF", Grade.WARNING, f"the record of {domain} forbids nobody: end it with ~all or -all")


class _UnusableRecord(Exception):
    """Receivers ignore the record. The text says why."""


class _Evaluation:
    """Reads a record with those that it includes, and counts the lookups."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._lookups = 0

    def read(self, domain: str) -> str:
        """Returns the qualifier of the record's `all`, or nothing. Raises `_UnusableRecord`."""
        redirect = ""
        for term in self._record(domain).split()[1:]:
            if modifier := _MODIFIER.fullmatch(term):
                redirect = modifier[2] if modifier[1].lower() == "redirect" else redirect
                continue
            found = _TERM.fullmatch(term)
            if found is None:
                raise _UnusableRecord(f"the record of {domain} has a term that is none: {term[:80]!r}")
            qualifier, mechanism, value = found[1] or "+", found[2].lower(), found[3] or ""
            if mechanism == "all":
                return qualifier  # what follows is ignored
            if mechanism in _LOOKS_UP:
                self._count(domain)
            if mechanism == "include":
                self._follow(value)
        if not redirect:
            return ""
        self._count(domain)
        return self._follow(redirect)

    def _follow(self, domain: str) -> str:
        return "" if "%" in domain else self.read(domain)  # a macro depends on the mail

    def _count(self, domain: str) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise _UnusableRecord(f"with the record of {domain}, there are more than {MOST_LOOKUPS} lookups")

    def _record(self, domain: str) -> str:
        records = [each for each in self._lookup.texts(domain) if each.lower().partition(" ")[0] == "v=spf1"]
        if not records:
            raise _UnusableRecord(f"{domain} has no record: publish TXT v=spf1 … ~all with the machines of your relay")
        if len(records) > 1:
            raise _UnusableRecord(f"{domain} has {len(records)} records: receivers take none of them")
        return records[0]
