"""Bare years and decades: four figures that no word before or unit after makes an amount or a number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

# Words before and after four figures that make them anything but a year.
_NO_YEAR_BEFORE: Final = (
    "room|rm|apt|apartment|suite|ste|unit|box|no|number|num|nr|page|pages|pp|flat|model|version|order"
    "|invoice|error|code|port"
    "|ext|extension|id|building|pin|cvv|ending|last four|digits|gate|flight|bus|line|lot|plot|article"
    "|section|paragraph|law"
    "|rule|form|highway|route|interstate|about|approximately|approx|over|under|up to|than|only|weighs?"
    "|total|least|most|almost"
    "|nearly|cost|costs|paid|usd|eur|gbp|rs|inr|count|size|id|#"
)
_NO_YEAR_AFTER: Final = (
    "ms|ns|mgs?|mcg|ml|g|kg|km|m|mm|cm|ft|feet|foot|miles?|mi|people|units?|iu|kcal|calories|steps"
    "|words|hours?|hrs?|minutes?|mins?"
    "|seconds?|rpm|usd|eur|gbp|dollars|euros|pounds|rupees|points?|votes|employees|patients|cases|mah"
    "|mb|gb|tb|kb|hp|bytes"
    "|lines|times|met(?:er|re)s?|copies|square|sq|students|seats|tons?|tonnes|w|watts|v|volts|hz|mhz"
    "|ghz|members|followers"
    "|users|items|pieces|pages|tokens|rows|records|requests|dpi|psi|k|lbs?|days|weeks|months|years"
    "|children|participants"
    "|soldiers|residents|inhabitants|cells|ng|pg|cc|percent|degrees"
)
_AFTER_TIME: Final = re.compile(
    r"(?:\b(?:in|since|until|till|by|of|from|during|before|after|around|circa|between|year|class|spring"
    r"|early|late|mid)"
    r"(?: the)?(?: years?)?|[(])[ -]?$",
    re.IGNORECASE,
)
_NO_YEAR: Final = re.compile(rf"\b(?:{_NO_YEAR_BEFORE})[\s.:#]{{1,3}}$", re.IGNORECASE)
_BARE_YEAR: Final = re.compile(
    r"(?:1[6-9]\d\d|20\d\d)(?:(?:-|/| ?- ?)(?:(?:19|20)\d\d|\d\d)(?![\w/-]))?(?:'?s\b)?"
    rf"(?![\w%$\u20ac]|[.,:]\d|[-/]\w|\s?(?:{_NO_YEAR_AFTER})\b)",
    re.IGNORECASE,
)
_BEFORE_YEAR: Final = frozenset("$\u20ac\xa3\u20b9#./:+@=-_")
_LOOK_BACK: Final = 24


class YearRecogniser:
    """Bare years and decades: four figures that no word before or unit after makes an amount or a number."""

    name = "rules.year"
    entities = frozenset(("DATE_TIME",))
    digits = 4

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold

    def find(self, view: View) -> Iterable[Finding]:
        text = view.text
        found = []
        for match in _BARE_YEAR.finditer(text):
            start = match.start()
            if start and (text[start - 1].isalnum() or text[start - 1] in _BEFORE_YEAR):
                continue
            before = text[max(0, start - _LOOK_BACK) : start]
            told = _AFTER_TIME.search(before) is not None
            year = int(text[start : start + 4])
            if not told and (not 1900 <= year < 2050 or _NO_YEAR.search(before)):
                continue
            score = 0.5 if told else 0.41
            if score >= self._threshold:
                found.append(Finding("DATE_TIME", start, match.end(), score, self.name))
        return found
