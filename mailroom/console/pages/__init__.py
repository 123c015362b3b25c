"""The pages, one module for each area. A new area is listed here, in the order of the navigation."""

from __future__ import annotations

from mailroom.console.pages import (
    files,
    files_actions,
    files_check,
    files_corrections,
    files_import,
    files_upload,
    health,
    invoice,
    invoices,
    keys,
    mail,
    overview,
    sign_in,
)

AREAS = (overview.AREA, files.AREA, invoices.AREA, mail.AREA, keys.AREA, health.AREA)
# Pages for those who have not signed in.
PUBLIC = (sign_in.PAGES, files_upload.LANDING)

# These modules add their views to the areas of `files` and `invoices`.
_VIEWS = (files_actions, files_check, files_corrections, files_import, files_upload, invoice)
