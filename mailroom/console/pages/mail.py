"""Mail: its sections, in the order of the navigation within the area."""

from __future__ import annotations

from mailroom.console.areas import Area, Section
from mailroom.console.pages import (
    message_actions,
    suppressions,
    template_trials,
    templates,
    webhook_deliveries,
    webhooks,
    write,
)
from mailroom.console.texts import later

_READ = ("notifications:read",)

SECTIONS = (
    Section(later("Messages"), "messages.listed", message_actions.PAGES, _READ),
    Section(later("Write"), "write.show", write.PAGES, write.SCOPES),
    Section(later("Suppressions"), "suppressions.listed", suppressions.PAGES, _READ),
    Section(later("Templates"), "templates.listed", template_trials.PAGES, (templates.READ,)),
    Section(later("Webhooks"), "webhooks.listed", webhook_deliveries.PAGES, (webhooks.READ,)),
)
AREA = Area(later("Mail"), "messages.listed", message_actions.PAGES, _READ, SECTIONS)
