"""What each function may do in MongoDB and in the object store: as much as it needs, and no more.

`compose/prepare.py` makes users of it, and whoever runs servers of his own does the same by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

_FIND = ("find", "killCursors")  # SecantusDB asks for the second to end a cursor early, MongoDB does not for one's own
_APPEND = (*_FIND, "insert")
_CHANGE = (*_FIND, "update")
_WRITE = (*_APPEND, "update")

# Actions by collection. None may make or drop a collection or an index, or see another database: set-up does that.
MONGODB: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "invoice-events": {"imports": _APPEND, "kicks": _WRITE},
    "invoice-importer": {
        **dict.fromkeys(("imports", "invoices", "predictions", "rejects", "notifications", "kicks", "workers"), _WRITE),
        "comparisons": (*_WRITE, "remove"),
        "cursors": _CHANGE,
        "backups": _FIND,
        "presets": _FIND,
        "webhooks": _FIND,
        "": ("dbStats",),  # of the whole database: its disk
    },
    "invoices": {
        "apiKeys": _WRITE,
        "keyGuards": _WRITE,
        "loginCodes": _CHANGE,
        "imports": _WRITE,
        "invoices": (*_CHANGE, "remove"),
        "presets": _APPEND,
        "rejects": _FIND,
        "kicks": _WRITE,
        "backups": _FIND,
        "workers": _FIND,
    },
    "notifications": {
        "apiKeys": _FIND,
        "notifications": (*_WRITE, "remove"),
        **dict.fromkeys(("claims", "leases", "softBounces"), (*_WRITE, "remove")),
        "suppressions": (*_APPEND, "remove"),
        **dict.fromkeys(("templates", "eventTokens"), _APPEND),
        "webhooks": (*_WRITE, "remove"),
        "webhookDeliveries": (*_CHANGE, "remove"),
        "kicks": _WRITE,
        "workers": _FIND,
    },
    "notification-sender": {
        "notifications": (*_CHANGE, "remove"),
        "claims": (*_APPEND, "remove"),
        **dict.fromkeys(("leases", "softBounces"), (*_WRITE, "remove")),
        "suppressions": _APPEND,
        **dict.fromkeys(("cursors", "kicks", "workers"), _WRITE),
        "webhooks": _FIND,
        "webhookDeliveries": ("remove",),
    },
    "webhook-sender": {
        **dict.fromkeys(("notifications", "imports", "webhooks"), _CHANGE),
        "webhookDeliveries": (*_WRITE, "remove"),
        **dict.fromkeys(("cursors", "kicks", "workers"), _WRITE),
    },
}

# `backups create` and `backups check` note here when they ended.
BACKUPS: Mapping[str, tuple[str, ...]] = {"backups": _WRITE}

_READ = ("s3:GetObject", "s3:GetObjectVersion", "s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions")
_LIST = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions")


def privileges(rights: Mapping[str, tuple[str, ...]], database: str) -> list[Document]:
    """The privileges of a role with these actions by collection, for `createRole`."""
    return [
        {"resource": {"db": database, "collection": name}, "actions": list(actions)} for name, actions in rights.items()
    ]


def policies(invoices: str, rejects: str, attachments: str) -> dict[str, Document]:
    """The policy of each user of the object store with these buckets, by how the names of its two secrets begin."""
    rights: dict[str, list[tuple[tuple[str, ...], str]]] = {
        # invoice-importer
        "mailroom-s3": [
            ((*_READ, "s3:GetBucketNotification"), invoices),
            ((*_READ, "s3:PutObject", "s3:AbortMultipartUpload"), rejects),
        ],
        # invoices: the forms it signs give those who have them its own right to upload
        "mailroom-uploads": [((*_READ, "s3:PutObject", "s3:AbortMultipartUpload"), invoices), (_READ, rejects)],
        # notifications, notification-sender
        "mailroom-attachments": [(_READ, attachments)],
        # people: upload what is imported or mailed, read what was rejected
        "people-s3": [((*_LIST, "s3:PutObject"), bucket) for bucket in (invoices, attachments)] + [(_READ, rejects)],
        # the listener: it hears of files, and reads none
        "listener-s3": [(("s3:ListenBucketNotification",), invoices)],
        # backups
        "backup-s3": [(_READ, bucket) for bucket in (invoices, rejects, attachments)],
    }
    found = {prefix: _policy(statements) for prefix, statements in rights.items()}
    # The metrics of MinIO tell when it was started, and how many events wait.
    found["mailroom-s3"]["Statement"].append({"Effect": "Allow", "Action": ["admin:Prometheus"]})
    return found


def _policy(rights: list[tuple[tuple[str, ...], str]]) -> Document:
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
        for actions, bucket in rights
    ]
    return {"Version": "2012-10-17", "Statement": statements}
