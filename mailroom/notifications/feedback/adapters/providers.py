"""The adapters of this deployment, by their names in the path of the route."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mailroom.notifications.feedback.adapters.adapter import Adapter, SharedSecret
from mailroom.notifications.feedback.adapters.certificates import FetchedCertificates
from mailroom.notifications.feedback.adapters.mailgun import Mailgun
from mailroom.notifications.feedback.adapters.postmark import Postmark
from mailroom.notifications.feedback.adapters.ses import Ses
from mailroom.notifications.feedback.adapters.sns import Sns
from mailroom.notifications.feedback.adapters.standard import StandardWebhooks
from mailroom.notifications.feedback.adapters.used_tokens import UsedTokens
from mailroom.platform import secrets
from mailroom.platform.secrets import Secrets
from mailroom.platform.settings import Settings


def providers(
    settings: Settings, stored: Secrets, used_tokens: UsedTokens, fetch: Callable[[str], bytes]
) -> Mapping[str, Adapter]:
    """Every adapter. One without its secret, or without a topic, believes nobody.

    `fetch` gets the certificates of SNS, and confirms subscriptions.
    """

    def secret(name: str) -> SharedSecret:
        return SharedSecret(lambda: stored.read_optional(name))

    topics = [topic.strip() for topic in settings.ses_topics.split(",") if topic.strip()]
    return {
        "ses": Ses(Sns(topics, FetchedCertificates(fetch).key, fetch)),
        "postmark": Postmark(secret(secrets.EVENTS_POSTMARK)),
        "mailgun": Mailgun(secret(secrets.EVENTS_MAILGUN), used_tokens.is_first),
        "generic": StandardWebhooks(secret(secrets.EVENTS_GENERIC)),
    }
