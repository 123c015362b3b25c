"""Keys: 64 bits for each row, made of nothing but its identity. Rows of one invoice have the same key.

Two different invoices hardly ever share a key, but it can happen. So the rows with a repeated key are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.invoices.model.columns import TEXTS
from mailroom.invoices.model.identity import Identity
from mailroom.platform.normalization import normalize

KEY = pa.uint64()

_PART_BITS = 6

PARTS = 1 << _PART_BITS
"""Keys are stored in parts, by their first bits."""

LONGEST_NUMBER = TEXTS["invoiceNumber"].max_characters

_WORD_BYTES = 8

# Odd numbers without a pattern (SplitMix64). A product with one takes each bit into those above it, a shift back down.
_FACTORS = (pa.scalar(0x9E3779B97F4A7C15, KEY), pa.scalar(0xBF58476D1CE4E5B9, KEY), pa.scalar(0x94D049BB133111EB, KEY))
_HALF = pa.scalar(32, KEY)
_NO_KEYS = pa.array([], KEY)
_NOT_OF_PART = pa.scalar(64 - _PART_BITS, KEY)


class HeldKeys:
    """Many keys."""

    def __init__(self) -> None:
        self._arrays: list[pa.Array] = []

    def __len__(self) -> int:
        return sum(map(len, self._arrays))

    def add(self, keys: pa.Array) -> None:
        self._arrays.append(keys)

    def add_bytes(self, keys: bytes) -> None:
        """Adds keys as `parts` gave them."""
        self.add(pa.Array.from_buffers(KEY, len(keys) // _WORD_BYTES, [None, pa.py_buffer(keys)]))

    def clear(self) -> None:
        self._arrays.clear()

    def repeated(self) -> pa.Array:
        """The keys that come more than once, in order."""
        keys = self._in_order()
        after = keys.slice(1)
        return pc.unique(pc.filter(after, pc.equal(after, keys.slice(0, len(after)))))

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """The keys by their first bits: the number of the part, and the keys as bytes."""
        keys, at = self._in_order(), 0
        for each in pc.value_counts(pc.shift_right(keys, _NOT_OF_PART)).to_pylist():
            some = keys.slice(at, each["counts"])
            yield each["values"], pa.concat_arrays([some, _NO_KEYS]).buffers()[1].to_pybytes()
            at += each["counts"]

    def _in_order(self) -> pa.Array:
        keys = joined(self._arrays)
        return pc.take(keys, pc.array_sort_indices(keys))


def are_in(keys: pa.Array, wanted: pa.Array) -> pa.Array:
    """For each key whether it is one of `wanted`: at least one, in order. `pc.is_in` would hash them all each time."""
    at = pc.min_element_wise(pc.search_sorted(wanted, keys), pa.scalar(len(wanted) - 1, pa.uint64()))
    return pc.equal(pc.take(wanted, at), keys)


def joined(keys: Iterable[pa.Array]) -> pa.Array:
    return pa.concat_arrays([_NO_KEYS, *keys])


def keys_of(identities: list[Identity]) -> pa.Array:
    """The keys of rows."""
    numbers = [_short(normalize("NFKC", each.number).strip().encode()) for each in identities]
    rest = [(hash_of(each.supplier) + hash_of(each.year)) % 2**64 for each in identities]
    return keys_of_columns(pa.array(numbers, pa.binary()), pa.array(rest, KEY))


def hash_of(value: object) -> int:
    return int.from_bytes(blake2b(str(value).encode(), digest_size=_WORD_BYTES).digest(), "little")


def _short(number: bytes) -> bytes:
    """Short numbers as they are. Long ones are hashed, to save memory."""
    return number if len(number) <= LONGEST_NUMBER else blake2b(number).hexdigest()[:LONGEST_NUMBER].encode()


def keys_of_columns(numbers: pa.Array, rest: pa.Array) -> pa.Array:
    """A hash of each number, eight bytes at a time, and of the hash of the rest of its identity.

    Zeros after the end of a number change nothing, so the key does not depend on the longest number beside it.
    """
    if not len(numbers):
        return _NO_KEYS
    count = -(-pc.max(pc.binary_length(numbers)).as_py() // _WORD_BYTES)
    padded = pc.ascii_rpad(pc.cast(numbers, pa.string()), count * _WORD_BYTES, "\0")
    words = pa.Array.from_buffers(KEY, len(numbers) * count, [None, padded.buffers()[2]])
    rows = pa.FixedSizeListArray.from_arrays(words, count)
    keys, first = rest, _FACTORS[0]
    for at in range(count):
        keys = pc.add(keys, _mixed(pc.multiply(pc.list_element(rows, at), first)))
        first = pc.multiply(first, _FACTORS[2])
    return _mixed(_mixed(keys))


def _mixed(values: pa.Array) -> pa.Array:
    """Spreads each bit over all. Zero stays zero."""
    return pc.multiply(pc.bit_wise_xor(values, pc.shift_right(values, _HALF)), _FACTORS[1])
