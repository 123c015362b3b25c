"""The pages, one module for each area. A new area is listed here, in the order of the navigation."""

from __future__ import annotations

from mailroom.console.pages import files, mail, overview, sign_in

AREAS = (overview.AREA, files.AREA, mail.AREA)
# Pages for those who have not signed in.
PUBLIC = (sign_in.PAGES,)
