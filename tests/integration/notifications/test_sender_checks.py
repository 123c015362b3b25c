"""`senders check`: what the DNS says of a domain, asked of a DNS server that runs as a process."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from mailroom.cli.main import main
from tests.support.dns_server import dns_server

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
Zone = dict[str, Any]
Check = Callable[..., dict[str, tuple[str, str]]]

RSA, OTHER, ED25519 = generate_private_key(65537, 2048), generate_private_key(65537, 2048), Ed25519PrivateKey.generate()


def pem(key: PrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def public(key: PrivateKey) -> str:
    if isinstance(key, Ed25519PrivateKey):
        data = key.public_key().public_bytes_raw()
    else:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        data = key.public_key().public_bytes(serialization.Encoding.DER, form)
    return base64.b64encode(data).decode()


def txt(text: str) -> str:
    """A TXT record; a long one is in several strings, as in every zone file."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


GOOD: Zone = {
    "shop.example MX": ["20 mx2.shop.example.", "10 mx1.shop.example."],
    "mx1.shop.example A": ["192.0.2.1"],
    "shop.example TXT": [txt("v=spf1 include:relay.example -all"), txt("another=record")],
    "relay.example TXT": [txt("v=spf1 ip4:192.0.2.0/24 ~all")],
    "s1._domainkey.shop.example TXT": [txt(f"v=DKIM1; k=rsa; p={public(RSA)}")],
    "_dmarc.shop.example TXT": [txt("v=DMARC1; p=quarantine; rua=mailto:d@shop.example")],
}
KEYS = {"shop.example": {"selector": "s1", "key": pem(RSA)}}


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Check]:
    """Runs the command with a zone. Returns grade and text of each check, and the exit code."""
    zone, secrets = tmp_path_factory.mktemp("dns") / "zone.json", tmp_path_factory.mktemp("secrets")
    zone.write_text("{}")
    with dns_server(zone) as server:

        def run(records: Zone, *arguments: str, keys: Any = KEYS, **settings: str) -> dict[str, tuple[str, str]]:
            zone.write_text(json.dumps(records))
            (secrets / "mailroom-dkim-keys").write_text(json.dumps(keys))
            (secrets / "mailroom-signing-key").write_text("k" * 40)
            environment = {"SECRETS_DIR": str(secrets), "DNS_RESOLVER": server, **settings}
            command = ["senders", "check", *(arguments or ("shop.example",))]
            ran = CliRunner().invoke(main, command, env=environment, catch_exceptions=False)
            lines = [line.split("\t") for line in ran.stdout.splitlines()]
            return {name: (grade, text) for grade, name, text in lines} | {"exit": (str(ran.exit_code), ran.stderr)}

        yield run


def without(*names: str) -> Zone:
    return {name: values for name, values in GOOD.items() if name not in names}


def grades(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: grade for name, (grade, _) in found.items()}


def test_a_domain_that_is_ready_passes(check: Check) -> None:
    found = check(GOOD)

    assert grades(found) == {"MX": "ok", "SPF": "ok", "DKIM": "ok", "DMARC": "ok", "exit": "0"}
    assert found["MX"][1].endswith("goes to mx1.shop.example, mx2.shop.example")
    assert "p=quarantine; mail meets it by DKIM and SPF" in found["DMARC"][1]
    assert grades(check(GOOD, "SHOP.example")) == grades(found)


def test_an_empty_domain_fails_everywhere(check: Check) -> None:
    found = check({}, keys={})

    assert grades(found) == {"MX": "failed", "SPF": "failed", "DKIM": "failed", "DMARC": "failed", "exit": "1"}
    assert found["exit"][1] == "mailroom: shop.example is not ready to send from\n"


@pytest.mark.parametrize(
    ("records", "name", "grade", "says"),
    [
        ({"shop.example MX": ["0 ."]}, "MX", "failed", "takes no mail"),
        ({"shop.example MX": ["10 gone.shop.example."]}, "MX", "failed", "has an address"),
        ({"shop.example MX": [], "shop.example A": ["192.0.2.1"]}, "MX", "warning", "no MX"),
        ({"shop.example TXT": [txt("v=spf1 a -all"), txt("v=spf1 mx -all")]}, "SPF", "failed", "2 records"),
        ({"shop.example TXT": [txt("v=spf1 mx")]}, "SPF", "warning", "forbids nobody"),
        ({"shop.example TXT": [txt("v=spf1 ?all")]}, "SPF", "warning", "forbids nobody"),
        ({"shop.example TXT": [txt("v=spf1 all")]}, "SPF", "failed", "everybody"),
        ({"shop.example TXT": [txt("v=spf1 ipv4:192.0.2.1 -all")]}, "SPF", "failed", "ipv4"),
        ({"shop.example TXT": [txt("v=spf1 include:gone.example -all")]}, "SPF", "failed", "gone.example has no"),
        ({"shop.example TXT": [txt("v=spf1 include:shop.example -all")]}, "SPF", "failed", "more than 10"),
        ({"shop.example TXT": [txt("v=spf1 redirect=relay.example")]}, "SPF", "ok", "~all"),
        ({"shop.example TXT": [txt("v=spf1 " + "a " * 11 + "-all")]}, "SPF", "failed", "more than 10"),
        ({"shop.example TXT": [txt("V=SPF1 exists:%{i}.x.example ip6:2001:db8::/32 -ALL")]}, "SPF", "ok", "-all"),
        ({"s1._domainkey.shop.example TXT": []}, "DKIM", "failed", "has no key"),
        ({"s1._domainkey.shop.example TXT": [txt("v=DKIM1; p=")]}, "DKIM", "failed", "revoked"),
        ({"s1._domainkey.shop.example TXT": [txt("v=DKIM1; p=%%")]}, "DKIM", "failed", "cannot be read"),
        ({"s1._domainkey.shop.example TXT": [txt(f"p={public(OTHER)}")]}, "DKIM", "failed", "not that of"),
        ({"s1._domainkey.shop.example TXT": [txt(f"p={public(RSA)}; t=y")]}, "DKIM", "warning", "t=y"),
        ({"s1._domainkey.shop.example TXT": [txt(f"h=sha1; p={public(RSA)}")]}, "DKIM", "failed", "sha256"),
        ({"s1._domainkey.shop.example TXT": [txt(f"p={public(RSA)}")] * 2}, "DKIM", "ok", "signs"),
        (
            {"s1._domainkey.shop.example TXT": [txt(f"p={public(each)}") for each in (RSA, OTHER)]},
            "DKIM",
            "failed",
            "2 keys",
        ),
        ({"_dmarc.shop.example TXT": [txt("v=DMARC1; p=maybe")]}, "DMARC", "failed", "p='maybe'"),
        ({"_dmarc.shop.example TXT": [txt("v=DMARC1; p=none"), txt("v=DMARC1; p=reject")]}, "DMARC", "failed", "2 rec"),
        ({"shop.example TXT": "SERVFAIL"}, "SPF", "unknown", "shop.example"),
    ],
)
def test_what_is_wrong_is_named(check: Check, records: Zone, name: str, grade: str, says: str) -> None:
    found = check(GOOD | records)

    assert found[name][0] == grade, found[name]
    assert says in found[name][1]
    assert found["exit"][0] == ("1" if grade in ("failed", "unknown") else "0")
    assert {each for each in ("MX", "SPF", "DKIM", "DMARC") if found[each][0] != "ok"} <= {name}


