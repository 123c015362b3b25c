"""The pages, one module for each area. A new area is listed here, in the order of the navigation."""

from __future__ import annotations

from mailroom.console.pages import files, health, invoice, invoices, keys, overview, sign_in

AREAS = (overview.AREA, files.AREA, invoices.AREA, keys.AREA, health.AREA)
# Pages for those who have not signed in.
PUBLIC = (sign_in.PAGES,)

# These modules add their views to the area of `invoices`.
_VIEWS = (invoice,)
