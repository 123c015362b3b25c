"""Addresses, checked by the library in our configuration."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.errors import Invalid
from mailroom.notifications.model import addresses


def test_concurrent_first_calls_all_work():
    for _ in range(20):
        addresses._validator.cache_clear()
        together = Barrier(8)

        def first(_: int, together: Barrier = together) -> str:
            together.wait(5)
            return addresses.address("someone@mail.local", "emailTo").shown

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(first, range(8))) == {"someone@mail.local"}


def test_setting_the_library_up_again_changes_nothing():
    once = addresses._validator.__wrapped__().SPECIAL_USE_DOMAIN_NAMES
    assert once == addresses._validator.__wrapped__().SPECIAL_USE_DOMAIN_NAMES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna@Example.COM", "anna@example.com"),
        ("anna@b\u00fccher.example.com", "ANNA@xn--bcher-kva.example.com"),
        ("anna@B\u00dcCHER.example.com", "anna@b\u00fccher.example.com"),
        ("J\u00f6rg@example.com", "jo\u0308rg@example.com"),
        ("stra\u00dfe@fa\u00df.example.com", "STRA\u00dfE@xn--fa-hia.example.com"),
    ],
)
def test_spellings_of_one_address_have_one_key(one: str, other: str) -> None:
    assert addresses.key(one) == addresses.key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("stra\u00dfe@example.com", "strasse@example.com"),
        ("J\u00d6RG@example.com", "j\u00f6rg@example.com"),
        ("anna@fa\u00df.example.com", "anna@fass.example.com"),
        ("o\ufb03ce@example.com", "office@example.com"),
    ],
)
def test_different_addresses_have_different_keys(one: str, other: str) -> None:
    assert addresses.key(one) != addresses.key(other)


@given(st.one_of(st.text(), st.text().map("a@{}.com".format), st.text().map("{}@example.com".format)))
def test_any_text_has_a_key_and_an_address_has_that_of_its_shown_form(text: str) -> None:
    key = addresses.key(text)
    try:
        address = addresses.address(text, "")
    except Invalid:
        return
    assert addresses.key(address.shown) == key
