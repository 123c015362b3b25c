"""A glued batch is sent as the same bytes as its documents one by one."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference, message

from mailroom.invoices.imports.glued_batch import GluedBatch

# The message begins with its size and the number of the request, which the driver counts up.
_SIZE, _REQUEST = slice(0, 4), slice(4, 8)


def message_with(documents: list[Any]) -> tuple[int, bytes]:
    """The size that the driver reports for an insert, and its bytes without the request's number."""
    command = {"insert": "invoices", "ordered": False, "writeConcern": {"w": "majority"}, "documents": documents}
    _, sent, size, _ = message._op_msg(0, command, "mailroom", ReadPreference.PRIMARY, DEFAULT_CODEC_OPTIONS)
    assert int.from_bytes(sent[_SIZE], "little") == len(sent)
    return size, sent[: _REQUEST.start] + sent[_REQUEST.stop :]


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_the_message_is_that_of_single_documents(count: int):
    documents = [{"_id": number, "text": "x" * (number % 7)} for number in range(count)]
    encoded = [bson.encode(each) for each in documents]

    glued = message_with([GluedBatch(b"".join(encoded))])

    assert glued == message_with([RawBSONDocument(each) for each in encoded])
    assert glued == message_with(documents)
