"""Cutting content into blocks of whole lines."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.columnar.blocks import Blocks

lengths = st.one_of(st.integers(0, 5), st.integers(0, 300), st.just(5000))


def chunks_of(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


@given(st.lists(lengths, max_size=200), st.booleans(), st.integers(1, 70), st.integers(1, 4000), st.integers(1, 3000))
def test_blocks_are_whole_lines_and_all_of_the_content(
    sizes: list[int], ended: bool, lines: int, most_bytes: int, chunk: int
) -> None:
    content = b"\n".join(b"x" * size for size in sizes) + b"\n" * ended
    blocks = Blocks(chunks_of(content, chunk), 0)
    read = b""
    while block := blocks.peek(lines, most_bytes):
        first = content.find(b"\n", len(read))
        if 0 <= first < len(read) + most_bytes:  # otherwise it is a line that is cut off
            assert block.count(b"\n") <= lines
            assert len(block) <= most_bytes
            assert block.endswith(b"\n") or len(read) + len(block) == len(content)
        read += block
        blocks.take(len(read))
    assert read == content


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 70), st.integers(1, 3000))
def test_a_block_has_as_many_lines_as_were_asked_for(sizes: list[int], lines: int, chunk: int) -> None:
    content = b"".join(b"x" * size + b"\n" for size in sizes)
    blocks, left = Blocks(chunks_of(content, chunk), 0), len(sizes)
    while block := blocks.peek(lines, 1 << 20):
        assert block.count(b"\n") == min(lines, left)
        left -= lines
        blocks.take(blocks.offset + len(block))
    assert left <= 0


@given(st.lists(lengths, max_size=200), st.integers(1, 70), st.integers(1, 3000), st.integers(1, 3000))
def test_a_block_is_the_same_when_reading_begins_with_it(sizes: list[int], lines: int, chunk: int, other: int) -> None:
    content = b"".join(b"x" * size + b"\n" for size in sizes)
    blocks, at = Blocks(chunks_of(content, chunk), 0), 0
    while block := blocks.peek(lines, 20_000):
        assert Blocks(chunks_of(content[at:], other), at).peek(lines, 20_000) == block
        at += len(block)
        blocks.take(at)
