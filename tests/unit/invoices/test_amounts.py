"""Amounts as text: every digit, as `Decimal` writes them without an exponent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.model.decimals import plain_text


@pytest.mark.parametrize("text", ["1190.00", "-0.05", "0.00", "-0.00", "7", "12.345", "-1000000000000.01"])
def test_an_amount_is_written_as_it_was_given(text: str):
    assert plain_text(Decimal128(text)) == text


@given(st.integers(-(10**34) + 1, 10**34 - 1), st.integers(-40, 3))
def test_any_amount_is_written_as_decimal_writes_it(digits: int, exponent: int):
    amount = Decimal(digits).scaleb(exponent) if abs(digits) < 10**28 else Decimal(f"{digits}E{exponent}")
    assert plain_text(Decimal128(amount)) == format(amount, "f")
