"""Normal forms: those of the standard library, in linear time."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.platform import normalization
from tests.support.growth import grows_like_its_size

FORMS: list[Literal["NFC", "NFKC"]] = ["NFC", "NFKC"]

MARKS = ["\u0301", "\u0316", "\u0327", "\u0344", "\u0f73", "\u3099", "\u1161", "\u11a8", "\u0345"]
LETTERS = ["a", "\u00e9", "\u1e09", "\uac00", "\u1100", "\u1f82", "\ufb01", "\ufdfa", "\u212b", "\u0958"]
TEXT = st.lists(st.one_of(st.sampled_from(MARKS + LETTERS), st.characters(exclude_categories=["Cs"]))).map("".join)


@pytest.mark.parametrize("form", FORMS)
@given(TEXT)
def test_it_is_that_of_the_standard_library(form: Literal["NFC", "NFKC"], text: str) -> None:
    long = text + "\u00e9" * normalization._SHORT + text
    for each in (text, long, long + text):
        assert normalization.normalize(form, each) == unicodedata.normalize(form, each)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0f73", "\u0316", "\u0344\u0316"])
def test_marks_in_disorder_take_linear_time(form: Literal["NFC", "NFKC"], marks: str) -> None:
    def work(text: str) -> None:
        normalization.normalize(form, text)

    assert grows_like_its_size(lambda size: "a" + marks * (size // len(marks)), work, 200_000)
