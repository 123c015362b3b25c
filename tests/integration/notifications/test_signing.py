"""DKIM: anybody with the public key can verify what the relay gets, and sees any change."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import dkim
import pytest

from mailroom.errors import InvalidSetting
from tests.integration.notifications.conftest import Client, Mail
from tests.integration.notifications.relay import Received, Relay, reply

HELLO = {
    "emailTo": ["anna@example.com", "jörg@bücher.example"],
    "subject": "Grüße  and =?utf-8?q?more?= " + "x" * 100,
    "message": "<p>.\r\n.dot \tand äöü " + "y" * 2000 + " </p>\n\n\n",
    "headers": {"List-Id": "<news.example.com>", "X-Order": "Nr. 4711 für Anna"},
    "attachments": [{"filename": "ü.txt", "content": base64.b64encode(b"\r\n.\r\n").decode()}],
}
KINDS = {"rsa": "genrsa 2048", "ed25519": "genpkey -algorithm ed25519"}


def openssl(command: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *command.split()], input=given, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def keys() -> dict[str, bytes]:
    """A private key of each kind, as PEM."""
    return {kind: openssl(command) for kind, command in KINDS.items()}


def in_dns(kind: str, private: bytes) -> Any:
    """A lookup of the TXT record that goes with a private key; it has no other."""
    public = openssl("pkey -pubout -outform DER", private)
    data = base64.b64encode(public[-32:] if kind == "ed25519" else public)

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        if bytes(name) != b"s1._domainkey.ours.example.com.":
            return None
        return b"v=DKIM1; k=" + kind.encode() + b"; p=" + data

    return look_up


def put_key(mail: Mail, private: bytes) -> None:
    Path(mail.services.settings.secrets_dir, "mailroom-dkim-key").write_bytes(private)


@pytest.mark.parametrize("kind", KINDS)
def test_mail_as_received_verifies_and_tampering_is_found(
    make_mail: Any, relay: Relay, keys: dict[str, bytes], kind: str
) -> None:
    mail: Mail = make_mail(dkim_selector="s1")
    put_key(mail, keys[kind])

    assert mail.client.post(HELLO).body["status"] == "sent"

    content, dns = relay.taken[0].content, in_dns(kind, keys[kind])
    assert dkim.verify(content, dnsfunc=dns)
    assert relay.taken[0].parsed["X-Order"] == "Nr. 4711 für Anna"
    for old, new in (
        (b"From: ", b"From: x"),
        (b"List-Id: <news", b"List-Id: <evil"),
        (b"\r\nSubject: ", b"\r\nSubject: no "),
        (b"yyy", b"yyz"),
        (b"DKIM-Signature:", b"From: eve@example.com\r\nDKIM-Signature:"),
        (b"DKIM-Signature:", b"Cc: eve@example.com\r\nDKIM-Signature:"),
    ):
        assert old in content
        assert not dkim.verify(content.replace(old, new, 1), dnsfunc=dns), new


def test_a_plain_text_mail_verifies_too(make_mail: Any, relay: Relay, keys: dict[str, bytes]) -> None:
    mail: Mail = make_mail(dkim_selector="s1", dkim_domain="ours.example.com")
    put_key(mail, keys["ed25519"])

    assert mail.client.post({"emailTo": "a@example.com", "subject": "x", "text": ".no line end"}).status == 200

    assert dkim.verify(relay.taken[0].content, dnsfunc=in_dns("ed25519", keys["ed25519"]))
    assert relay.taken[0].body("plain").strip() == ".no line end"


def test_a_new_key_is_taken_without_a_restart(make_mail: Any, relay: Relay, keys: dict[str, bytes]) -> None:
    mail: Mail = make_mail(dkim_selector="s1")
    for kind, private in keys.items():
        put_key(mail, private)
        mail.client.post(HELLO)
        assert dkim.verify(relay.taken[-1].content, dnsfunc=in_dns(kind, private))


@pytest.mark.parametrize(
    "key", [b"", b"no key", b"-----%b PRIVATE KEY-----\nAAAA\n-----%b PRIVATE KEY-----\n" % (b"BEGIN", b"END")]
)
def test_without_a_usable_key_mail_waits_and_never_goes_unsigned(
    make_mail: Any, relay: Relay, keys: dict[str, bytes], key: bytes
) -> None:
    mail: Mail = make_mail(dkim_selector="s1")
    put_key(mail, key)

    answer = mail.client.post(HELLO)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert relay.received == []
    assert "DKIM key" in mail.client.get(f"/{answer.body['id']}").body["error"]["message"]

    put_key(mail, keys["rsa"])
    mail.let_time_pass()
    mail.drain()
    assert dkim.verify(relay.taken[0].content, dnsfunc=in_dns("rsa", keys["rsa"]))


def test_the_key_is_nowhere_in_what_is_kept(make_mail: Any, relay: Relay, keys: dict[str, bytes]) -> None:
    mail: Mail = make_mail(dkim_selector="s1")
    put_key(mail, keys["rsa"])
    relay.on("content", reply("554 no"))
    mail.client.post(HELLO)

    [document] = mail.collection.find()
    assert keys["rsa"].decode().splitlines()[1] not in str(document)


@pytest.mark.parametrize("setting", [{"dkim_selector": "s 1"}, {"dkim_selector": "s1", "dkim_domain": "a..b"}])
def test_a_selector_that_is_no_dns_name_is_refused_at_start(make_mail: Any, setting: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting, match="DKIM_"):
        make_mail(**setting)


@pytest.mark.parametrize("provider", ["ses", "postmark", "mailgun"])
def test_a_relay_may_take_out_the_headers_that_it_obeys(
    make_mail: Any, relay: Relay, keys: dict[str, bytes], provider: str
) -> None:
    obeyed = {
        "ses": "X-SES-MESSAGE-TAGS",
        "postmark": "X-PM-Metadata-mailroom-message",
        "mailgun": "X-Mailgun-Variables",
    }
    mail: Mail = make_mail(dkim_selector="s1", mail_provider=provider)
    put_key(mail, keys["ed25519"])
    Path(mail.services.settings.secrets_dir, "mailroom-signing-key").write_text("s" * 40)

    assert mail.client.post(HELLO).body["status"] == "sent"

    content = relay.taken[0].content
    begin = content.index(b"\r\n" + obeyed[provider].encode())
    end = content.index(b"\r\n", begin + 2)
    while content[end + 2 : end + 3] in (b" ", b"\t"):  # a folded line
        end = content.index(b"\r\n", end + 2)
    sent = content[:begin] + content[end:]
    assert obeyed[provider].encode() not in sent.partition(b"\r\n\r\n")[0]
    assert dkim.verify(sent, dnsfunc=in_dns("ed25519", keys["ed25519"]))
    assert b"\r\nMailroom-Message: " in sent


def put_keys(mail: Mail, keys: object) -> None:
    text = keys if isinstance(keys, str) else json.dumps(keys)
    Path(mail.services.settings.secrets_dir, "mailroom-dkim-keys").write_text(text)


def entry(private: bytes, selector: str = "s1") -> dict[str, str]:
    return {"selector": selector, "key": private.decode()}


def send_from(mail: Mail, *domains: str) -> list[Any]:
    """Sends a message from each of the domains, with a key that may."""
    key = mail.services.keys.create("all", ["notifications:send"], None, tuple(f"*@{each}" for each in domains))
    client = Client(mail.client.app, key.text)
    return [client.post(HELLO | {"from": f"Shop <a@{each}>"}) for each in domains]


def signed_by(received: Received) -> tuple[str | None, str | None]:
    """The domain and the selector of the signature."""
    signature = received.parsed["DKIM-Signature"]
    if signature is None:
        return None, None
    tags = dict(part.strip().split("=", 1) for part in str(signature).split(";"))
    return tags["d"], tags["s"]


def test_each_domain_signs_with_its_own_key(make_mail: Any, relay: Relay, keys: dict[str, bytes]) -> None:
    mail: Mail = make_mail(dkim_selector="s1")
    put_key(mail, keys["rsa"])
    put_keys(mail, {"Shop.example.com": entry(keys["ed25519"], "s2"), "ours.example.com": entry(keys["ed25519"], "s3")})

    domains = ["shop.example.com", "news.shop.example.com", "ours.example.com", "other.example.com"]
    assert {each.status for each in send_from(mail, *domains)} == {200}

    assert [signed_by(each) for each in relay.taken] == [
        ("shop.example.com", "s2"),
        ("shop.example.com", "s2"),  # a parent's key
        ("ours.example.com", "s1"),  # that of the settings
        ("ours.example.com", "s1"),  # none of its own: the default
    ]

    def dns(name: bytes, timeout: int = 5) -> bytes | None:
        kind = {b"s2._domainkey.shop.example.com.": "ed25519", b"s1._domainkey.ours.example.com.": "rsa"}[bytes(name)]
        return bytes(in_dns(kind, keys[kind])(b"s1._domainkey.ours.example.com."))

    assert all(dkim.verify(each.content, dnsfunc=dns) for each in relay.taken)


def test_without_a_default_only_the_domains_with_a_key_sign(
    make_mail: Any, relay: Relay, keys: dict[str, bytes]
) -> None:
    mail: Mail = make_mail()
    put_keys(mail, {"shop.example.com": entry(keys["ed25519"])})

    send_from(mail, "shop.example.com", "other.example.com")

    assert [signed_by(each)[0] for each in relay.taken] == ["shop.example.com", None]


def test_a_new_key_of_a_domain_is_taken_without_a_restart(make_mail: Any, relay: Relay, keys: dict[str, bytes]) -> None:
    mail: Mail = make_mail()
    for selector in ("s1", "s2"):
        put_keys(mail, {"shop.example.com": entry(keys["ed25519"], selector)})
        send_from(mail, "shop.example.com")

    assert [signed_by(each)[1] for each in relay.taken] == ["s1", "s2"]


@pytest.mark.parametrize(
    "wrong",
    [
        "no JSON",
        "[]",
        {"shop.example.com": "x"},
        {"shop.example.com": {"selector": "s1"}},
        {"shop.example.com": {"selector": "s 1", "key": "k"}},
        {"shop.example.com": {"selector": "s1", "key": "no key"}},
    ],
)
def test_with_a_wrong_entry_mail_of_its_domain_waits_and_other_mail_goes(
    make_mail: Any, relay: Relay, keys: dict[str, bytes], wrong: object
) -> None:
    mail: Mail = make_mail(dkim_selector="s1")
    put_key(mail, keys["ed25519"])
    put_keys(mail, wrong)

    shop, ours = send_from(mail, "shop.example.com", "ours.example.com")

    assert (shop.status, ours.status) == (202, 200)
    assert [signed_by(each)[0] for each in relay.taken] == ["ours.example.com"]
    put_keys(mail, {"shop.example.com": entry(keys["ed25519"])})
    mail.let_time_pass()
    mail.drain()
    assert signed_by(relay.taken[-1])[0] == "shop.example.com"
