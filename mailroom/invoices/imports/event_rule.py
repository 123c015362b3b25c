"""Whether the invoices' bucket still has the rule that sends its events."""

from __future__ import annotations

from minio import Minio
from minio.error import S3Error

from mailroom.platform.objects import translated_errors


def event_rule_present(client: Minio, bucket: str, arn: str) -> bool | None:
    """Whether there is a rule for the target `arn`; None without the right to read it. Raises `Unavailable`."""
    with translated_errors():
        try:
            found = client.get_bucket_notification(bucket)
        except S3Error as error:
            if error.code == "AccessDenied":
                return None
            raise
    return any(rule.queue == arn for rule in found.queue_config_list or [])
