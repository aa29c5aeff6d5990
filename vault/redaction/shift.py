"""Dates moved by a subject's secret number of days: intervals stay, the form stays, the day does not.

The number comes from a secret of the subject (`day_offset`), so that it dies with the subject's keys. There is no way
back from a shifted date and none is needed: `reveal` shows what stands behind tokens. Shifting what is shifted moves it
again, so stored text is never shifted a second time.

"03/04/2023" is read month first, as in the United States, unless the first number is over 12 or the marks are dots.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

MOST_DAYS: Final = 365
_LONGEST: Final = 64  # characters of a date
_ANY_YEAR: Final = 2001  # for a day and a month alone
_LEAP_YEAR: Final = 2000  # for the 29th of February alone
_MONTHS_A_YEAR: Final = 12

_MONTHS: Final = tuple(  # the form of a name is kept, so each language and each length is a row of its own
    row.split()
    for row in (
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Jan Feb Mar Apr May June July Aug Sept Oct Nov Dec",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    )
)
_DAYS: Final = tuple(
    row.split()
    for row in ("Monday Tuesday Wednesday Thursday Friday Saturday Sunday", "Mon Tue Wed Thu Fri Sat Sun")
)
_MONTH_OF: Final = {
    name.casefold(): (row, month) for row in reversed(_MONTHS) for month, name in enumerate(row, start=1)
}
_DAY_OF: Final = {name.casefold(): row for row in _DAYS for name in row}

_CLOCK: Final = (
    r"(?P<clock>(?:T|,? at |, | )\d{1,2}(?:(?::\d\d){1,2}(?:\.\d{1,9})?(?: ?[AaPp]\.?[Mm]\.?)?| ?[AaPp]\.?[Mm]\.?)"
    r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?)?"
)
_WEEKDAY: Final = r"(?:(?P<weekday>(?i:mon|tue|wed|thu|fri|sat|sun)[A-Za-z]{0,6})(?P<comma>\.?,? ))?"
_SUFFIX: Final = r"(?P<suffix>st|nd|rd|th|ST|ND|RD|TH|\.|º)?"
_NAME: Final = r"(?P<month>[^\W\d_]{3,10})"
_WORDED_YEAR: Final = r"(?P<year>\d{4}|['\u2019]\d\d)"
_FORMS: Final = tuple(
    re.compile(form + _CLOCK)
    for form in (
        _WEEKDAY + r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})",
        _WEEKDAY + r"(?P<first>\d{1,2})(?P<sep>[-/. ])(?P<second>\d{1,2})(?P=sep)(?P<year>\d{4}|\d\d)",
        r"(?P<year>(?:18|19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)",
        _WEEKDAY + _NAME + r"\.? (?:the )?(?P<day>\d{1,2})" + _SUFFIX + r"(?:(?:,? of |, ?| )" + _WORDED_YEAR + ")?",
        _WEEKDAY + r"(?:the )?(?P<day>\d{1,2})" + _SUFFIX + r"(?: of | de | |-)" + _NAME
        + r"\.?(?:(?:,? of | de | del |, ?| |-)" + _WORDED_YEAR + ")?",
    )
)  # fmt: skip


def day_offset(secret: bytes) -> int:
    """A subject's number of days, from at least eight secret bytes of its own: within a year either way, never 0."""
    if len(secret) < 8:
        raise ValueError("at least eight secret bytes are needed")
    steps = int.from_bytes(secret[:8], "big") % (2 * MOST_DAYS)
    return steps - MOST_DAYS if steps < MOST_DAYS else steps - MOST_DAYS + 1


def shift_date(original: str, days: int) -> str | None:
    """The date moved by `days` in the form it was written in; None for anything but one date with day and month."""
    text = " ".join(unicodedata.normalize("NFKC", original).split())
    if not text or len(text) > _LONGEST:
        return None
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            moved = _moved(match, days)
            if moved is not None:
                return moved
    return None


def _moved(match: re.Match[str], days: int) -> str | None:
    """The matched text with its day, month, year and weekday those of the moved date; None where it is no date."""
    found = match.groupdict()
    month_key, day_key = _order(found)
    named = _MONTH_OF.get(found[month_key].casefold())
    week = _DAY_OF.get((found.get("weekday") or "monday").casefold())
    if week is None or (named is None and not found[month_key].isdecimal()):
        return None
    month, day = named[1] if named else int(found[month_key]), int(found[day_key])
    try:
        old = date(_year(found["year"], month, day), month, day)
        new = old + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    if found["year"] is None and (new.month, new.day) == (month, day):
        return None  # a whole year further it is the same day
    padded = _padded(found[month_key], found[day_key])
    fresh = {
        day_key: f"{new.day:02}" if padded else str(new.day),
        month_key: _cased(found[month_key], named[0][new.month - 1])
        if named
        else (f"{new.month:02}" if padded else str(new.month)),
        "year": _written_year(found["year"] or "", new.year),
        "weekday": _cased(found.get("weekday") or "", week[new.weekday()]),
        "suffix": _ordinal(found.get("suffix") or "", new.day),
    }
    return _assembled(match, fresh)


def _order(found: Mapping[str, str | None]) -> tuple[str, str]:
    """The groups that hold the month and the day."""
    if "first" not in found:
        return "month", "day"
    day_first = found["sep"] == "." or int(found["first"] or 0) > _MONTHS_A_YEAR
    return ("second", "first") if day_first else ("first", "second")


def _year(written: str | None, month: int, day: int) -> int:
    if written is None:
        return _LEAP_YEAR if (month, day) == (2, 29) else _ANY_YEAR
    if len(written) == 4:
        return int(written)
    short = int(written[-2:])
    return short + (2000 if short < 70 else 1900)


def _written_year(written: str, year: int) -> str:
    """In four digits, or in two behind the apostrophe that was there."""
    return f"{year:04}" if len(written) == 4 else f"{written[:-2]}{year % 100:02}"


def _padded(month: str, day: str) -> bool:
    """Whether numbers under ten are written with a zero: as there is one, or as nothing shows that there is none."""
    if not month.isdecimal():
        return day.startswith("0")
    return len(month) == len(day) == 2


def _cased(like: str, name: str) -> str:
    if like.isupper() and len(like) > 1:
        return name.upper()
    return name[:1].upper() + name[1:] if like[:1].isupper() else name.lower()


def _ordinal(suffix: str, day: int) -> str:
    if suffix.lower() not in ("st", "nd", "rd", "th"):
        return suffix
    word = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return word.upper() if suffix.isupper() else word


def _assembled(match: re.Match[str], fresh: Mapping[str, str]) -> str:
    """The matched text with some of its groups replaced."""
    places = sorted(
        (match.span(key), text) for key, text in fresh.items() if match.groupdict().get(key) is not None
    )
    pieces, position = [], 0
    for (start, end), text in places:
        pieces += [match.string[position:start], text]
        position = end
    return "".join([*pieces, match.string[position:]])
