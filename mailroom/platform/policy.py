"""What the settings say about every API: who may call from a browser, and how often a key may call."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailroom.platform.cors import Cors
from mailroom.platform.ratelimit import RateLimit
from mailroom.platform.settings import Settings


@dataclass(frozen=True)
class Policy:
    """By default no page of another origin, and no limit."""

    cors: Cors = field(default_factory=Cors)
    rate_limit: RateLimit = field(default_factory=RateLimit)

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        return cls(Cors.parse(settings.cors_origins), RateLimit(settings.rate_limit_per_minute))
