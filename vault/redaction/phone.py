"""Telephone numbers as Presidio's PhoneRecognizer finds them (libphonenumber, eight regions), far cheaper.

Candidates are digit groups found in one pass. A national number is tried against each region's metadata,
prefix stripped or not; an international one is parsed by the library itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from vault.redaction.context import Cues, boosted
from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

REGIONS: Final = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")  # Presidio's default regions
# Regions whose numbers are written with the trunk prefix.
_PREFIX_WRITTEN: Final = frozenset(("GB", "DE", "FR", "IL"))
SCORE: Final = 0.4  # Presidio's
INTERNATIONAL: Final = 0.6  # a number with + and a valid country code is no coincidence
CUES: Final = (
    *("phone", "telephone", "cell", "cellphone", "mobile", "call"),  # Presidio's, without "number"
    *(
        "fax",
        "tel",
        "whatsapp",
        "sms",
        "dial",
        "answering",
        "office",
        "reach",
        "ring",
        "text",
        "pager",
        "landline",
        "hotline",
        "voicemail",
        "ph",
    ),
    *(
        "telefon",
        "handy",
        "mobil",
        "telefono",
        "tel\xe9fono",
        "m\xf3vil",
        "celular",
        "telefone",
        "t\xe9l\xe9phone",
        "portable",
    ),
    *("cellulare", "telefoon", "mobiel", "gsm", "faks", "telefax"),
)

NAMED: Final = 0.42  # a cue and a grouping, but no region's form: any other class that fits wins
FEWEST_DIGITS: Final = 7
MOST_DIGITS: Final = 17  # ITU-T E.164 allows 15; national prefixes add two

# Digit groups with what libphonenumber accepts between them.
_RUN: Final = re.compile(r"[+(\[]{0,3}\d(?:[ ().\-/~\[\]+]{0,4}\d)*")
_EXTENDED: Final = r"[ ,;]{0,2}(?:ext\.?|extension|x|#)[ .:]{0,2}\d{1,6}\b"
_ENDS: Final = rf"(?:(?={_EXTENDED})|(?![\w/]|[.,:-]\d))"  # a number is not cut off in its middle
_ANY_NUMBER: Final = re.compile(
    rf"(?<![\w./:+-])(?<!\d,)(?:\+\d{{1,3}}[ .-]?)?(?:\(\d{{1,5}}\)[ .-]?)?\d{{1,6}}(?:[ ./-]\d{{2,6}}){{1,6}}{_ENDS}",
    re.IGNORECASE,
)
# Written as an international number, if none that exists: a wrong digit does not make it anything else.
_PLUS: Final = re.compile(
    rf"(?<![\w+])\+\d{{1,3}}[ .-]?(?:\(\d{{1,5}}\)[ .-]?)?\d{{2,5}}(?:[ .-]\d{{2,5}}){{1,5}}{_ENDS}",
    re.IGNORECASE,
)
_FEWEST_AFTER_PLUS: Final = 10  # with fewer it may as well be a sum that grew
_NANP: Final = re.compile(r"(?<!\d)(?:\+?1[ .-]?)?\(?[2-9]\d{2}\)?[ .-]{0,2}[2-9]\d{2}[ .-]?\d{4}(?!\d)")
_EXTENSION: Final = re.compile(_EXTENDED, re.IGNORECASE)
_DATE: Final = re.compile(r"(?:[0-3]?\d/[01]?\d|[01]?\d/[0-3]?\d)/(?:[12]\d)?\d{2}")
_PAGES: Final = re.compile(r"\d{1,5}-+\d{1,5}\s{0,4}\(\d{1,4}")  # "211-227 (2003)"
_TIMESTAMP: Final = re.compile(r"[12]\d{3}[-/]?[01]\d[-/]?[0-3]\d +[0-2]\d$")
_TIME_OF_DAY: Final = re.compile(r":[0-5]\d")
_PARTS: Final = re.compile(r"[+(\[]{0,3}\d[\d().\-~\[\]]*\d")


# Kinds of numbers in the library's metadata; a number is valid if it fits one of its region's.
_KINDS: Final = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)


class _Region:
    """What libphonenumber knows about one region's national numbers."""

    __slots__ = ("_code", "_general", "_kinds", "_prefix", "_prefix_needed", "_transform")

    def __init__(self, name: str) -> None:
        from phonenumbers import PhoneMetadata  # 20 ms and 8 MB; only text with enough digits needs it

        data: Any = PhoneMetadata.metadata_for_region(name)
        self._code = str(data.country_code)
        self._general = re.compile(data.general_desc.national_number_pattern)
        self._prefix = re.compile(data.national_prefix_for_parsing or "(?!)")
        self._transform = data.national_prefix_transform_rule
        self._prefix_needed = name in _PREFIX_WRITTEN
        self._kinds = [
            (
                frozenset(kind.possible_length or data.general_desc.possible_length),
                re.compile(kind.national_number_pattern),
            )
            for kind in (getattr(data, name) for name in _KINDS)
            if kind is not None and kind.national_number_pattern
        ]

    def valid(self, digits: str) -> bool:
        """Whether the digits are a valid number as written inside the region, or with its country code."""
        if digits.startswith(self._code) and self._national(digits[len(self._code) :]):
            return True
        prefix = self._prefix.match(digits)
        if prefix and prefix.end():
            if self._national(digits[prefix.end() :]):
                return True
            if (
                self._transform
                and prefix.lastindex
                and self._national(prefix.expand(self._transform) + digits[prefix.end() :])
            ):
                return True
        return not self._prefix_needed and self._national(digits)

    def _national(self, number: str) -> bool:
        return self._general.fullmatch(number) is not None and any(
            len(number) in lengths and pattern.fullmatch(number) for lengths, pattern in self._kinds
        )


