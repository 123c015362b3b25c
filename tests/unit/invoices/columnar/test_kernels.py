"""Arrow's private registry of functions: it saves time when Arrow is loaded, and gives what the public module gives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mailroom.invoices.columnar import kernels

ROOT = Path(__file__).resolve().parents[4]

INTEGERS, OTHERS = pa.array([-5, 0, 7, 7]), pa.array([7, 1, 2, 7])
FLAGS, FLOATS = pa.array([True, False, True, True]), pa.array([1.5, -2.0, 0.25, 3.0])
TEXTS, BYTES = pa.array(["a1", "b", "a,b", ""]), pa.array([b"a", b"", b"bc", b"a"])
LISTS = pa.array([["a", "b"], ["c"]])

READ = """
import sys
from datetime import UTC, datetime
from bson import ObjectId
from mailroom.invoices.columnar import Stamp, read_batches
from mailroom.invoices.files import Rules, detect
from samples.generate import HEADER, rows
content = (HEADER + "".join(rows(100))).encode()
dialect = detect(content, Rules(), complete=True)
stamp = Stamp(ObjectId(), "0" * 16, datetime.now(UTC))
batches = read_batches(
    [content], dialect, Rules(), offset=0, row=0, most_rows=100, most_bytes=1 << 20, stamp=lambda: stamp
)
print(*(len(batch.encoded) for batch in batches))
print("pyarrow" in sys.modules, "pyarrow.compute" in sys.modules)
"""


def test_arrow_is_loaded_without_its_slow_public_module() -> None:
    done = subprocess.run((sys.executable, "-c", READ), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["100", "True", "False"]


@pytest.mark.parametrize(
    ("ours", "public"),
    [
        (kernels.absolute(INTEGERS), pc.abs(INTEGERS)),
        (kernels.add(INTEGERS, 1), pc.add(INTEGERS, 1)),
        (kernels.and_(FLAGS, FLAGS), pc.and_(FLAGS, FLAGS)),
        (kernels.any_(FLAGS), pc.any(FLAGS)),
        (kernels.binary_join(LISTS, ","), pc.binary_join(LISTS, ",")),
        (kernels.binary_join_element_wise(BYTES, BYTES, b""), pc.binary_join_element_wise(BYTES, BYTES, b"")),
        (kernels.binary_length(BYTES), pc.binary_length(BYTES)),
        (kernels.bit_wise_and(OTHERS, 3), pc.bit_wise_and(OTHERS, 3)),
        (kernels.cast(INTEGERS, pa.int32()), pc.cast(INTEGERS, pa.int32())),
        (kernels.cumulative_sum(INTEGERS, 3), pc.cumulative_sum(INTEGERS, 3)),
        (kernels.dictionary_encode(INTEGERS), pc.dictionary_encode(INTEGERS)),
        (kernels.filter_(INTEGERS, FLAGS), pc.filter(INTEGERS, FLAGS)),
        (kernels.invert(FLAGS), pc.invert(FLAGS)),
        (kernels.is_in(INTEGERS, OTHERS), pc.is_in(INTEGERS, OTHERS)),
        (kernels.less(INTEGERS, 0), pc.less(INTEGERS, 0)),
        (kernels.less_equal(INTEGERS, 0), pc.less_equal(INTEGERS, 0)),
        (kernels.match_substring_regex(TEXTS, "^a"), pc.match_substring_regex(TEXTS, "^a")),
        (kernels.maximum(INTEGERS), pc.max(INTEGERS)),
        (kernels.multiply(FLOATS, 100.0), pc.multiply(FLOATS, 100.0)),
        (kernels.not_equal(INTEGERS, 7), pc.not_equal(INTEGERS, 7)),
        (kernels.round_(FLOATS), pc.round(FLOATS)),
        (kernels.shift_right(OTHERS, 1), pc.shift_right(OTHERS, 1)),
        (kernels.split_pattern(TEXTS, ","), pc.split_pattern(TEXTS, ",")),
        (kernels.subtract(INTEGERS, OTHERS), pc.subtract(INTEGERS, OTHERS)),
        (kernels.take(TEXTS, pa.array([2, 0])), pc.take(TEXTS, pa.array([2, 0]))),
    ],
)
def test_a_function_gives_what_the_public_one_gives(ours: Any, public: Any) -> None:
    assert ours.equals(public)
