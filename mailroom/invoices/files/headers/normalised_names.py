"""The part of a name that counts: no case, accents, spaces and punctuation."""

import re
import unicodedata

from mailroom.platform.normalization import normalize

_ACCENTS = re.compile("[\u0300-\u036f]+")
_SPELLED = str.maketrans({"ł": "l", "ø": "o", "%": " percent "})
"""What no decomposition turns into plain letters. Without its `%`, the name of a rate is that of an amount."""


def normalised(name: str) -> str:
    """The part of a header name that counts."""
    letters = normalize("NFKC", name.casefold().translate(_SPELLED))
    plain = _ACCENTS.sub("", "".join(unicodedata.normalize("NFKD", each) for each in letters))
    return re.sub(r"[\W_]+", "", normalize("NFKC", plain))
