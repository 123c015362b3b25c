"""The text part of a message that came as HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

# Lists within so many lists are not indented any further.
_DEEPEST_LIST = 6


def from_html(html: str) -> str:
    """`html` as a person would read it; links show their target. Empty when it shows nothing.

    Markup that is broken or is no markup at all is no error: a mail reader shows something, and so does this.
    The text is not much longer than its source: a row of a table is a line, not a part of a picture in which each
    column is as wide as its longest cell, and of styles only `display` counts.
    """
    from inscriptis import get_text  # type: ignore[import-untyped]  # 20 ms that only the first message should pay

    text: str = get_text(html, _config())
    return text.strip("\n")


@cache
def _config() -> Any:
    from inscriptis.css_profiles import RELAXED_CSS_PROFILE  # type: ignore[import-untyped]
    from inscriptis.html_properties import Display  # type: ignore[import-untyped]
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
    from inscriptis.model.html_element import HtmlElement  # type: ignore[import-untyped]
    from inscriptis.model.tag import CustomHtmlTagHandlerMapping  # type: ignore[import-untyped]
    from inscriptis.model.tag.list_tag import ol_start_handler, ul_start_handler  # type: ignore[import-untyped]

    line, cell = HtmlElement(display=Display.block), HtmlElement(display=Display.inline, suffix=" ")
    css = RELAXED_CSS_PROFILE | {"div": line, "table": line, "caption": line, "tr": line, "td": cell, "th": cell}
    no_layout = dict.fromkeys(("table", "tr", "td", "th"))
    lists = {"ul": _indented(ul_start_handler), "ol": _indented(ol_start_handler)}
    config = ParserConfig(
        css=css,
        display_links=True,
        custom_html_tag_handler_mapping=CustomHtmlTagHandlerMapping(no_layout | lists, no_layout),
    )
    config.attribute_handler = _DisplayAlone()
    return config


def _indented(start: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def start_list(state: Any, attributes: Any) -> None:
        start(state, attributes)
        if len(state.li_counter) > _DEEPEST_LIST:
            state.tags[-1].padding_inline = 0

    return start_list


class _DisplayAlone:
    """Of all attributes, whether something is shown: a margin of 10,000 lines is a few letters of a style."""

    def apply_attributes(self, attributes: Mapping[str, str], html_element: Any) -> Any:
        from inscriptis.model.css import CssParse  # type: ignore[import-untyped]

        for directive in attributes.get("style", "").lower().split(";"):
            name, _, value = (part.strip() for part in directive.partition(":"))
            if name == "display":
                CssParse.attr_display(value, html_element)
        return html_element
