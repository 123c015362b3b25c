"""The functions of Arrow that are used here, by their names in its registry.

This reaches into a private module, `pyarrow._compute`. The public `pyarrow.compute`, which the methods of arrays load
too, makes a documented Python function of each of some three hundred when it is loaded. Without it a process spends
0.10 s of processor time instead of 0.16 s to load Arrow, before its first large file (medians of 20 starts each,
alternating, pyarrow 26.0.1), and 3 MB less. requirements.lock pins pyarrow.
tests/unit/invoices/columnar/test_kernels.py fails when a version has no such module, or loads the public one all the
same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import _compute


def _kernel(name: str) -> Callable[..., Any]:
    call = _compute.function_registry().get_function(name).call
    return lambda *arguments: call(arguments)


absolute = _kernel("abs")
add = _kernel("add")
and_ = _kernel("and")
any_ = _kernel("any")
binary_join = _kernel("binary_join")
binary_join_element_wise = _kernel("binary_join_element_wise")
binary_length = _kernel("binary_length")
bit_wise_and = _kernel("bit_wise_and")
dictionary_encode = _kernel("dictionary_encode")
filter_ = _kernel("filter")
invert = _kernel("invert")
less = _kernel("less")
less_equal = _kernel("less_equal")
maximum = _kernel("max")
multiply = _kernel("multiply")
not_equal = _kernel("not_equal")
round_ = _kernel("round")
shift_right = _kernel("shift_right")
subtract = _kernel("subtract")
take = _kernel("take")


def cast(values: pa.Array, type_: pa.DataType) -> pa.Array:
    return _compute.call_function("cast", [values], _compute.CastOptions.safe(type_))


def cumulative_sum(values: pa.Array, start: int) -> pa.Array:
    return _compute.call_function("cumulative_sum", [values], _compute.CumulativeOptions(start))


def is_in(values: pa.Array, among: pa.Array) -> pa.Array:
    return _compute.call_function("is_in", [values], _compute.SetLookupOptions(among, skip_nulls=False))


def match_substring_regex(texts: pa.Array, pattern: str) -> pa.Array:
    return _compute.call_function("match_substring_regex", [texts], _compute.MatchSubstringOptions(pattern))


def split_pattern(texts: pa.Array, pattern: str) -> pa.Array:
    return _compute.call_function("split_pattern", [texts], _compute.SplitPatternOptions(pattern))