@pytest.mark.slow
def test_a_server_that_is_silent_is_waited_for_and_the_other_checks_go_on(check: Check) -> None:
    found = check(GOOD | {"shop.example TXT": "silent"})

    assert grades(found) == {"MX": "ok", "SPF": "unknown", "DKIM": "ok", "DMARC": "ok", "exit": "1"}


def test_a_subdomain_has_the_policy_and_the_key_of_its_parent(check: Check) -> None:
    records = GOOD | {"news.shop.example TXT": [txt("v=spf1 -all")], "news.shop.example MX": ["1 mx1.shop.example."]}
    records["_dmarc.shop.example TXT"] = [txt("v=DMARC1; p=reject; sp=none")]

    found = check(records, "news.shop.example")

    assert grades(found) == {"MX": "ok", "SPF": "ok", "DKIM": "ok", "DMARC": "ok", "exit": "0"}
    assert "_dmarc.shop.example has p=none" in found["DMARC"][1]
    records["_dmarc.shop.example TXT"] = [txt("v=DMARC1; p=reject; adkim=s")]
    assert check(records, "news.shop.example")["DMARC"][0] == "warning"  # by SPF alone


def test_the_return_path_is_checked_and_does_not_prove_another_domain(check: Check) -> None:
    records = GOOD | {"bounces.example TXT": [txt("v=spf1 ~all")], "bounces.example MX": ["1 mx1.shop.example."]}

    found = check(records, MAIL_RETURN_PATH="b@bounces.example")
    assert "mail to bounces.example goes to" in found["MX"][1]
    assert found["SPF"][1].startswith("bounces.example")
    assert found["DMARC"][1].endswith("mail meets it by DKIM")

    # Mail without a key of its own domain is signed by the domain of MAIL_FROM.
    ours = {"MAIL_FROM": "a@ours.example", "DKIM_SELECTOR": "s1", "MAIL_RETURN_PATH": "b@bounces.example"}
    found = check(records, keys={}, **ours)
    detail = (
        "mail is signed by ours.example, and its return path is at bounces.example: neither belongs to shop.example"
    )
    assert found["DMARC"] == ("failed", detail)


def test_an_ed25519_key_is_compared_too(check: Check) -> None:
    keys = {"shop.example": {"selector": "s1", "key": pem(ED25519)}}
    records = GOOD | {"s1._domainkey.shop.example TXT": [txt(f"v=DKIM1; k=ed25519; p={public(ED25519)}")]}

    assert check(records, keys=keys)["DKIM"][0] == "ok"
    assert check(GOOD, keys=keys)["DKIM"][0] == "failed"


def test_a_new_selector_is_checked_before_its_key_is_deployed(check: Check) -> None:
    records = GOOD | {"s2._domainkey.shop.example TXT": [txt(f"v=DKIM1; k=rsa; p={public(OTHER)}")]}

    assert check(records, "shop.example", "--selector", "s2")["DKIM"] == ("ok", "s2._domainkey.shop.example has a key")
    assert check(records, "shop.example", "--selector", "s3")["DKIM"][0] == "failed"
    assert check(records, "shop.example", "--selector", "s 3")["DKIM"][0] == "failed"


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        (["not a domain"], {}, "DOMAIN"),
        (["x" * 300], {}, "DOMAIN"),
        (["shop.example"], {"DNS_RESOLVER": "dns.example"}, "DNS_RESOLVER"),
        (["shop.example"], {"DNS_RESOLVER": "127.0.0.1:x"}, "DNS_RESOLVER"),
    ],
)
def test_a_wrong_argument_or_setting_is_named(
    check: Check, arguments: list[str], settings: dict[str, str], says: str
) -> None:
    found = check(GOOD, *arguments, **settings)

    assert found["exit"][0] == "1"
    assert says in found["exit"][1]
