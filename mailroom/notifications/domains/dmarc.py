"""DMARC (RFC 7489): what receivers do with mail whose From is not proved by DKIM or SPF."""

from __future__ import annotations

from mailroom.notifications.domains.finding import Finding, Grade, tags
from mailroom.notifications.domains.lookup import Lookup

_POLICIES = ("none", "quarantine", "reject")


def check(domain: str, lookup: Lookup, *, signs: str, envelope: str) -> Finding:
    """Whether there is a policy, and whether mail from `domain` meets it.

    `signs` is the domain of its DKIM signature, or nothing; `envelope` that of its return path. Raises `Unavailable`.
    """
    for name in _with_parents(domain):
        records = [each for each in lookup.texts(f"_dmarc.{name}") if tags(each).get("v") == "DMARC1"]
        if len(records) > 1:
            return Finding("DMARC", Grade.FAILED, f"_dmarc.{name} has {len(records)} records: receivers take none")
        if records:
            return _of_record(domain, name, tags(records[0]), signs=signs, envelope=envelope)
    return Finding("DMARC", Grade.FAILED, f"_dmarc.{domain} has no record: publish TXT v=DMARC1; p=none or stricter")


def _of_record(domain: str, place: str, record: dict[str, str], *, signs: str, envelope: str) -> Finding:
    policy = record.get("p", "")
    if place != domain:
        policy = record.get("sp", policy)
    if policy not in _POLICIES:
        return Finding("DMARC", Grade.FAILED, f"_dmarc.{place} has p={policy[:20]!r}: one of {', '.join(_POLICIES)}")
    proofs = [
        proof
        for proof, other, tag in (("DKIM", signs, "adkim"), ("SPF", envelope, "aspf"))
        if other and _is_aligned(other, domain, place, strict=record.get(tag) == "s")
    ]
    if not proofs:
        signature = f"signed by {signs}" if signs else "not signed"
        detail = f"mail is {signature}, and its return path is at {envelope}: neither belongs to {domain}"
        return Finding("DMARC", Grade.FAILED, detail)
    grade = Grade.OK if "DKIM" in proofs else Grade.WARNING
    only = "" if grade is Grade.OK else " alone, which a forwarded mail loses"
    return Finding("DMARC", grade, f"_dmarc.{place} has p={policy}; mail meets it by {' and '.join(proofs)}{only}")


def _is_aligned(other: str, domain: str, place: str, *, strict: bool) -> bool:
    if strict or other == domain:
        return other == domain
    return other == place or _is_below(other, place) or _is_below(domain, other)


def _is_below(name: str, parent: str) -> bool:
    return name.endswith(f".{parent}")


def _with_parents(domain: str) -> list[str]:
    """The domain, and its parents of at least two labels."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]
