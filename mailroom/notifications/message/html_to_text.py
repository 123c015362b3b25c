"""Makes the text part of a message from its HTML."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Set
from functools import cache
from typing import Any

from mailroom.errors import MailroomError
from mailroom.platform.clock import Budget

MOST_SECONDS = 1.0  # of processor time, checked at each element

# The writer is recursive: of elements nested deeper than this, only the text is kept.
_DEEPEST = 200
# The parser compares each end tag with all open elements.
_MOST_OPEN = 1_000
# Characters that the parser gets at a time. After an error, it goes on to the end of them.
_CHUNK = 16_384
# Lists nested deeper than this are not indented further.
_DEEPEST_LIST = 6

_NUMBER = re.compile("[0-9]{1,9}")  # of an item of a list; the library fails at longer ones

# What a tree cannot hold.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class CannotConvert(MailroomError):
    """The HTML takes too long, or has too many open elements. The message says which."""


def from_html(html: str) -> str:
    """The text that `html` shows, with the targets of links. Empty if it shows nothing.

    Broken markup is no error: mail readers show something, and so does this. The text is not much longer than its
    source: a row of a table becomes one line without padded columns, and only the style `display` has an effect.

    Raises:
        CannotConvert
    """
    from inscriptis import Inscriptis  # type: ignore[import-untyped]  # takes 20 ms, so only when the first message comes
    from lxml import etree  # type: ignore[import-untyped]

    html = html.strip()
    if not html:
        return ""
    budget = Budget(MOST_SECONDS, time.thread_time)
    styles, _ = _layout()
    target = _TreeTarget(etree.TreeBuilder(), {*styles, "a", "br"}, budget)
    parser = etree.HTMLParser(target=target, encoding="utf-8")
    for start in range(0, len(html), _CHUNK):
        parser.feed(html[start : start + _CHUNK].encode())
    text: str = Inscriptis(parser.close(), _config(budget)).get_text()
    return text.strip("\n")


class _TreeTarget:
    """Builds a tree from what the parser finds, as far as it has an effect on the text.

    The tree has a root of its own, because there may be more than one `<html>`, each with a text that is shown.
    """

    def __init__(self, builder: Any, known: Set[str], budget: Budget) -> None:
        self._builder = builder
        self._known = known
        self._budget = budget
        self._depth = 0
        self._failed = False
        builder.start("html", {})

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Raises `CannotConvert`. The parser then calls `close`, and passes the error on."""
        self._depth += 1
        self._failed = True
        _check(self._budget)
        if self._depth > _MOST_OPEN:
            raise CannotConvert(f"it has more than {_MOST_OPEN} open elements")
        self._failed = False
        if self._depth < _DEEPEST:
            self._builder.start(self._name(tag), _effective(attributes))

    def end(self, tag: str) -> None:
        if self._depth < _DEEPEST:
            self._builder.end(self._name(tag))
        self._depth -= 1

    def data(self, text: str) -> None:
        self._builder.data(_clean(text))

    def _name(self, tag: str) -> str:
        """Elements without a layout look alike. Their names may be such as a tree cannot hold."""
        return tag if tag in self._known else "other"

    def close(self) -> Any:
        if self._failed:
            return None
        self._builder.end("html")
        return self._builder.close()


def _effective(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes that have an effect. libxml2's tree takes quadratic time for many attributes of one element."""
    kept = {name: _clean(attributes[name]) for name in ("href", "style") if name in attributes}
    number = attributes.get("value", "")
    return kept | {"value": number} if _NUMBER.fullmatch(number) else kept


def _clean(text: str) -> str:
    return text if text.isprintable() else _UNFIT.sub("", text)


def _check(budget: Budget) -> None:
    if budget.spent():
        raise CannotConvert("it takes too long")


def _config(budget: Budget) -> Any:
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]

    styles, handlers = _layout()
    config = ParserConfig(css=styles, display_links=True, custom_html_tag_handler_mapping=handlers)
    config.attribute_handler = _DisplayAlone(budget)
    return config


@cache
def _layout() -> tuple[Any, Any]:
    """The styles of elements, and the handlers of tags that differ from the library's."""
    from inscriptis.css_profiles import RELAXED_CSS_PROFILE  # type: ignore[import-untyped]
    from inscriptis.html_properties import Display  # type: ignore[import-untyped]
    from inscriptis.model.html_element import HtmlElement  # type: ignore[import-untyped]
    from inscriptis.model.tag import CustomHtmlTagHandlerMapping  # type: ignore[import-untyped]
    from inscriptis.model.tag.list_tag import ol_start_handler, ul_start_handler  # type: ignore[import-untyped]

    line, cell = HtmlElement(display=Display.block), HtmlElement(display=Display.inline, suffix=" ")
    styles = RELAXED_CSS_PROFILE | {"div": line, "table": line, "caption": line, "tr": line, "td": cell, "th": cell}
    no_layout = dict.fromkeys(("table", "tr", "td", "th"))
    lists = {"ul": _indented(ul_start_handler), "ol": _indented(ol_start_handler)}
    return styles, CustomHtmlTagHandlerMapping(no_layout | lists, no_layout)


def _indented(start: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def start_list(state: Any, attributes: Any) -> None:
        start(state, attributes)
        if len(state.li_counter) > _DEEPEST_LIST:
            state.tags[-1].padding_inline = 0

    return start_list


class _DisplayAlone:
    """Ignores all attributes but the style `display`: a short style can ask for a margin of 10,000 lines.

    Checks the time, since the library calls it for each element.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def apply_attributes(self, attributes: Mapping[str, str], html_element: Any) -> Any:
        from inscriptis.model.css import CssParse  # type: ignore[import-untyped]

        _check(self._budget)
        for directive in attributes.get("style", "").lower().split(";"):
            name, _, value = (part.strip() for part in directive.partition(":"))
            if name == "display":
                CssParse.attr_display(value, html_element)
        return html_element
