"""Values split over consecutive messages: the joins that are examined once more, with the way back.

Every message gives its border (the whole of it, if it is short). The borders are joined with a space, with
nothing, and with the words around the border digits left out, so that "it starts 4111 1111" and "then 1111
1111" meet. A finding counts if it holds something of two messages; each part is masked where it stands.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.types import Finding

BORDER: Final = 192  # characters of a message that a value may share with its neighbour
_MOST: Final = 0.45  # what a finding over words that were left out must score: a cue or a checksum

_ENDS_OPEN: Final = re.compile(r"[\w@._+-]\W{0,3}$")
_DIGIT: Final = re.compile(r"\d")
_ADDRESS: Final = re.compile(r"@|\b(?:at|dot)\b|\w\.\w|\w\.$|^\.\w", re.IGNORECASE)
_DIGITS_ONLY: Final = re.compile(r"\d(?:[ .\-/]{0,3}\d)*")


@dataclass(frozen=True, slots=True)
class Join:
    """A text made of pieces of several; `pieces` are (where it starts here, message, where it starts there)."""

    text: str
    pieces: tuple[tuple[int, int, int], ...]
    least: float

    def parts(self, found: Finding) -> list[tuple[int, Finding]]:
        """(message, finding) for each part of a finding that spans several messages; else nothing."""
        starts = [start for start, _, _ in self.pieces]
        first = bisect_right(starts, found.start) - 1
        last = bisect_right(starts, found.end - 1) - 1
        touched = {self.pieces[at][1] for at in range(first, last + 1)}
        if len(touched) < 2 or found.score < self.least:
            return []
        out = []
        for at in range(first, last + 1):
            begin, message, there = self.pieces[at]
            stop = self.pieces[at + 1][0] if at + 1 < len(self.pieces) else len(self.text)
            start, end = max(found.start, begin), min(found.end, stop)
            # A separator between two pieces belongs to neither.
            while end > start and self.text[end - 1] == "\x20":
                end -= 1
            if start < end:
                out.append(
                    (
                        message,
                        Finding(
                            found.entity,
                            start - begin + there,
                            end - begin + there,
                            found.score,
                            found.recogniser,
                        ),
                    )
                )
        return out


def joins(texts: Sequence[str]) -> Iterator[Join]:
    """The joins of consecutive messages that could hold a split value."""
    for chain in _chains(texts):
        for separator in (" ", ""):
            yield _joined(texts, chain, separator)
    digits = [number for number, text in enumerate(texts) if _DIGIT.search(text)]
    if len(digits) > 1:
        yield from _only_digits(texts, digits)


def _chains(texts: Sequence[str]) -> Iterator[list[int]]:
    """Runs of neighbours whose borders look as if something went on."""
    chain: list[int] = []
    for number, text in enumerate(texts):
        if chain and not _goes_on(texts[number - 1], text):
            if len(chain) > 1:
                yield chain
            chain = []
        chain.append(number)
    if len(chain) > 1:
        yield chain


def _goes_on(before: str, after: str) -> bool:
    tail, head = before[-BORDER:], after[:BORDER]
    if not tail or not head or not _ENDS_OPEN.search(tail):
        return False
    return bool(
        (_DIGIT.search(tail) and _DIGIT.search(head)) or (_ADDRESS.search(tail) or _ADDRESS.search(head))
    )


def _joined(texts: Sequence[str], chain: Sequence[int], separator: str) -> Join:
    parts: list[str] = []
    pieces: list[tuple[int, int, int]] = []
    length = 0

    def add(number: int, start: int, end: int, before: str) -> None:
        nonlocal length
        if parts:
            parts.append(before)
            length += len(before)
        pieces.append((length, number, start))
        parts.append(texts[number][start:end])
        length += end - start

    for position, number in enumerate(chain):
        text = texts[number]
        first, last = len(text) - len(text.lstrip()), len(text.rstrip())
        if last - first <= 2 * BORDER:
            add(number, first, last, separator)
            continue
        if position:
            add(number, first, first + BORDER, separator)
        if position + 1 < len(chain):
            add(number, last - BORDER, last, "\n\n")
    return Join("".join(parts), tuple(pieces), DEFAULT_THRESHOLD)


def _only_digits(texts: Sequence[str], numbers: Sequence[int]) -> Iterator[Join]:
    """The messages up to their last digits, and from their first: what is said around the parts left out."""
    parts: list[str] = []
    pieces: list[tuple[int, int, int]] = []
    length = 0
    for position, number in enumerate(numbers):
        text = texts[number]
        runs = [match.span() for match in _DIGITS_ONLY.finditer(text, max(0, len(text) - BORDER))]
        head = _DIGITS_ONLY.search(text, 0, BORDER)
        spans: list[tuple[int, int]] = []
        if position and head:
            spans.append(head.span())
        if position + 1 < len(numbers) and runs:
            start = max(0, runs[-1][0] - BORDER) if not position else runs[-1][0]
            if not spans or start >= spans[-1][1]:
                spans.append((start, runs[-1][1]))
        for start, end in spans:
            if parts:
                parts.append(" ")
                length += 1
            pieces.append((length, number, start))
            parts.append(text[start:end])
            length += end - start
    if len({number for _, number, _ in pieces}) > 1:
        yield Join("".join(parts), tuple(pieces), _MOST)
