"""Which URLs SNS signs with and confirms at. Others are never called: they would let strangers choose whom we call."""

from __future__ import annotations

import re

# SNS of China has its own ending.
_HOST = r"https://sns\.[a-z]{2}(-[a-z]+)+-[0-9]+\.amazonaws\.com(\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/SimpleNotificationService-[0-9a-zA-Z]{1,64}\.pem")
_SUBSCRIBE = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[\x21-\x7e]{1,2000}")


def is_certificate_url(url: str) -> bool:
    """Whether SNS has its signing certificates there."""
    return _CERTIFICATE.fullmatch(url) is not None


def is_subscribe_url(url: str) -> bool:
    """Whether a subscription is confirmed there."""
    return _SUBSCRIBE.fullmatch(url) is not None
