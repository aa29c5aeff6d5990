"""A value looked for in stored texts: in any case and writing, as whole words, in the open, behind tokens and across.

What counts are letters and digits, compatibility-folded (`canonical`). Between the words of the value, and between its
digits, up to three other characters may stand or be missing: `Jean-Luc` is found in "jean luc", `+1 212 555 0187` in
"1-212-555-0187". Scripts that write without spaces have no word borders, so there any place counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vault.errors import InvalidInputError
from vault.index.terms import canonical
from vault.redaction.operators import find_tokens

FEWEST: Final = 2
_MOST_GAP: Final = 3
_NOT_WORD: Final = re.compile(r"[\W_]+")
_UNKNOWN: Final = " " * (2 * _MOST_GAP)  # in the place of a token without a value: no value goes on across it


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in a stored text, tokens whole; `clear` says that a part of it can be read there.

    `original` is what stands there, with values in the place of tokens.
    """

    start: int
    end: int
    clear: bool
    original: str


class Sought:
    """One value, prepared to be looked for in many texts."""

    def __init__(self, value: str) -> None:
        """Raises InvalidInputError for a value with fewer than two letters or digits."""
        flat = _Flat(value)
        self._wanted = flat.chars
        if len(self._wanted) < FEWEST:
            raise InvalidInputError("value.short", f"value must hold at least {FEWEST} letters or digits")
        self._gaps = [flat.gap(at) for at in range(1, len(self._wanted))]

    def __repr__(self) -> str:
        return "<Sought>"

    def places(self, text: str, values: Mapping[str, str]) -> list[Place]:
        """Each place where the value stands in a stored text, in order; `values` are those behind its tokens."""
        shown = _Shown(text, values)
        found: list[Place] = []
        for start, end in self.spans(shown.text):
            place = shown.place(start, end)
            if not found or place.start >= found[-1].end:
                found.append(place)
        return found

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each place where the value stands in a text without tokens; in order, without overlaps."""
        if self._wanted not in _squeezed(text):
            return []
        flat = _Flat(text)
        places, at = [], flat.chars.find(self._wanted)
        while at >= 0:
            end = at + len(self._wanted)
            if self._fits(flat, at):
                places.append((flat.starts[at], flat.ends[end - 1]))
                at = flat.chars.find(self._wanted, end)
            else:
                at = flat.chars.find(self._wanted, at + 1)
        return places

    def _fits(self, flat: _Flat, at: int) -> bool:
        end = at + len(self._wanted)
        if flat.one_word(at) or flat.one_word(end) or not flat.whole(at) or not flat.whole(end):
            return False
        for position, own in enumerate(self._gaps, at + 1):
            gap = flat.gap(position)
            if gap > max(own, _MOST_GAP) or (gap and not own and not flat.digits(position)):
                return False
        return True


class _Shown:
    """A stored text with values in the place of its tokens, and where each piece of it comes from."""

    def __init__(self, text: str, values: Mapping[str, str]) -> None:
        self._pieces: list[tuple[int, int, int, bool]] = []  # start here, start and end there, is a token
        parts: list[str] = []
        length = position = 0
        for start, end, token in [*find_tokens(text), (len(text), len(text), "")]:
            for piece, first, last, is_token in (
                (text[position:start], position, start, False),
                (values.get(token, _UNKNOWN) if token else "", start, end, True),
            ):
                if piece:
                    self._pieces.append((length, first, last, is_token))
                    parts.append(piece)
                    length += len(piece)
            position = end
        self.text = "".join(parts)

    def place(self, start: int, end: int) -> Place:
        """A span of the text as it is stored: a token that it touches belongs to it as a whole."""
        touched = list(self._touched(start, end))
        first, last = touched[0], touched[-1]
        begin = first[2] if first[4] else first[2] + max(0, start - first[0])
        finish = last[3] if last[4] else last[2] + min(end, last[1]) - last[0]
        clear = any(
            not is_token and _NOT_WORD.sub("", self.text[max(start, here) : min(end, there)])
            for here, there, _, _, is_token in touched
        )
        whole = slice(first[0] if first[4] else start, last[1] if last[4] else end)
        return Place(begin, finish, bool(clear), self.text[whole])

    def _touched(self, start: int, end: int) -> Iterator[tuple[int, int, int, int, bool]]:
        ends = [*(piece[0] for piece in self._pieces[1:]), len(self.text)]
        for (here, first, last, is_token), there in zip(self._pieces, ends, strict=True):
            if here < end and start < there:
                yield here, there, first, last, is_token


class _Flat:
    """The letters and digits of a text, folded, each with where it stands."""

    def __init__(self, text: str) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        chars: list[str] = []
        for first, last in _clusters(text):
            for char in canonical(text[first:last]):
                chars.append(char)
                self.starts.append(first)
                self.ends.append(last)
        self.chars = "".join(chars)

    def gap(self, at: int) -> int:
        """How many characters stand before the one at `at` that are no letter or digit."""
        return max(0, self.starts[at] - self.ends[at - 1])

    def digits(self, at: int) -> bool:
        return self.chars[at].isdigit() and self.chars[at - 1].isdigit()

    def one_word(self, at: int) -> bool:
        """Whether the characters before and at `at` belong to one word or number of a script with spaces."""
        if not 0 < at < len(self.chars) or self.gap(at):
            return False
        before, after = self.chars[at - 1], self.chars[at]
        if before.isdigit() or after.isdigit():
            return before.isdigit() and after.isdigit()
        return "Lo" not in (unicodedata.category(before), unicodedata.category(after))

    def whole(self, at: int) -> bool:
        """Whether no character is cut in two there: one may fold to several letters."""
        return not 0 < at < len(self.chars) or self.starts[at] != self.starts[at - 1]


def _clusters(text: str) -> list[tuple[int, int]]:
    """Each character with the marks that belong to it."""
    found: list[tuple[int, int]] = []
    for at, char in enumerate(text):
        if found and unicodedata.combining(char):
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found


def _squeezed(text: str) -> str:
    return _NOT_WORD.sub("", text.lower()) if text.isascii() else canonical(text)
