"""Addresses, checked by the library in our configuration."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

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
