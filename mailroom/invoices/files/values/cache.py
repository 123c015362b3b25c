"""Values that repeat in a file: suppliers, days, currencies."""

from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")

_MAX_VALUES = 4096
_MAX_CHARACTERS = 1000


class ValueCache(dict[str, V]):
    """Reads each text once. Bounded, so that a file without repetitions costs no memory."""

    def __init__(self, read: Callable[[str], V]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> V:
        value = self._read(text)
        if len(self) >= _MAX_VALUES:
            self.clear()
        if len(text) <= _MAX_CHARACTERS:
            self[text] = value
        return value
