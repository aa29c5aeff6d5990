"""From many findings to spans that do not overlap, without uncovering anything that was found.

Overlapping findings of one class become one. Between classes the higher score wins (1.0 is proven by a
checksum), then the longer; what a loser covered beyond the winner stays found, as long as it holds a letter
or digit.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from vault.errors import DetectorError
from vault.types import Finding

# The names model never outranks a rule that has a form or a cue; a bare guess of a rule gives way to it.
_MODEL: Final = "names"
_MODEL_RANK: Final = 0.44

# What stands between the parts of one address, or of one name, says nothing by itself but where it was.
_ADDRESS: Final = frozenset(("STREET_ADDRESS", "LOCATION", "ZIP_CODE", "UK_POSTCODE"))
_CERTAIN_ADDRESS: Final = _ADDRESS - {"LOCATION"}
_ADDRESS_GAP: Final = re.compile(r"[\s,;./#-]{0,4}(?:(?:[A-Z]{2}|Apt|Unit|Suite|Ste)\b[\s,.-]{0,3})?")
_NAME_GAP: Final = re.compile(r"[ \t]{1,2}|[.,'\u2019-]|\. |, ")
_MOST_GAP: Final = 12

_WORTH: Final = re.compile(r"[^\W_]")
_BARE_SCHEME: Final = re.compile(r"\W*[A-Za-z][A-Za-z0-9+.-]*://(?:www\.)?\W*")


def resolve(
    text: str, findings: Iterable[Finding], *, reserved: Sequence[tuple[int, int]] = ()
) -> list[Finding]:
    """Findings that do not overlap each other or a `reserved` span, by `start`.

    Raises DetectorError for a span outside the text.
    """
    merged = _merged(text, findings)
    if not reserved and (len(merged) < 2 or all(a.end <= b.start for a, b in pairwise(merged))):
        return merged
    merged.sort(key=lambda found: (-_rank(found), found.start - found.end, found.start, found.entity))
    starts = sorted(start for start, _ in reserved)
    taken: list[tuple[int, int, Finding | None]] = [(start, end, None) for start, end in sorted(reserved)]
    for found in merged:
        for start, end in _free(taken, starts, found.start, found.end):
            whole = (start, end) == (found.start, found.end)
            if not whole and not _worth(text, start, end):
                continue
            part = found if whole else Finding(found.entity, start, end, found.score, found.recogniser)
            at = bisect_left(starts, start)
            starts.insert(at, start)
            taken.insert(at, (start, end, part))
    return [found for _, _, found in taken if found is not None]


def _rank(found: Finding) -> float:
    return min(found.score, _MODEL_RANK) if found.recogniser == _MODEL else found.score


def joined(text: str, findings: Sequence[Finding]) -> list[Finding]:
    """Resolved findings with the gaps closed inside one address or one name: nothing readable stays between."""
    done: list[Finding] = []
    for found in findings:
        last = done[-1] if done else None
        if last is not None and last.end < found.start and _belongs(text, last, found):
            if last.entity == found.entity:
                score = max(last.score, found.score)
                done[-1] = Finding(last.entity, last.start, found.end, score, last.recogniser)
                continue
            done[-1] = Finding(last.entity, last.start, found.start, last.score, last.recogniser)
        done.append(found)
    return done


def _belongs(text: str, last: Finding, found: Finding) -> bool:
    if found.start - last.end > _MOST_GAP:
        return False
    if _one_address(last.entity, found.entity) or _one_address(found.entity, last.entity):
        return _ADDRESS_GAP.fullmatch(text, last.end, found.start) is not None
    return (
        last.entity == found.entity == "PERSON"
        and _NAME_GAP.fullmatch(text, last.end, found.start) is not None
    )


def _one_address(one: str, other: str) -> bool:
    """Whether two classes side by side are an address; a town is easily taken for an organisation."""
    return one in _ADDRESS and (other in _ADDRESS or (other == "ORGANIZATION" and one in _CERTAIN_ADDRESS))


def _merged(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """One finding for all that overlap within a class, by start."""
    open_: dict[str, Finding] = {}
    done: list[Finding] = []
    for found in sorted(findings, key=lambda found: (found.start, found.end)):
        if not 0 <= found.start < found.end <= len(text):
            raise DetectorError("detector.span", "a detector reported a span outside the text")
        known = open_.get(found.entity)
        if known is not None and found.start < known.end:
            best = known if known.score >= found.score else found
            if found.end > known.end or found.score > known.score:
                known = Finding(
                    found.entity, known.start, max(known.end, found.end), best.score, best.recogniser
                )
            open_[found.entity] = known
            continue
        if known is not None:
            done.append(known)
        open_[found.entity] = found
    done.extend(open_.values())
    done.sort(key=lambda found: (found.start, found.end))
    return done


def _free(
    taken: Sequence[tuple[int, int, Finding | None]], starts: Sequence[int], start: int, end: int
) -> list[tuple[int, int]]:
    """The parts of a span that nothing taken covers; `taken` is sorted and does not overlap itself."""
    parts = []
    at = bisect_left(starts, start)
    if at and taken[at - 1][1] > start:
        start = taken[at - 1][1]
    while at < len(taken) and taken[at][0] < end and start < end:
        if taken[at][0] > start:
            parts.append((start, taken[at][0]))
        start = max(start, taken[at][1])
        at += 1
    if start < end:
        parts.append((start, end))
    return parts


def _worth(text: str, start: int, end: int) -> bool:
    return _WORTH.search(text, start, end) is not None and _BARE_SCHEME.fullmatch(text, start, end) is None
