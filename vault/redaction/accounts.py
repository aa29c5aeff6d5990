"""Payment card numbers and IBANs in any grouping, found by arithmetic rather than by a fixed layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vault.redaction.data import pattern_data
from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.redaction.patterns import PROVEN
from vault.redaction.validators import card, iban
from vault.types import Finding

FEWEST_CARD_DIGITS: Final = 12
MOST_CARD_DIGITS: Final = 19
FEWEST_IBAN_DIGITS: Final = 6

_RUN: Final = re.compile(r"(?<!\d)\d(?:[ .\-]?\d){11,}")
_GROUP: Final = re.compile(r"\d+")


MOST_AFTER_PLUS: Final = 13  # digits of an international telephone number that may pass for a short card


class CardRecogniser:
    """Card numbers in any grouping: a known issuer's prefix and length, and Luhn."""

    name = "accounts.card"
    entities = frozenset(("CREDIT_CARD",))
    digits = FEWEST_CARD_DIGITS

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold

    def find(self, view: View) -> Iterable[Finding]:
        if self._threshold > PROVEN:
            return ()
        return [
            Finding("CREDIT_CARD", start, end, PROVEN, self.name)
            for run in _RUN.finditer(view.text)
            for start, end in _cards(view.text, run.start(), run.end())
        ]


def _cards(text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Spans of card numbers made of whole digit groups of one run."""
    groups = [match.span() for match in _GROUP.finditer(text, first, last)]
    index = 0
    while index < len(groups):
        taken = _longest(text, groups, index)
        if taken:
            yield groups[index][0], groups[taken - 1][1]
            index = taken
        else:
            index += 1


def _longest(text: str, groups: list[tuple[int, int]], index: int) -> int:
    """One past the last group of the longest card number that starts at group `index`; 0 if there is none."""
    digits = ""
    found = 0
    for position in range(index, len(groups)):
        start, end = groups[position]
        if len(digits) + end - start > MOST_CARD_DIGITS:
            break
        digits += text[start:end]
        if len(digits) >= FEWEST_CARD_DIGITS and card(digits):
            found = position + 1
    return found


class IbanRecogniser:
    """IBANs in either case and any grouping: the country says how long one is, mod 97 whether it is one."""

    name = "accounts.iban"
    entities = frozenset(("IBAN_CODE",))
    digits = FEWEST_IBAN_DIGITS

    _start: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d[ -]?\d")

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold

    def find(self, view: View) -> Iterable[Finding]:
        if self._threshold > PROVEN:
            return ()
        text = view.text
        formats = pattern_data()["iban"]
        found = []
        for match in self._start.finditer(text):
            known = formats.get(text[match.start() : match.start() + 2].upper())
            end = _end_of(text, match.start(), known["length"]) if known else 0
            if end and iban(text[match.start() : end]):
                found.append(Finding("IBAN_CODE", match.start(), end, PROVEN, self.name))
        return found


def _end_of(text: str, start: int, length: int) -> int:
    """Where `length` letters and digits end, single spaces and dashes between them skipped; else 0."""
    at, counted, gap = start, 0, False
    while at < len(text) and counted < length:
        char = text[at]
        if char.isascii() and char.isalnum():
            counted, gap = counted + 1, False
        elif char not in " -" or gap:
            return 0
        else:
            gap = True
        at += 1
    ends = at == len(text) or not (text[at].isascii() and text[at].isalnum())
    return at if counted == length and ends else 0
