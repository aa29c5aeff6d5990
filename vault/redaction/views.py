"""Further readings of a text: what a person sees through an encoding, a disguise or an odd layout.

A reading rewrites some stretches of its parent's text (`Edit`) and knows the way back: a character that was
copied maps to itself, one that was rewritten to the whole stretch it came from, so that a finding in a decoded
text masks the whole encoded token. Readings are made only where a cue says so; ordinary text pays for one
glance. `readings` is the order they are made in; what each kind of rewriting is stands in its own module.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from vault.errors import DetectorError
from vault.redaction import decoding, disguise, layout, lookalikes, spelled
from vault.redaction.edits import Edit, apart
from vault.redaction.normalise import View

MAX_DEPTH: Final = 3  # encodings inside each other; a text with more is refused, since nobody reads it
GUESS: Final = 0.45  # what a finding must score in a reading that is itself a guess: a cue or a form

# Where no window of a long text needs rewriting, nothing is examined twice.
WINDOW: Final = 160
_LONG: Final = 512
_SNAP: Final = 40
_BREAK: Final = "\n\n"


class Reading(View):
    """Another text for the same source. `original` maps spans of it to the source of the outermost view.

    Findings count if they score `floor`; with `touching`, only where they hold something that was rewritten.
    `names` says whether names are looked for too, `rules` whether anything else is.
    """

    __slots__ = (
        "_at",
        "_changed_from",
        "_changed_to",
        "_from",
        "_gaps",
        "_kinds",
        "_parent",
        "_to",
        "floor",
        "names",
        "rules",
        "touching",
    )

    def __init__(
        self,
        parent: View,
        edits: Sequence[Edit],
        *,
        touching: bool = False,
        floor: float = 0.0,
        names: bool = True,
        rules: bool = True,
        narrow: bool = False,
        onward: bool = False,
        span: tuple[int, int] | None = None,
        context: str | None = None,
    ) -> None:
        self._parent = parent
        self.touching, self.floor, self.names, self.rules = touching, floor, names, rules
        self._at: list[int] = []
        self._from: list[int] = []
        self._to: list[int] = []
        self._kinds: list[int] = []
        self._changed_from: list[int] = []
        self._changed_to: list[int] = []
        self._gaps: list[int] = []
        earlier = parent.changes() if onward and isinstance(parent, Reading) else []
        ranges = [span or (0, len(parent.text))]
        if narrow and len(parent.text) > _LONG:
            ranges = _windows(parent.text, sorted((*earlier, *((one.start, one.end) for one in edits))))
        super().__init__(self._written(parent.text, edits, ranges), context=context)
        if earlier:
            self._add_changes(earlier)
        if context is None:
            self.key_words = parent.key_words

    def _written(self, text: str, edits: Sequence[Edit], ranges: Sequence[tuple[int, int]]) -> str:
        parts: list[str] = []
        length = 0

        def emit(part: str, start: int, end: int, kind: int) -> None:
            nonlocal length
            self._at.append(length)
            self._from.append(start)
            self._to.append(end)
            self._kinds.append(kind)
            parts.append(part)
            length += len(part)

        todo = iter(edits)
        edit = next(todo, None)
        for number, (first, last) in enumerate(ranges):
            if number:
                self._gaps.append(length)
                emit(_BREAK, first, first + 1, _WHOLE)
            at = first
            while edit is not None and edit.start < last:
                if edit.start >= at:
                    if edit.start > at:
                        emit(text[at : edit.start], at, edit.start, _COPIED)
                    self._changed_from.append(length)
                    emit(edit.text, edit.start, edit.end, _REVERSED if edit.reversed else _WHOLE)
                    self._changed_to.append(length)
                    at = edit.end
                edit = next(todo, None)
            if at < last:
                emit(text[at:last], at, last, _COPIED)
        return "".join(parts)

    def changes(self) -> list[tuple[int, int]]:
        """The spans of `text` that were rewritten; an empty one says that something was cut out there."""
        raw = zip(self._changed_from, self._changed_to, strict=True)
        return [self.derived(start, end) if start < end else self._between(start) for start, end in raw]

    def _between(self, position: int) -> tuple[int, int]:
        at = self.derived(position, len(self.source))[0]
        return at, at

    def _add_changes(self, spans: Sequence[tuple[int, int]]) -> None:
        """Count rewritten spans of the parent's text as rewritten here."""
        own = list(zip(self._changed_from, self._changed_to, strict=True))
        moved = sorted((*own, *((self._moved(start), self._moved(end)) for start, end in spans)))
        self._changed_from = [start for start, _ in moved]
        # An earlier span never ends after a later one as far as `counts` can tell.
        self._changed_to = list(accumulate((end for _, end in moved), max))

    def _moved(self, position: int) -> int:
        """Where a position of the parent's text is in `source`."""
        if not self._kinds:
            return 0  # the parent rewrote everything away
        segment = max(bisect_right(self._from, position) - 1, 0)
        if self._kinds[segment] != _COPIED:
            return self._at[segment] + (self._length(segment) if position >= self._to[segment] else 0)
        return self._at[segment] + min(position - self._from[segment], self._length(segment))

    def original(self, start: int, end: int) -> tuple[int, int]:
        return self._parent.original(*self.parental(start, end))

    def parental(self, start: int, end: int) -> tuple[int, int]:
        """The span of the parent's text that reads as `text[start:end]`."""
        start, end = super().original(start, end)
        first = self._segment(start)
        last = self._segment(end - 1)
        low, high = self._part(first, start, end)
        return (low, high) if first == last else (low, self._part(last, start, end)[1])

    def counts(self, start: int, end: int, score: float, *, touching: bool = False) -> bool:
        """Whether a finding of this reading may be reported; `touching` asks for something rewritten in it."""
        touching = touching or self.touching
        if score < self.floor:
            return False
        if not self._gaps and not touching:
            return True
        start, end = super().original(start, end)
        at = bisect_right(self._gaps, start)
        if at < len(self._gaps) and self._gaps[at] < end:
            return False
        if not touching:
            return True
        # The ends rise with the starts, so the last stretch that begins before the finding's end decides; one
        # that was cut out altogether (empty) counts inside the finding, not at its border.
        at = bisect_left(self._changed_from, end)
        return at > 0 and self._changed_to[at - 1] > start

    def _segment(self, position: int) -> int:
        """The segment that holds a character; of several at one place the last, the others are empty."""
        return bisect_right(self._at, position) - 1

    def _length(self, segment: int) -> int:
        following = self._at[segment + 1] if segment + 1 < len(self._at) else len(self.source)
        return following - self._at[segment]

    def _part(self, segment: int, start: int, end: int) -> tuple[int, int]:
        kind, begin = self._kinds[segment], self._at[segment]
        if kind == _WHOLE:
            return self._from[segment], self._to[segment]
        first = max(start - begin, 0)
        last = min(end - begin, self._length(segment))
        if kind == _COPIED:
            return self._from[segment] + first, self._from[segment] + last
        return self._to[segment] - last, self._to[segment] - first


