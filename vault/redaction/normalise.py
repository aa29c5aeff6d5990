"""The view of a text that recognisers read: one spelling for what looks or counts as the same.

Compatibility characters are folded (NFKC, one grapheme at a time), invisible ones (Cf, default-ignorable,
control) left out, spaces become ' ', dashes '-', decimal digits ASCII. Every offset maps back to the original
text, and a span grows to whole graphemes, so that no combining mark is left behind. Plain ASCII is its own
view at no cost.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right, insort
from copy import copy
from functools import cache
from typing import Any, Final, Self

from vault.errors import InvalidInputError

# What is not printable ASCII or common white space needs a look at each character; the ASCII character before
# it comes along, since a combining mark may follow it.
_SPECIAL: Final = re.compile(r"[^\t\n\r -~]")
_CHUNK: Final = re.compile(r"[\t\n\r -~]?[^\t\n\r -~]+")
_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MAX_KEY: Final = 256
_DIGIT_OR_AT: Final = re.compile(r"[\d@]")
_DOTTED: Final = re.compile(r"\.(?<=\w\.)\w")

# UAX #15 Stream-Safe: more combining marks than this are no writing system's; a longer pile would sort
# slowly.
_MAX_GRAPHEME: Final = 32
_MAX_CACHED: Final = 4096

_FOLD: Final = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u201c": '"', "\u201d": '"', "\u201f": '"',
        "\u3002": ".", "\uff61": ".", "\u2212": "-", "\u2043": "-", "\u30fb": "-", "\u2027": "-",
        "\u2028": " ", "\u2029": " ", "\u2044": "/", "\u2215": "/", "\u2236": ":", "\ua789": ":",
    }
)  # fmt: skip

_folded: dict[str, str] = {}


@cache
def _regexes() -> tuple[Any, Any]:
    import regex  # 15 ms; only text beyond ASCII needs it

    return regex.compile(r"\X"), regex.compile(
        r"[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Cc}--[\t\n\r]]", regex.V1
    )


def _fold_char(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Pd":
        return "-"
    return " " if category == "Zs" else char


def _fold_grapheme(grapheme: str) -> str:
    """What one grapheme reads as; may be empty."""
    known = _folded.get(grapheme)
    if known is not None:
        return known
    visible = _regexes()[1].sub("", grapheme[:_MAX_GRAPHEME])
    folded = "".join(map(_fold_char, unicodedata.normalize("NFKC", visible).translate(_FOLD)))
    if folded[:1].isascii() and folded[:1].isalnum():
        # A mark that did not compose (a struck-through digit) would break every pattern in two.
        folded = "".join(char for char in folded if not unicodedata.combining(char) and char != "\u20e3")
    if len(grapheme) == 1:
        if len(_folded) >= _MAX_CACHED:
            _folded.clear()
        _folded[grapheme] = folded
    return folded


def _normalise(text: str) -> tuple[str, list[int], list[int]]:
    """The view's text, and for each of its characters where its grapheme starts and ends in the original."""
    graphemes = _regexes()[0]
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for chunk in _CHUNK.finditer(text):
        begin = chunk.start()
        if begin > at:
            parts.append(text[at:begin])
            starts.extend(range(at, begin))
            ends.extend(range(at + 1, begin + 1))
        at = begin
        for grapheme in graphemes.findall(chunk.group()):
            size = len(grapheme)
            folded = (
                grapheme if size == 1 and grapheme.isascii() and grapheme >= " " else _fold_grapheme(grapheme)
            )
            parts.append(folded)
            starts.extend([at] * len(folded))
            ends.extend([at + size] * len(folded))
            at += size
    parts.append(text[at:])
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return "".join(parts), starts, ends


