"""Less exact values: a date becomes its year, an age over 89 "90+", a ZIP code its first three digits.

A value that is exact no more (an age up to 89, a year, a time of day) stays as it is. Whatever is not read with
certainty has no general form: None, and the caller writes a marker. Doing it twice changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Final

LONGEST: Final = 120  # characters of a value worth reading; longer ones are no date and no age

# Three-digit areas of at most 20,000 people, which read 000 (45 CFR 164.514(b)(2)(i)(B); census of 2000).
_SMALL_AREAS: Final = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
_SMALL_ZIP3: Final = frozenset(_SMALL_AREAS.split())
_OLDEST: Final = 89  # 45 CFR 164.514(b)(2)(i)(C): ages over 89 are one category
_OVER: Final = "90+"
_MOST_AGED: Final = 110

_YEAR: Final = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?=(?:0[1-9]|1[0-2])[0-3]\d(?!\d)|(?!\d))")
_YEAR_LAST: Final = re.compile(r"(?<!\d)[0-3]\d[0-3]\d((?:19|20)\d\d)(?!\d)")  # 05062023, 06052023
_ONLY_YEARS: Final = re.compile(
    r"(?:1[89]|20)\d\d(?: ?(?:-|\u2013|/|to|and|or|until|through) ?(?:(?:1[89]|20)\d\d|\d\d))?"
)
_SHORT_YEAR: Final = re.compile(
    r"(?<!\d)\d{1,2}(?P<sep>[-/. ])\d{1,2}(?P=sep)(?P<numeric>\d\d)(?!\d)|(?<!\w)['\u2019](?P<quoted>\d\d)(?!\w)"
)
_TIME: Final = re.compile(r"\d{1,2}(?::\d\d){1,2} ?(?:[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?", re.IGNORECASE)
_ZIP: Final = re.compile(r"(?P<area>\d{3})(?:\d{2}(?:[- ]?\d{4})?|\*\*)")


def _words(text: str) -> list[str]:
    return text.split()


_UNITS: Final = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_NUMBERS: Final = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: 20 + 10 * value for value, word in enumerate(_TENS)},
}
_PART: Final = re.compile(r"\d+|[^\W\d_]+")

# Words that may stand in an age: units with how many of them make a year, decades, and what joins them.
_PER_YEAR: Final = {
    **dict.fromkeys(_words("year years yr yrs y yo"), 1),
    **dict.fromkeys(_words("month months mo mos"), 12),
    **dict.fromkeys(_words("week weeks wk wks"), 52),
    **dict.fromkeys(_words("day days"), 365),
    **dict.fromkeys(_words("hour hours hr hrs"), 8766),
}
_FILLERS: Final = frozenset(
    _words(
        "a about age aged ages almost an and around at between female f half he her his in is just m male man nearly "
        "now o of old or over s she the their they to turned turning under was woman"
    )
)
_LATE: Final = _words("sexagenarian septuagenarian octogenarian nonagenarian centenarian supercentenarian")
_DECADES: Final = {
    **{f"{word[:-1]}ies": 20 + 10 * value for value, word in enumerate(_TENS)},
    **{word: 60 + 10 * value for value, word in enumerate(_LATE)},
    "teens": 13,
    "teenager": 13,
    "hundred": 100,
}


def general(entity: str, original: str, today: date) -> str | None:
    """The general form of a value of a class; None for a class without one, or where the value is not understood."""
    form = _FORMS.get(entity)
    plain = " ".join(unicodedata.normalize("NFKC", original).split())
    if form is None or not plain or len(plain) > LONGEST:
        return None
    found = form(plain, today)
    return original if found == plain else found


def _date(plain: str, today: date) -> str | None:
    """The year, but for one that may be of the birth of somebody over 89: nothing says whose date it is."""
    if _TIME.fullmatch(plain):
        return plain
    found = plain if _ONLY_YEARS.fullmatch(plain) else _year(plain, today)
    if found is None or any(today.year - int(year) > _OLDEST for year in _YEAR.findall(found)):
        return None
    return found


def _year(plain: str, today: date) -> str | None:
    year, short = _written(plain), _short(plain)
    if year is None and short is not None:
        # the century that puts the year within the last eighty or the next twenty years, as most readers do
        year = today.year - today.year % 100 + short
        year += 100 if year < today.year - 79 else -100 if year > today.year + 20 else 0
    return None if year is None else str(year)


def _written(plain: str) -> int | None:
    """The one year that is written out, in four digits or in words."""
    years = {*_YEAR.findall(plain), *_YEAR_LAST.findall(plain)}
    if years:
        return int(years.pop()) if len(years) == 1 else None
    return _worded_year(plain)


def _short(plain: str) -> int | None:
    """The one year of two digits: the third number of a date, or behind an apostrophe."""
    if _YEAR.search(plain):
        return None
    short = [match["numeric"] or match["quoted"] for match in _SHORT_YEAR.finditer(plain)]
    return int(short[0]) if len(short) == 1 else None


def _worded_year(plain: str) -> int | None:
    """A year in words at the end of a date: "nineteen eighty-four", "two thousand and three", "twenty twenty-one"."""
    words = [part for part in _PART.findall(plain.casefold()) if part != "and"]
    for size in range(4, 1, -1):
        year = _read_year(words[-size:]) if len(words) >= size else None
        if year is not None:
            return year
    return None


def _read_year(words: list[str]) -> int | None:
    if words[:2] == ["two", "thousand"]:
        rest = _below_hundred(words[2:])
        return None if rest is None else 2000 + rest
    century = _NUMBERS.get(words[0])
    rest = _below_hundred(words[1:])
    if century not in (18, 19, 20) or rest is None or rest < 10:
        return None
    return century * 100 + rest


def _below_hundred(words: list[str]) -> int | None:
    """0 for no words at all; None for words that are no number under a hundred."""
    values = [_NUMBERS.get(word) for word in words]
    match values:
        case []:
            return 0
        case [int(value)]:
            return value
        case [int(tens), int(unit)] if tens >= 20 and 0 < unit < 10:
            return tens + unit
    return None


def _birth_year(plain: str, today: date) -> str | None:
    """A birth date's year, never in the future; "90+" where it gives away an age over 89."""
    if plain == _OVER:
        return plain
    born, short = _written(plain), _short(plain)
    if born is None and short is not None:
        this, before = today.year - today.year % 100 + short, today.year - today.year % 100 + short - 100
        if this <= today.year and today.year - before <= _MOST_AGED:
            return None  # a child or somebody very old
        born = this if this <= today.year else before
    if born is None:
        return None
    return _OVER if today.year - born > _OLDEST else str(born)


def _age(plain: str, today: date) -> str | None:
    """An age up to 89 as it is; None where a part of the text is not known to belong to an age."""
    if plain == _OVER:
        return plain
    parts = _PART.findall(plain.casefold())
    values, units = [], []
    for part in parts:
        number = int(part) if part.isdecimal() and len(part) <= 3 else _NUMBERS.get(part, _DECADES.get(part))
        if number is not None:
            values.append(number)
        elif part in _PER_YEAR:
            units.append(_PER_YEAR[part])
        elif part not in _FILLERS:
            return None
    if not values:
        return None
    years = max(values) / min(units, default=1)
    return _OVER if years > _OLDEST else plain


def _zip3(plain: str, today: date) -> str | None:
    if plain == "000":
        return plain
    found = _ZIP.fullmatch(plain)
    if found is None:
        return None
    return "000" if found["area"] in _SMALL_ZIP3 else found["area"] + "**"


_FORMS: Final[dict[str, Callable[[str, date], str | None]]] = {
    "AGE": _age,
    "DATE_OF_BIRTH": _birth_year,
    "DATE_TIME": _date,
    "ZIP_CODE": _zip3,
}
