"""An area of the console: its pages, and its place in the navigation. pages/__init__.py lists all areas."""

from __future__ import annotations

import msgspec
from flask import Blueprint, request


class Area(msgspec.Struct, frozen=True):
    """Pages with one entry in the navigation. `title` is marked with `later`; `start` names the view it leads to.

    Whoever has none of the `scopes` sees neither the entry nor the pages.
    """

    title: str
    start: str
    blueprint: Blueprint
    scopes: tuple[str, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether this request's page is in the area."""
        return request.blueprint == self.blueprint.name


def is_partial() -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"