class View:
    """A text as recognisers read it. `text` is normalised; `original(start, end)` maps a span of it back.

    `key_words` are the words of the key the text stands under; `claim` notes spans that a recogniser has
    proven. Raises InvalidInputError for a lone surrogate or anything but a str.
    """

    __slots__ = (
        "_claims",
        "_digits",
        "_ends",
        "_lower",
        "_starts",
        "_structured",
        "_word_at",
        "_words",
        "key_words",
        "source",
        "text",
    )

    def __init__(self, text: str, *, context: str | None = None) -> None:
        if not isinstance(text, str):
            raise InvalidInputError("text.type", "text must be a str")
        self.source = self.text = text
        self._starts: list[int] | None = None
        self._ends: list[int] | None = None
        if not text.isascii() or (not text.isprintable() and _SPECIAL.search(text)):
            _refuse_surrogates(text)
            self.text, self._starts, self._ends = _normalise(text)
        self.key_words: tuple[str, ...] = key_words(context) if context else ()
        self._forget()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that reads as `text[start:end]`, grown to whole graphemes."""
        if self._starts is None or self._ends is None:
            return start, end
        return self._starts[start], self._ends[end - 1]

    def derived(self, start: int, end: int) -> tuple[int, int]:
        """The span of `text` that `source[start:end]` reads as; what lies partly inside belongs to it."""
        if self._starts is None or self._ends is None:
            return start, end
        return bisect_right(self._ends, start), bisect_left(self._starts, end)

    def with_text(self, text: str) -> Self:
        """Another reading of the same length (say, underscores as spaces) with the same way back."""
        other = copy(self)
        other.text = text
        other._forget()  # noqa: SLF001  of this very class
        return other

    def _forget(self) -> None:
        """Drop what was worked out from the text, and the claims on it."""
        self._claims: list[tuple[int, int]] = []
        self._lower: str | None = None
        self._words: frozenset[str] | None = None
        self._word_at: tuple[list[int], list[str]] | None = None
        self._digits: int | None = None
        self._structured: bool | None = None

    def claim(self, start: int, end: int) -> None:
        """Note a span as proven to be an identifier, so that later recognisers may skip it."""
        insort(self._claims, (start, end))

    def claimed(self, start: int, end: int) -> bool:
        """Whether the span lies inside a claimed one."""
        at = bisect_right(self._claims, (start, len(self.text) + 1)) - 1
        return at >= 0 and self._claims[at][1] >= end

    @property
    def lower(self) -> str:
        """The text in lower case, for questions about presence only: its offsets may differ."""
        if self._lower is None:
            self._lower = self.text.lower()
        return self._lower

    @property
    def words(self) -> frozenset[str]:
        """The distinct words of the text, in lower case."""
        if self._words is None:
            self._words = frozenset(_WORD.findall(self.lower))
        return self._words

    def near(self, start: int, end: int, count: int) -> tuple[list[str], list[str]]:
        """Up to `count` words before and after `text[start:end]`, in lower case."""
        if self._word_at is None:
            found = [(match.start(), match.group().lower()) for match in _WORD.finditer(self.text)]
            self._word_at = [at for at, _ in found], [word for _, word in found]
        at, words = self._word_at
        before, after = bisect_left(at, start), bisect_left(at, end)
        return words[max(0, before - count) : before], words[after : after + count]

    @property
    def digits(self) -> int:
        """How many digits the text holds."""
        if self._digits is None:
            self._digits = sum(map(self.text.count, "0123456789"))
        return self._digits

    @property
    def structured(self) -> bool:
        """Whether the text holds a digit, an @, a dotted word or a URL; without one it holds no number or address."""
        if self._structured is None:
            text = self.text
            self._structured = (
                _DIGIT_OR_AT.search(text) is not None
                or ("." in text and _DOTTED.search(text) is not None)
                or "://" in text
            )
        return self._structured


def key_words(key: str) -> tuple[str, ...]:
    """The words of a key in lower case: `patientSSN`, `patient_ssn` and `patient.ssn` read the same."""
    return tuple(word.lower() for word in _WORD.findall(_CAMEL.sub(" ", key[-_MAX_KEY:])))


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # it holds the whole text, so nothing is raised from inside this block
        pass
    else:
        return
    raise InvalidInputError("text.unicode", "text holds a lone surrogate and is not valid Unicode")
