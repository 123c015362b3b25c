"""The text made from HTML: readable, and never much longer than its source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.notifications.message.html_to_text import CannotConvert, from_html

LONG = "y" * 5_000


def test_a_row_of_a_table_is_a_line() -> None:
    html = "<table><tr><th>Item<th>Price</tr><tr><td>Tea</td><td>3.00</td></tr></table>"
    assert from_html(f"<p>Your order</p>{html}<p>Thank you</p>").split("\n") == [
        *("Your order", "", "Item Price", "Tea 3.00", "", "Thank you"),
    ]


def test_lists_are_indented_and_hidden_elements_left_out() -> None:
    assert from_html("<ul><li>a<ul><li>b</ul></ul><div style='Display: none'>secret</div>") == "  * a\n      + b"


@pytest.mark.parametrize(
    "html",
    [
        f"<table><tr><td>{LONG}</td></tr>{'<tr><td>x' * 4_000}</table>",
        f"<table><tr><td>{'<br>' * 2_000}<td>{LONG}</table>",
        '<p style="margin-top: 100000em">x' * 1_000,
        '<p style="padding-left: 100000em">x' * 1_000,
        "<ul>" * 200 + "<li>x" * 5_000,
    ],
    ids=["a wide column", "a high row", "margins", "paddings", "lists in lists"],
)
def test_text_is_not_much_longer_than_its_source(html: str) -> None:
    assert 0 < len(from_html(html)) < 8 * len(html)


def test_what_is_hidden_stays_hidden_after_a_comment() -> None:
    assert from_html("<p style='display:none'>a<!-- c -->b</p>on<!-- c -->e <?php x ?>text") == "one text"


def test_what_follows_the_end_of_the_document_is_shown() -> None:
    assert from_html("<html><body><p>Hello</p></body></html><p>Unsubscribe</p>") == "Hello\n\nUnsubscribe"


def test_text_is_shown_however_deep_it_stands() -> None:
    html = "<div>" * 900 + "deep" + "</div>" * 900 + "<p>flat"
    assert from_html(html).split() == ["deep", "flat"]
    with pytest.raises(CannotConvert):
        from_html("<div>" * 2_000)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<o:p>Outlook</o:p>", "Outlook"),
        ("<ol><li value='\u00b2'>x<li value=7>y", " 1. x\n 7. y"),
        ("<p>a\x01b&#2;c\ufffe", "abc"),
        ('<a"b>x', "x"),
        ("<a href='&#1;u'>x</a>", "[x](u)"),
        (" \n ", ""),
        ("<!DOCTYPE html>", ""),
    ],
)
def test_broken_markup_is_no_error(html: str, text: str) -> None:
    assert from_html(html) == text


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["<", "</", "<!--", "-->", "<!", "<?", ">", "/>", "='", "'", "&#", ";", "<![CDATA[", "]]>"]
            ),
            st.sampled_from(["p", "b", "table", "td", "ol", "li", "pre", "html", "body", "script", "title", " href"]),
            st.characters(exclude_categories=["Cs"]),
        )
    ).map("".join)
)
def test_any_html_becomes_text(html: str) -> None:
    from_html(html).encode()
