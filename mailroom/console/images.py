"""Images that a message shows by `cid:`, written into its HTML."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# A mail that shows one image again and again must not fill the memory.
MOST_BYTES = 12 << 20

_ADDRESS = re.compile(r"""(?<=[\s"'(=])cid:([\w.+@-]+)(?=["')\s>])""", re.IGNORECASE | re.ASCII)


def with_images(html: str, attachments: Sequence[Mapping[str, Any]], content: Callable[[int], bytes]) -> str:
    """The HTML with `data:` in place of the `cid:` of each image, up to `MOST_BYTES` in all.

    `attachments` are those of the API's answer, and `content` reads one by its number. It may raise `ApiError`.
    """
    places = {each["contentId"]: number for number, each in enumerate(attachments) if each["contentId"]}
    addresses: dict[str, str] = {}
    left = MOST_BYTES

    def address(found: re.Match[str]) -> str:
        nonlocal left
        name = found[1]
        if name in places and name not in addresses:
            number = places[name]
            encoded = b64encode(content(number)).decode()
            addresses[name] = f"data:{attachments[number]['contentType']};base64,{encoded}"
        shown = addresses.get(name, "")
        if not shown or len(shown) > left:
            return found[0]
        left -= len(shown)
        return shown

    return _ADDRESS.sub(address, html)
