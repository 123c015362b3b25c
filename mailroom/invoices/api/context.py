"""What the views of invoices and imports work with. `mailroom.invoices.app` puts it together."""

from __future__ import annotations

from typing import cast

import msgspec
from flask import Flask, current_app

from mailroom.invoices.imports.actions import ImportActions
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.waiting_facts import ImportWaiting
from mailroom.invoices.model.edits import Edits
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.presets.profiles import all_statuses
from mailroom.invoices.presets.selection import Selection
from mailroom.invoices.presets.store import Presets
from mailroom.invoices.preview.runner import Previewer
from mailroom.invoices.rejected.corrections import Corrections
from mailroom.invoices.rejected.rejected_rows import RejectedRows
from mailroom.invoices.views.figures import Figures
from mailroom.invoices.views.health import Health
from mailroom.invoices.views.lists import Queries
from mailroom.invoices.views.source import Sources
from mailroom.platform.cached import Cached
from mailroom.platform.concurrency import ConcurrencyLimit
from mailroom.platform.kick import Kicker
from mailroom.platform.objects import ObjectStore

_NAME = "mailroom.invoices"


class InvoicesContext(msgspec.Struct, frozen=True):
    """`bucket` is the one whose objects are imported, `rejects_bucket` that of the files of rejected rows.

    A long answer ends after `export_seconds`, an action on an import after `budget_seconds`.
    """

    queries: Queries
    edits: Edits
    ledger: Ledger
    actions: ImportActions
    rejected: RejectedRows
    corrections: Corrections
    figures: Figures
    sources: Sources
    objects: ObjectStore
    kicker: Kicker
    selection: Selection
    previewer: Previewer
    concurrency: ConcurrencyLimit
    waiting: ImportWaiting
    health: Cached[Health]
    bucket: str
    rejects_bucket: str
    public_endpoint: str
    export_seconds: float
    budget_seconds: float

    @property
    def presets(self) -> Presets:
        return self.selection.presets

    def statuses(self) -> Statuses:
        """Those that a file may have somewhere. May block for MongoDB's answers: presets may name some."""
        profiles = self.selection.profiles
        if not profiles.default.statuses:
            return Statuses()  # any, in a folder that nothing else is said about
        presets = (preset for _, preset in self.presets.present())
        return Statuses(all_statuses(profiles.default.statuses, [*profiles.by_prefix.values(), *presets]))

    def attach(self, app: Flask) -> None:
        """Makes it the context of `app`."""
        app.extensions[_NAME] = self


def context() -> InvoicesContext:
    """The context of the application that serves this call."""
    return cast(InvoicesContext, current_app.extensions[_NAME])
