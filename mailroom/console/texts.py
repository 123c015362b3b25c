"""Every text of the console, in the language of the browser. `locale/console.pot` lists them: local/catalogue.py.

A language is a folder `locale/LANGUAGE/LC_MESSAGES` with `console.mo`, which gettext's `msgfmt` makes of a `.po`.
"""

from __future__ import annotations

import gettext as standard
from functools import cache
from pathlib import Path
from typing import Any

from flask import has_request_context, request
from jinja2 import Environment

FOLDER = Path(__file__).with_name("locale")
DOMAIN, DEFAULT = "console", "en"


def gettext(text: str, **values: object) -> str:
    """The text in the language of this request, with `%(name)s` filled in. Modules call it `_`."""
    return _translations().gettext(text) % values if values else _translations().gettext(text)


def ngettext(one: str, many: str, count: int, **values: object) -> str:
    """The form of the text that goes with the number."""
    return _translations().ngettext(one, many, count) % ({"num": count} | values)


def later(text: str) -> str:
    """Marks a text that is translated where it is used."""
    return text


def install(environment: Environment) -> None:
    """Gives templates `_`, `ngettext` and `{% trans %}`."""
    environment.add_extension("jinja2.ext.i18n")
    # The extension asks these for each text: the language is that of the request.
    extended: Any = environment
    extended.install_gettext_callables(
        lambda text: _translations().gettext(text),
        lambda one, many, count: _translations().ngettext(one, many, count),
        newstyle=True,
    )


def language() -> str:
    """The language of this request: the one of ours that the browser likes best."""
    if not has_request_context():
        return DEFAULT
    return request.accept_languages.best_match([DEFAULT, *_languages()], DEFAULT) or DEFAULT


@cache
def _languages() -> tuple[str, ...]:
    return tuple(sorted(file.parents[1].name for file in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")))


def _translations() -> standard.NullTranslations:
    return _of_language(language())


@cache
def _of_language(name: str) -> standard.NullTranslations:
    return standard.translation(DOMAIN, FOLDER, [name], fallback=True)
