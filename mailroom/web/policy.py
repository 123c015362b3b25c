"""What the settings say about every API: who may call from a browser, and how often a key may call."""

from __future__ import annotations

import msgspec

from mailroom.platform.settings import Settings
from mailroom.web.cors import Cors
from mailroom.web.rate_limit import RateLimit


class Policy(msgspec.Struct, frozen=True):
    """By default no page of another origin, and no limit."""

    cors: Cors = msgspec.field(default_factory=Cors)
    rate_limit: RateLimit = msgspec.field(default_factory=RateLimit)

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        return cls(Cors.parse(settings.cors_origins), RateLimit(settings.rate_limit_per_minute))
