"""The text made from HTML: readable, and never much longer than its source."""

from __future__ import annotations

import pytest

from mailroom.notifications.message.html_to_text import from_html

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