@cache
def _regions() -> tuple[_Region, ...]:
    return tuple(_Region(name) for name in REGIONS)


class PhoneRecogniser:
    """Telephone numbers of eight regions, and international ones of all."""

    name = "contact.phone"
    entities = frozenset(("PHONE_NUMBER",))
    digits = FEWEST_DIGITS

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold
        self._cues = Cues(CUES)

    def find(self, view: View) -> Iterable[Finding]:
        cued = self._cues.possible(view)
        found: list[Finding] = []
        if self._threshold <= NAMED:
            found += self._with_plus(view)
            if cued:
                found += self._named(view)
        for start, end, international in _numbers(view):
            score = INTERNATIONAL if international else SCORE
            if cued and self._cues.near(view, start, end):
                score = boosted(score)
            if score >= self._threshold:
                found.append(Finding("PHONE_NUMBER", start, end, score, self.name))
        return found

    def _with_plus(self, view: View) -> Iterator[Finding]:
        """Numbers of no region's form that are written as international ones."""
        if "+" not in view.text:
            return
        for match in _PLUS.finditer(view.text):
            start, end = match.span()
            if _FEWEST_AFTER_PLUS <= _count(view.text, start, end) <= MOST_DIGITS and not view.claimed(
                start, end
            ):
                yield self._extended(view, start, end)

    def _extended(self, view: View, start: int, end: int) -> Finding:
        extension = _EXTENSION.match(view.text, end)
        return Finding("PHONE_NUMBER", start, extension.end() if extension else end, NAMED, self.name)

    def _named(self, view: View) -> Iterator[Finding]:
        """Numbers of no region's form that a word nearby calls a telephone number."""
        for match in _ANY_NUMBER.finditer(view.text):
            start, end = match.span()
            digits = _count(view.text, start, end)
            if not FEWEST_DIGITS <= digits <= MOST_DIGITS or view.claimed(start, end):
                continue
            if _DATE.search(match.group()) or not self._cues.near(view, start, end):
                continue
            yield self._extended(view, start, end)


def _numbers(view: View) -> Iterator[tuple[int, int, bool]]:
    """(start, end, international) of each number: a run of digit groups, or its parts where that is none."""
    for run in _RUN.finditer(view.text):
        first, last = run.span()
        digits = _count(view.text, first, last)
        if digits < FEWEST_DIGITS or view.claimed(first, last):
            continue
        whole = _verified(view.text, first, last) if digits <= MOST_DIGITS else None
        if whole is not None:
            yield whole
            continue
        for begin, end in _parts(view, first, last):
            part = _verified(view.text, begin, end)
            if part is not None:
                yield part


def _parts(view: View, first: int, last: int) -> Iterator[tuple[int, int]]:
    for pattern in (_NANP, _PARTS):
        for part in pattern.finditer(view.text, first, last):
            begin, end = part.span()
            if FEWEST_DIGITS <= _count(view.text, begin, end) <= MOST_DIGITS and not view.claimed(begin, end):
                yield begin, end


def _count(text: str, first: int, last: int) -> int:
    return sum(text.count(digit, first, last) for digit in "0123456789")


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _verified(text: str, first: int, last: int) -> tuple[int, int, bool] | None:
    """(start, end, international) of the number in `text[first:last]`, its extension included, or None."""
    candidate = text[first:last]
    if _stuck(text, first, last) or _DATE.search(candidate) or _PAGES.search(candidate):
        return None
    if _TIME_OF_DAY.match(text, last) and _TIMESTAMP.search(candidate):
        return None
    digits = _digits(candidate)
    international = "+" in candidate or digits.startswith(("00", "011"))
    if not (
        _international(candidate) if international else any(region.valid(digits) for region in _regions())
    ):
        return None
    extension = _EXTENSION.match(text, last)
    return first, extension.end() if extension else last, international


def _stuck(text: str, first: int, last: int) -> bool:
    """Whether a letter, currency or per cent sign next to the digits says they are something else."""
    before, after = text[first - 1 : first], text[last : last + 1]
    return (text[first] not in "+([" and _other(before)) or (
        _other(after) and not _EXTENSION.match(text, last)
    )


def _other(char: str) -> bool:
    return char.isalpha() or char == "%" or (char != "" and unicodedata.category(char) == "Sc")


def _international(candidate: str) -> bool:
    from phonenumbers import NumberParseException, is_valid_number, parse

    # Which region asks matters only for its dial-out prefix.
    region = "GB" if _digits(candidate).startswith("00") else "US"
    try:
        return bool(is_valid_number(parse(candidate, region)))
    except NumberParseException:
        return False
