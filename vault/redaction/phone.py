"""Telephone numbers, as Presidio's PhoneRecognizer finds them (libphonenumber, eight regions), at a tenth of its cost.

Candidates are digit groups found in one pass; a region's matcher runs only where the region's own number pattern
fits, and the first region that accepts a number ends the search for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from vault.redaction.context import Cues, boosted
from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

REGIONS: Final = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")  # Presidio's default regions
SCORE: Final = 0.4  # Presidio's
INTERNATIONAL: Final = 0.6  # a number with + and a valid country code is no coincidence
CUES: Final = ("phone", "number", "telephone", "cell", "cellphone", "mobile", "call", "fax", "tel", "whatsapp", "sms")

FEWEST_DIGITS: Final = 7
MOST_DIGITS: Final = 17  # ITU-T E.164 allows 15; national prefixes add two

# Digit groups with what libphonenumber accepts between them.
_RUN: Final = re.compile(r"[+(\[]{0,3}\d(?:[ ().\-/~\[\]+]{0,4}\d)*")
_NANP: Final = re.compile(r"(?<!\d)(?:\+?1[ .-]?)?\(?[2-9]\d{2}\)?[ .-]{0,2}[2-9]\d{2}[ .-]?\d{4}(?!\d)")
_EXTENSION: Final = re.compile(r"[ ,;]{0,2}(?:ext\.?|extension|x|#)[ .:]{0,2}\d{1,6}\b", re.IGNORECASE)
_DATE: Final = re.compile(r"(?:[0-3]?\d/[01]?\d|[01]?\d/[0-3]?\d)/(?:[12]\d)?\d{2}")
_PARTS: Final = re.compile(r"[+(\[]{0,3}\d[\d().\-~\[\]]*\d")


@dataclass(frozen=True, slots=True)
class _Region:
    code: str
    prefix: str
    prefix_needed: bool  # numbers are always written with the trunk prefix
    pattern: re.Pattern[str]

    def plausible(self, digits: str) -> bool:
        """Whether the digits can be a number of this region; never False for one that libphonenumber accepts."""
        fits = self.pattern.fullmatch
        if digits.startswith(self.code) and fits(digits[len(self.code) :]):
            return True
        if self.prefix and digits.startswith(self.prefix):
            rest = digits[len(self.prefix) :]
            if fits(rest) or fits(rest[2:]):  # Brazil writes a carrier's two digits after the prefix
                return True
        return not self.prefix_needed and fits(digits) is not None


@cache
def _regions() -> dict[str, _Region]:
    from phonenumbers import PhoneMetadata  # 20 ms and 8 MB; only text with enough digits needs it

    made = {}
    for name in REGIONS:
        data = PhoneMetadata.metadata_for_region(name)
        made[name] = _Region(
            str(data.country_code),
            data.national_prefix or "",
            name in ("GB", "DE", "FR"),
            re.compile(data.general_desc.national_number_pattern),
        )
    return made


class PhoneRecogniser:
    """Telephone numbers of eight regions, and international ones of all."""

    name = "contact.phone"
    entities = frozenset(("PHONE_NUMBER",))

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold
        self._cues = Cues(CUES)

    def find(self, view: View) -> Iterable[Finding]:
        if view.digits < FEWEST_DIGITS:
            return ()
        cued = self._cues.possible(view)
        found = []
        for start, end, international in _numbers(view):
            score = INTERNATIONAL if international else SCORE
            if cued and self._cues.near(view, start, end):
                score = boosted(score)
            if score >= self._threshold:
                found.append(Finding("PHONE_NUMBER", start, end, score, self.name))
        return found


def _numbers(view: View) -> Iterator[tuple[int, int, bool]]:
    """(start, end, international) of each number: a whole run of digit groups, or its parts where that is none."""
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
    if _DATE.search(candidate):
        return None
    extension = _EXTENSION.match(text, last)
    end = extension.end() if extension else last
    digits = _digits(candidate)
    # One character before and a few after tell the matcher about letters, currency signs and times of day.
    low, high = max(0, first - 1), min(len(text), end + 4)
    international = "+" in candidate or digits.startswith(("00", "011"))
    if international:  # which region asks matters only for its dial-out prefix
        match = _first_match(text[low:high], "GB" if digits.startswith("00") else "US")
        return (low + match[0], low + match[1], True) if match else None
    for name, region in _regions().items():
        if region.plausible(digits):
            match = _first_match(text[low:high], name)
            if match is not None:
                return low + match[0], low + match[1], False
    return None


def _first_match(text: str, region: str) -> tuple[int, int] | None:
    from phonenumbers import Leniency, PhoneNumberMatcher

    matcher: Any = PhoneNumberMatcher(text, region, leniency=Leniency.VALID)
    for match in matcher:
        return match.start, match.end
    return None
