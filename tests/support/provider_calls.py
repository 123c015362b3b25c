"""Calls as the providers of mail make them, signed with keys of our own. The shapes follow their documentation."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import NameOID

from mailroom.notifications.feedback.adapters.adapter import Call

TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail"
CERTIFICATE_URL = (
    "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
)
SUBSCRIBE_URL = f"https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f"


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> RSAPrivateKey:
    """The same key for the same arguments: making one takes a while."""
    return generate_private_key(65537, bits)


def certificate(
    key: Any = None, start: dt.datetime | None = None, days: int = 365, names: tuple[str, ...] = ()
) -> bytes:
    """A certificate of `key` for the servers `names`, signed by itself, in PEM."""
    key = key or rsa_key()
    start = start or dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names or ("localhost",)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def private_key(key: RSAPrivateKey) -> bytes:
    """The key in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def elliptic_certificate() -> bytes:
    """A certificate with a key that SNS does not use."""
    return certificate(elliptic_key(SECP256R1()))


def clock() -> dt.datetime:
    """When a call is made, unless the test says otherwise."""
    return dt.datetime.now(dt.UTC)


def sns(message: Any, *, now: dt.datetime | None = None, version: str = "1", key: Any = None, **changed: Any) -> Call:
    """A message of SNS. `changed` members are signed; None leaves one out."""
    now = now or clock()
    members: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x",
    } | changed
    members = {name: value for name, value in members.items() if value is not None}
    signed = (
        ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        if members.get("Type") == "Notification"
        else ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    )
    text = "".join(f"{name}\n{members[name]}\n" for name in signed if name in members)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = (key or rsa_key()).sign(text.encode("utf-8", "replace"), PKCS1v15(), algorithm)
    members.setdefault("Signature", base64.b64encode(signature).decode())
    headers = {"x-amz-sns-message-type": str(members.get("Type")), "content-type": "text/plain; charset=UTF-8"}
    return Call(headers, json.dumps(members).encode())


def subscription(kind: str = "SubscriptionConfirmation", **changed: Any) -> Call:
    """What SNS sends when somebody subscribes this address to a topic, or ends a subscription."""
    members = {"Token": "2336412f", "SubscribeURL": SUBSCRIBE_URL, "Subject": None}
    return sns("You have chosen to subscribe to the topic.", Type=kind, **(members | changed))


def ses(kind: str, details: dict[str, Any], *, published: bool = True, **mail: Any) -> dict[str, Any]:
    """What SES says, by a configuration set (`published`) or by the identity's notifications."""
    return {
        "eventType" if published else "notificationType": kind,
        kind.lower(): {"timestamp": "2017-08-05T00:41:02.669Z", "feedbackId": "01000157c44f053b-000000"} | details,
        "mail": {
            "timestamp": "2017-08-05T00:40:02.012Z",
            "source": "mailroom@ours.example.com",
            "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
            "destination": ["ada@example.com"],
            "headersTruncated": False,
            "headers": [{"name": "From", "value": "mailroom@ours.example.com"}],
            "commonHeaders": {"messageId": "EXAMPLE7c191be45", "subject": "Hello"},
            "tags": {"ses:configuration-set": ["all"]},
        }
        | mail,
    }


def mailgun(key: str, data: dict[str, Any], *, now: dt.datetime | None = None, token: str = "a" * 50) -> Call:
    time = str(int((now or clock()).timestamp()))
    signature = hmac.new(key.encode(), f"{time}{token}".encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": time, "token": token, "signature": signature}
    return Call({"content-type": "application/json"}, json.dumps({"signature": signed, "event-data": data}).encode())


def mailgun_event(event: str, **changed: Any) -> dict[str, Any]:
    return {
        "event": event,
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": 1521233195.375624,
        "recipient": "ada@example.com",
        "message": {"headers": {"message-id": "20130503182626.18666.16540@ours.example.com", "to": "ada@example.com"}},
        "user-variables": {},
    } | changed


def postmark(body: dict[str, Any], password: str) -> Call:
    """With the password in the URL of the webhook."""
    given = base64.b64encode(f"postmark:{password}".encode()).decode()
    return Call({"authorization": f"Basic {given}"}, json.dumps(body).encode())


def generic(body: Any, secret: str, *, now: dt.datetime | None = None, id: str = "msg_1") -> Call:
    """Signed by the public package `standardwebhooks`."""
    from standardwebhooks import Webhook

    now = now or clock()
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, now, text),
    }
    return Call(headers, text.encode())
