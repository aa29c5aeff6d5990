"""Sentences with state-issued identifiers, made from the detector's own table of forms, checks and cues."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from re import _constants, _parser  # type: ignore[attr-defined] # the parse tree has no public home
from typing import Any

from vault.redaction.national import _IDS, _Id
from vault.redaction.national_checks import NATIONAL_CHECKS

# A sentence holds two values, so that a class has twenty in ten.
SENTENCES = 10
MOST_TRIES = 30_000
_SHAPES = (
    "{cue}: {one}, formerly {two}",
    "my {cue} is {one} and her {cue} is {two}",
    "{cue} {one}\n{cue} {two}",
    "Please correct {cue} {one}; it should be {two}.",
)
# Nobody writes two kinds of separators in one number.
_SEPARATOR = re.compile(r"[ .\-/]")
# Digits that all numbers of a class begin with, beyond what the form says.
_STARTS = {"CH_AHV": "756"}
# Where birth dates stand in such numbers; plain chance would take too long to hit one.
_DATES = (
    "{y:02d}{m:02d}{d:02d}",
    "{d:02d}{m:02d}{y:02d}",
    "19{y:02d}{m:02d}{d:02d}",
    "{d:02d}{m:02d}19{y:02d}",
)


def _repeat(rng: random.Random, low: int, high: int) -> int:
    return rng.randint(low, min(high, low + 3))


def _any_of(rng: random.Random, members: list[Any]) -> str:
    chars = ""
    for kind, value in members:
        if kind is _constants.LITERAL:
            chars += chr(value)
        elif kind is _constants.RANGE:
            chars += "".join(map(chr, range(value[0], value[1] + 1)))
        elif value is _constants.CATEGORY_DIGIT:
            chars += "0123456789"
    return rng.choice(chars) if chars else ""


def write(rng: random.Random, tree: Any) -> str:
    """A string that a parsed regex matches; look-arounds are left to the check."""
    text = ""
    for kind, value in tree:
        if kind is _constants.LITERAL:
            text += chr(value)
        elif kind is _constants.IN:
            text += _any_of(rng, value)
        elif kind is _constants.MAX_REPEAT:
            text += "".join(write(rng, value[2]) for _ in range(_repeat(rng, value[0], value[1])))
        elif kind is _constants.SUBPATTERN:
            text += write(rng, value[3])
        elif kind is _constants.BRANCH:
            text += write(rng, rng.choice(value[1]))
    return text


def _with_date(rng: random.Random, text: str) -> str:
    """The text with a date over some of its digits."""
    date = rng.choice(_DATES).format(y=rng.randint(40, 99), m=rng.randint(1, 12), d=rng.randint(1, 28))
    places = [index for index, char in enumerate(text) if char.isdigit()]
    start = rng.choice((0, 0, 1, 6))
    chars = list(text)
    for place, digit in zip(places[start:], date, strict=False):
        chars[place] = digit
    return "".join(chars)


def value(rng: random.Random, row: _Id) -> str | None:
    """An identifier of the row that passes its check, or None if chance finds none in time."""
    tree, form = _parser.parse(row.form), re.compile(row.form)
    check: Callable[[str], bool | None] = NATIONAL_CHECKS[row.check] if row.check else lambda _: None
    start = _STARTS.get(row.entity, "")
    for _ in range(MOST_TRIES):
        text = start + write(rng, tree)[len(start) :]
        if rng.random() < 0.5:
            text = _with_date(rng, text)
        text = _SEPARATOR.sub(rng.choice(("", " ", "-", ".", "/")), text.strip())
        if form.fullmatch(text) and check(text) is not False:
            return text
    return None


def _cues(row: _Id, shared: Counter[str]) -> list[str]:
    """The cues that no other class has, or all of them if there are none."""
    cues = row.cues.split(",")
    return [cue for cue in cues if shared[cue] == 1] or cues


def sentences(
    draw: Callable[[object], random.Random], known: set[str]
) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """Texts and spans for every class of the table that is not known yet."""
    shared = Counter(cue for cues in {(row.entity, row.cues) for row in _IDS} for cue in cues[1].split(","))
    rows: dict[str, list[_Id]] = {}
    for row in _IDS:
        rows.setdefault(row.entity, []).append(row)
    for entity in sorted(set(rows) - known):
        rng = draw(entity)
        for index in range(SENTENCES):
            row = rows[entity][index % len(rows[entity])]
            one, two = value(rng, row), value(rng, row)
            if one is None or two is None:
                break
            cue = rng.choice(_cues(row, shared))
            cue = cue.upper() if len(cue) < 5 else cue
            yield _marked(_SHAPES[index % len(_SHAPES)], cue, (one, two), entity)


def _marked(
    shape: str, cue: str, pair: tuple[str, str], entity: str
) -> tuple[str, list[tuple[int, int, str]]]:
    text, spans = "", []
    for piece in re.split(r"(\{one\}|\{two\})", shape.replace("{cue}", cue)):
        number = {"{one}": pair[0], "{two}": pair[1]}.get(piece, piece)
        if number != piece:
            spans.append((len(text), len(text) + len(number), entity))
        text += number
    return text, spans
