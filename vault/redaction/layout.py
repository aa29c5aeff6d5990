"""Layout that breaks a value in two: mark-up, spaced letters, odd separators, text written backwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vault.redaction.edits import Edit, apart

_BLOCK: Final = r"(?:br|p|div|li|ul|ol|td|tr|th|table|hr|h[1-6])\b"
_MARKUP: Final = re.compile(
    rf"<(?=(?P<block>/?{_BLOCK})?)[A-Za-z/!][^<>@]{{0,200}}>"
    r"|\[/?[a-z]{1,8}(?:=[^\[\]]{0,40})?\]"  # BBCode
    r"|\*{1,3}|~~|`{1,3}|\|\||_{2,3}|(?<!\w)_(?=\w)|(?<=[^\W_])_(?!\w)|''"
    r"|\\(?=[^\w\s\\])"  # an escaped sign
    r"|[\"']\s?[+.&]\s?[\"']|[\"']\s{1,2}[\"'](?=\w)"  # strings that are added up
)


def markup(text: str) -> list[Edit]:
    """Edits that take tags, emphasis and escapes out."""
    edits = []
    for match in _MARKUP.finditer(text):
        if match["block"] is not None:
            edits.append(Edit(*match.span(), " "))
        elif _splits(text, *match.span()):
            edits.append(Edit(*match.span(), ""))
    return edits


def _splits(text: str, start: int, end: int) -> bool:
    """Whether something stands right before or after: a lone `*` is a bullet."""
    return (start > 0 and not text[start - 1].isspace()) or (end < len(text) and not text[end].isspace())


_SPACED: Final = re.compile(r"(?<!\S)[^\s](?:[ \t]{1,3}[^\s]){2,}(?!\S)")
_DASHED: Final = re.compile(r"(?<![\w.])\w(?P<mark>[-._*\xb7\u2022|/,])(?:\w(?P=mark)){2,}\w(?![\w])")
_SPACES: Final = re.compile(r"[ \t]+")


def spaced(text: str) -> list[Edit]:
    """Edits that close up letters set one by one: `j o h n`, `J-o-h-n`."""
    edits: list[Edit] = []
    for match in _SPACED.finditer(text):
        edits += (
            Edit(*gap.span(), "" if gap.end() - gap.start() == 1 else " ")
            for gap in _SPACES.finditer(text, *match.span())
        )
    for match in _DASHED.finditer(text):
        if not match.group().replace(match["mark"], "").isdigit():
            edits += (Edit(at, at + 1, "") for at in range(match.start() + 1, match.end(), 2))
    return apart(edits)


# Digit groups with anything but letters and digits between them.
_ODD: Final = r"[^\w\n]{1,4}|[ \t]?\r?\n[ \t]{0,3}|_{1,2}"
_ODD_RUN: Final = re.compile(rf"\d(?:(?:{_ODD})?\d){{6,}}")
_ODD_GAP: Final = re.compile(r"\D+")
_PLAIN_GAPS: Final = frozenset((" ", "-", ".", "_"))  # the recognisers know these
_LONGEST: Final = 48
_FEWEST_DIGITS: Final = 7
# Dates, times, network addresses and amounts have their separators for a reason.
_MEANT: Final = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[ ,]{1,2}\d{1,2}:\d\d(?::\d\d)?)?|\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d{1,5})?"
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+[.,]\d+|\d{1,2}:\d\d(?:\s?-\s?\d{1,2}:\d\d)?"
)


def grouped(text: str) -> list[Edit]:
    """Edits that write one dash for each odd separator between digits."""
    edits: list[Edit] = []
    for match in _ODD_RUN.finditer(text):
        gaps = [gap.span() for gap in _ODD_GAP.finditer(text, *match.span())]
        if all(text[start:end] in _PLAIN_GAPS for start, end in gaps):
            continue
        edits += (Edit(start, end, "-") for start, end in gaps if text[start:end] != "-")
    return edits


def squeezed(text: str) -> list[Edit]:
    """Edits that take every separator between digits out, in runs of a length that one identifier may have."""
    edits: list[Edit] = []
    for match in _ODD_RUN.finditer(text):
        if match.end() - match.start() > _LONGEST or _MEANT.fullmatch(match.group()):
            continue
        edits += (Edit(*gap.span(), "") for gap in _ODD_GAP.finditer(text, *match.span()))
    return edits


_REVERSING: Final = re.compile(
    "[\u202e\u202b\u2067]([^\u202c\u2069\u202d\u202a\n]{3,})[\u202c\u2069\u202d\u202a\n]?"
)
BACKWARDS: Final = frozenset(("reversed", "backwards", "backward", "mirrored", "r\xfcckw\xe4rts", "inverso"))
_BACKWARD_WORD: Final = re.compile(rf"\b(?:{'|'.join(sorted(BACKWARDS))})\b", re.IGNORECASE)
_BACKWARD_REACH: Final = 80  # characters on either side of the word that says so
_BACKWARD_DOMAIN: Final = re.compile(
    r"(?<![\w.])(?:moc|gro|ten|ude|vog|oi|ku\.oc|ed|rf)\.[\w.-]{1,64}@[\w.+-]{1,64}"
)
_BACKWARD_UNIT: Final = re.compile(r"\d[\d .-]*\d|\S+")


def overridden(source: str) -> Iterator[tuple[int, int]]:
    """Stretches of the original text that an override character shows from right to left."""
    for match in _REVERSING.finditer(source):
        yield match.span(1)


def backwards(text: str, words: frozenset[str]) -> list[Edit]:
    """Edits that turn tokens round: addresses that end like a domain; numbers and names where a word says so."""
    edits = [_turned(match) for match in _BACKWARD_DOMAIN.finditer(text)]
    if not words.isdisjoint(BACKWARDS):
        for word in _BACKWARD_WORD.finditer(text):
            start, end = max(0, word.start() - _BACKWARD_REACH), word.end() + _BACKWARD_REACH
            edits += map(_turned, filter(_worth_turning, _BACKWARD_UNIT.finditer(text, start, end)))
    return apart(edits)


def _turned(match: re.Match[str]) -> Edit:
    return Edit(*match.span(), match.group()[::-1], reversed=True)


def _worth_turning(match: re.Match[str]) -> bool:
    """Whether a token is a number or an address, or ends with the capital letter of a name."""
    unit = match.group()
    return len(unit) > 2 and (unit[0].isdigit() or "@" in unit or unit.rstrip(".,;!?")[-1:].isupper())


_URL: Final = re.compile(
    r"(?:://|(?<![\w/])/|\b\w+/)[\w%.~-]{1,80}(?:[/?&=#+:;,@][\w%.~+-]{0,80}){1,40}|[?&]\w{1,40}=[^\s&#]{1,80}"
)
_JOINTS: Final = re.compile(r"[/?&=#+:_.-]")
_SNAKE: Final = re.compile(r"\b[A-Za-z]{2,20}(?:_[A-Za-z0-9]{1,20}){1,6}\b")


def path_words(text: str) -> list[Edit]:
    """Edits that write the joints of paths, queries and snake_case names as spaces, so that names are words."""
    edits: list[Edit] = []
    for match in (*_URL.finditer(text), *_SNAKE.finditer(text)):
        edits += (Edit(*joint.span(), " ") for joint in _JOINTS.finditer(text, *match.span()))
    return apart(edits)
