"""Finds words that show that a file is not in cp1252, although it can be read so.

Every byte is a character in the encodings of Central and Eastern Europe, Turkey, the Macintosh and DOS too. Read as
cp1252, `Łódź` becomes `£ódŸ`, and nothing fails. Such words mix the letters of several languages, or have capitals and
signs in their middle.
"""

import re

_ALPHABETS = {
    "Danish, Norwegian": "æøåäéèêóòôü",
    "Dutch": "áéëèêíïóöúü",
    "Finnish, Swedish": "äöåéüšž",
    "French": "àâæçéèêëîïôœùûüÿ",
    "German": "äöüßéèà",
    "Icelandic": "áðéíóúýþæö",
    "Italian": "àèéìíîòóù",
    "Portuguese": "áâãàçéêíóôõúü",
    "Spanish, Catalan": "áéíóúüñàèòïç",
}
_LETTER = r"[^\W\d_ªº²³¹¼½¾]"
_WORD = re.compile(rf"{_LETTER}+")
# Not apostrophes, dashes, middle dots, ellipses and soft hyphens, which may stand between letters.
_SIGN = rf"(?!{_LETTER})[^\x00-\x7f\u2019\u2018\xb4\u2013\u2014\xb7\u2026\xad\xa0]"
_SIGN_IN_WORD = re.compile(rf"(?<={_LETTER})(?:{_SIGN})+(?={_LETTER})|(?:{_SIGN}){{4}}|[£¥²³¹](?={_LETTER})")
_NO_LANGUAGE_SPELLS = re.compile(
    "ñ(?![aeiouáéíóúü])|œ(?![a-zèéêï])|õ(?!e)|ã[^\\Woeis]|^ð|þ$|[^\\W_]Ÿ|Ÿ[^\\W_]", re.IGNORECASE
)
_ONLY_ICELANDIC = re.compile("[ðþý]", re.IGNORECASE)
_ALSO_ICELANDIC = re.compile("[áíóú]", re.IGNORECASE)


def misread_word(text: str) -> str:
    """The first word of `text` that no Western European language spells so. Empty if there is none."""
    icelandic = bool(_ALSO_ICELANDIC.search(text))
    for part in text.split():
        if part.isascii():
            continue
        if _SIGN_IN_WORD.search(part):
            return part
        for word in _WORD.findall(part):
            if not (word.isascii() or _is_spelt(word, icelandic=icelandic)):
                return str(word)
    return ""


def _is_spelt(word: str, *, icelandic: bool) -> bool:
    """The capitals stand where capitals do, and one language has all the letters."""
    for before, letter, after in zip(word, word[1:], [*word[2:], "A"], strict=False):
        if letter.isupper() and not letter.isascii() and (before.islower() or after.islower()):
            return False
    if _NO_LANGUAGE_SPELLS.search(word) or (_ONLY_ICELANDIC.search(word) and not icelandic):
        return False
    letters = {letter for letter in word.lower() if not letter.isascii()}
    return any(letters.issubset(alphabet) for alphabet in _ALPHABETS.values())
