"""An area of the console: its pages, and its place in the navigation. pages/__init__.py lists all areas."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import msgspec
from flask import Blueprint, request

from mailroom.console.session import Session


class Section(msgspec.Struct, frozen=True):
    """Pages with one entry in the navigation. `title` is marked with `later`; `start` names the view it leads to.

    Whoever has none of the `scopes` sees neither the entry nor the pages.
    """

    title: str
    start: str
    blueprint: Blueprint
    scopes: tuple[str, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether this request's page is in the section."""
        return request.blueprint == self.blueprint.name


class Area(Section, frozen=True):
    """Pages with one entry in the main navigation. Those of a large area are in sections.

    The first section has the area's own blueprint and scopes.
    """

    sections: tuple[Section, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether this request's page is in the area."""
        return any(request.blueprint == section.blueprint.name for section in self.parts)

    @property
    def parts(self) -> tuple[Section, ...]:
        """The sections; the area itself if it has none."""
        return self.sections or (self,)

    def open_to(self, who: Session) -> tuple[Section, ...]:
        """The sections that this person may see."""
        return tuple(section for section in self.parts if who.may(*section.scopes))


def shown_sections(areas: Iterable[Area], who: Session) -> tuple[Section, ...]:
    """The entries of the second navigation on this request's page: those of its area, if it has sections."""
    return next((area.open_to(who) for area in areas if area.sections and area.is_shown), ())


def this_url() -> str:
    """The path and the query of this request, as the browser sees them."""
    query = request.query_string.decode("latin-1")
    return f"{request.root_path}{quote(request.path)}" + (f"?{query}" if query else "")


def is_partial() -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"
