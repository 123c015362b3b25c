"""The names of months, in the languages of the headers. Case, accents and a point behind the name do not count."""

import unicodedata

NAMES = {
    "English": "january jan, february feb, march mar, april apr, may, june jun, july jul, august aug, "
    "september sept sep, october oct, november nov, december dec",
    "German": "januar jänner jan, februar feber feb, märz maerz mär mrz, april apr, mai, juni jun, juli jul, "
    "august aug, september sept sep, oktober okt, november nov, dezember dez",
    "French": "janvier janv jan, février févr fév, mars mar, avril avr, mai, juin, juillet juil, août aoû, "
    "septembre sept sep, octobre oct, novembre nov, décembre déc",
    "Spanish": "enero ene, febrero feb, marzo mar, abril abr, mayo may, junio jun, julio jul, agosto ago, "
    "septiembre setiembre sept sep set, octubre oct, noviembre nov, diciembre dic",
    "Italian": "gennaio genn gen, febbraio febbr feb, marzo mar, aprile apr, maggio magg mag, giugno giu, "
    "luglio lug, agosto ago, settembre sett set, ottobre ott, novembre nov, dicembre dic",
    "Dutch": "januari jan, februari feb, maart mrt, april apr, mei, juni jun, juli jul, augustus aug, "
    "september sept sep, oktober okt, november nov, december dec",
    "Polish": "styczeń stycznia sty, luty lutego lut, marzec marca mar, kwiecień kwietnia kwi, maj maja, "
    "czerwiec czerwca cze, lipiec lipca lip, sierpień sierpnia sie, wrzesień września wrz, "
    "październik października paź, listopad listopada lis, grudzień grudnia gru",
    "Portuguese": "janeiro jan, fevereiro fev, março mar, abril abr, maio mai, junho jun, julho jul, agosto ago, "
    "setembro set, outubro out, novembro nov, dezembro dez",
    "Swedish": "januari jan, februari feb, mars mar, april apr, maj, juni jun, juli jul, augusti aug, "
    "september sept sep, oktober okt, november nov, december dec",
}

_OTHER_MONTHS = {"lip": 6, "lis": 10, "listopad": 10, "listopada": 10}
"""In Croatian: June and October. The same names are July and November in Polish."""


def folded(name: str) -> str:
    """The part of a name that counts."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(each))
    return plain.rstrip(".")


def _meanings() -> dict[str, set[int]]:
    meanings: dict[str, set[int]] = {}
    for names in NAMES.values():
        for month, spellings in enumerate(names.split(","), 1):
            for name in spellings.split():
                meanings.setdefault(folded(name), set()).add(month)
    for name, month in _OTHER_MONTHS.items():
        meanings[name].add(month)
    return meanings


_MEANINGS = _meanings()
MONTHS = {name: min(months) for name, months in _MEANINGS.items() if len(months) == 1}
"""Folded name -> month."""
UNCLEAR_MONTHS = frozenset(_MEANINGS.keys() - MONTHS.keys())
"""Folded names of two months. No file proves its language."""
