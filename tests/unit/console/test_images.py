"""Images within the HTML of a mail."""

from __future__ import annotations

from mailroom.console.images import MOST_BYTES, with_images

ATTACHED = [{"contentId": "logo", "contentType": "image/png"}]


def test_an_image_is_read_once_however_often_it_is_shown() -> None:
    read: list[int] = []

    def content(number: int) -> bytes:
        read.append(number)
        return b"PNG"

    html = with_images('<img src="cid:logo"><div style="background: url(CID:logo)">', ATTACHED, content)
    assert html == ('<img src="data:image/png;base64,UE5H"><div style="background: url(data:image/png;base64,UE5H)">')
    assert read == [0]


def test_a_large_image_that_is_shown_again_and_again_stays_within_bounds() -> None:
    html = with_images('<img src="cid:logo">' * 10_000, ATTACHED, lambda number: bytes(1 << 20))
    assert len(html) < MOST_BYTES + 10_000 * 21
    assert html.endswith('<img src="cid:logo">')
