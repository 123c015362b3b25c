"""Makes the text part of a message from its HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

# Lists nested deeper than this are not indented further.
_DEEPEST_LIST = 6


def from_html(html: str) -> str:
    """The text that `html` shows, with the targets of links. Empty if it shows nothing.

    Broken markup is no error: mail readers show something, and so does this. The text is not much longer than its
    source: a row of a table becomes one line without padded columns, and only the style `display` has an effect.
    """
    from inscriptis import get_text  # type: ignore[import-untyped]  # takes 20 ms, so only when the first message comes

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
    """Ignores all attributes but the style `display`: a short style can ask for a margin of 10,000 lines."""

    def apply_attributes(self, attributes: Mapping[str, str], html_element: Any) -> Any:
        from inscriptis.model.css import CssParse  # type: ignore[import-untyped]

        for directive in attributes.get("style", "").lower().split(";"):
            name, _, value = (part.strip() for part in directive.partition(":"))
            if name == "display":
                CssParse.attr_display(value, html_element)
        return html_element
