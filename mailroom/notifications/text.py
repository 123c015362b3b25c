"""The text part of a message that came as HTML."""

from __future__ import annotations


def from_html(html: str) -> str:
    """`html` as a person would read it; links show their target. Empty when it shows nothing.

    Markup that is broken or is no markup at all is no error: a mail reader shows something, and so does this.
    """
    from inscriptis import get_text  # type: ignore[import-untyped]  # 20 ms that only the first message should pay
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]

    text: str = get_text(html, ParserConfig(display_links=True))
    return text.strip("\n")