_COPIED, _WHOLE, _REVERSED = range(3)


def _windows(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches around the spans of a long text, cut at white space where there is some."""
    ranges: list[tuple[int, int]] = []
    for first, last in spans:
        start, end = max(0, first - WINDOW), min(len(text), last + WINDOW)
        if start:
            space = text.find(" ", start, min(start + _SNAP, first))
            start = space + 1 if space >= 0 else start
        if end < len(text):
            space = text.rfind(" ", max(last, end - _SNAP), end)
            end = space if space >= 0 else end
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


_JOINED: Final = re.compile(r"(?<=\d)_|_(?=\d)|(?<=\.[A-Za-z]{2})_|(?<=\.[A-Za-z]{3})_|(?<=\.[A-Za-z]{4})_")


def unjoined(view: View) -> Reading | None:
    """The text with spaces for underscores at numbers and hosts: `ssn_536904399`, `ana@example.org_x`.

    To a regex an underscore is a letter, to a reader it is a space.
    """
    if "_" not in view.text or not view.structured:
        return None
    edits = [Edit(*match.span(), " ") for match in _JOINED.finditer(view.text)]
    return Reading(view, edits, narrow=True) if edits else None


# The glance that every text gets: beside words, numbers apart from them and the signs of a sentence nothing is in it.
_GLANCE: Final = re.compile(r"[^a-z ,.'!?;A-Z\n\t0-9-]|[A-Za-z][0-9]|[0-9][A-Za-z]")
_LONG_WORD: Final = 12
_LETTERS_ALONE: Final = frozenset(("a", "i"))  # "I sold a chair" is not set letter by letter
_MARKUP_CUE: Final = re.compile(r"[<*~`|\\\[_]|''|[\"']\s?[+.&\"']")
_SPACED_CUE: Final = re.compile(
    r"(?<!\S)\S[ \t]{1,3}\S[ \t]{1,3}\S(?!\S)|(?<!\w)\w([-._*\xb7\u2022|/,])\w\1\w\1\w"
)
_AT_CUE: Final = re.compile(r"\s@|@\s|[\[({<|*_-]\s{0,2}(?:at|dot|\.|@)\s{0,2}[\])}>|*_-]", re.IGNORECASE)
_LEET_CUE: Final = re.compile(r"[A-Za-z][0-9@$!|+][A-Za-z]|(?<!\w)[0-9@$]{1,2}[A-Za-z]|[A-Za-z][0-9$@](?!\w)")
_PATH_CUE: Final = re.compile(r"/[\w%.~-]+[/?]|\?\w+=|&\w+=|://|[A-Za-z]_[A-Za-z]")
_SPELLED_CUES: Final = spelled.WORDS
_DISGUISE_CUES: Final = disguise.WORDS - {"at"}
_BACKWARD_CUES: Final = ("moc.", "gro.", "ten.", "ude.", "ku.oc", "ed.", "rf.")
_WORD_CUES: Final = _SPELLED_CUES | _DISGUISE_CUES | layout.BACKWARDS
_FEWEST_DIGITS: Final = 3


def readings(view: View) -> Iterator[Reading]:
    """Every further reading of a text, in order.

    Raises DetectorError for a text that is encoded more than three times over.
    """
    if _nothing_odd(view):
        return
    edits = _overridden(view)
    if edits:
        yield Reading(view, edits, touching=True, narrow=True)
    level = view
    yield from _rewritten(level, view.source)
    for depth in range(MAX_DEPTH + 1):
        edits = _decoded(level.text)
        if not edits:
            return
        if depth == MAX_DEPTH:
            raise DetectorError("detector.budget", "text is encoded too many times over; it was not examined")
        level = Reading(level, edits, narrow=True)
        yield level
        yield from _rewritten(level, level.source)


def _nothing_odd(view: View) -> bool:
    """Whether the text is words and two digits at most, no word long, spelled-out or set letter by letter."""
    text, words = view.text, view.words
    return (
        view.source is text
        and _GLANCE.search(text) is None
        and view.digits < _FEWEST_DIGITS
        and words.isdisjoint(_WORD_CUES)
        and max(map(len, words), default=0) < _LONG_WORD
        and len({word for word in words if len(word) == 1} - _LETTERS_ALONE)
        < 1 + words.isdisjoint(_LETTERS_ALONE)
        and not ("at" in words and view.structured)
        and ("-" not in text or decoding.CUE.search(text) is None)
    )


def _decoded(text: str) -> list[Edit]:
    if decoding.CUE.search(text) is None:
        return []
    return apart((*decoding.escapes(text), *decoding.tokens(text)))


def _overridden(view: View) -> list[Edit]:
    """Edits that turn round what an override character shows from right to left."""
    spans = [view.derived(start, end) for start, end in layout.overridden(view.source)]
    return apart(
        Edit(start, end, view.text[start:end][::-1], reversed=True) for start, end in spans if end - start > 2
    )


def _rewritten(level: View, source: str) -> Iterator[Reading]:
    """The readings of one text, decoded or not: look-alikes, layout, spelling, guesses."""
    plain = [level]
    if not level.text.isascii() or source is not level.text:
        edits = lookalikes.skeleton(level.text, source)
        if edits:
            alike = Reading(level, edits, narrow=True)
            yield alike
            plain.append(alike)
    for view in plain:
        unbroken = _unbroken(view)
        if unbroken is not view:
            yield Reading(unbroken, (), narrow=True, onward=True)
        yield from _guessed(unbroken)
    if not level.words.isdisjoint(layout.BACKWARDS) or any(map(level.lower.__contains__, _BACKWARD_CUES)):
        edits = layout.backwards(level.text, level.words)
        if edits:
            yield Reading(level, edits, touching=True, narrow=True)


_STEPS: Final[tuple[tuple[Callable[[View], object], Callable[[View], list[Edit]]], ...]] = (
    (lambda view: _MARKUP_CUE.search(view.text), lambda view: layout.markup(view.text)),
    (lambda view: _SPACED_CUE.search(view.text), lambda view: layout.spaced(view.text)),
    (
        lambda view: (
            not view.words.isdisjoint(_DISGUISE_CUES)
            or ("at" in view.words and view.structured)
            or _AT_CUE.search(view.text)
        ),
        lambda view: disguise.addresses(view.text, view.words),
    ),
)


def _unbroken(view: View) -> View:
    """The text without mark-up, with spaced letters closed up and spelled-out signs written."""
    first = view
    for cue, edits_of in _STEPS:
        if cue(view):
            edits = edits_of(view)
            if edits:
                view = Reading(view, edits, onward=view is not first)
    return view


def _guessed(view: View) -> Iterator[Reading]:
    """Readings that may be wrong: numbers in words, paths, leet, letters for digits, odd separators."""
    if not view.words.isdisjoint(_SPELLED_CUES) and (view.digits or spelled.possible(view.lower, view.words)):
        edits = spelled.numbers(view.text)
        if edits:
            yield Reading(view, edits, touching=True, names=False, narrow=True)
            view = Reading(view, edits)
    if _PATH_CUE.search(view.text):
        edits = layout.path_words(view.text)
        if edits:
            yield Reading(view, edits, touching=True, narrow=True, rules=False)
    if not view.digits:
        return
    if _LEET_CUE.search(view.text):
        edits = lookalikes.leet(view.text)
        if edits:
            yield Reading(view, edits, floor=GUESS, names=False, narrow=True)
            edits = lookalikes.leet_names(edits, view.text)
            if edits:
                yield Reading(view, edits, rules=False, narrow=True)
    if view.digits < _FEWEST_DIGITS:
        return
    edits = lookalikes.digits(view.text)
    views = [view]
    if edits:
        yield Reading(view, edits, touching=True, floor=GUESS, names=False, narrow=True)
        views.append(Reading(view, edits))
    for one in views:
        for edits_of in (layout.grouped, layout.squeezed):
            edits = edits_of(one.text)
            if edits:
                yield Reading(one, edits, touching=True, floor=GUESS, names=False, narrow=True)
