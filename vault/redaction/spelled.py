"""Numbers in words as digits: "five three six, nine oh", "nineteen eighty-five", "the third of May".

Words that follow each other are one number, commas and dashes between them keep groups apart, so that
"five five five, one two three four" reads 555-1234.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Final

from vault.redaction.edits import Edit

# The ten digits in seven languages.
_UNITS: Final = (
    "zero one two three four five six seven eight nine",
    "null eins zwei drei vier f\xfcnf sechs sieben acht neun",
    "z\xe9ro un deux trois quatre cinq six sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "zero uno due tre quattro cinque sei sette otto nove",
    "nul een twee drie vier vijf zes zeven acht negen",
    "zero um dois tr\xeas quatro cinco seis sete oito nove",
)
_TEENS: Final = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)

_ONES: Final[dict[str, int]] = {
    **{word: value for language in reversed(_UNITS) for value, word in enumerate(language.split())},
    "oh": 0,
    "o": 0,
    "nought": 0,
    "naught": 0,
    "niner": 9,
    "zwo": 2,
    "fuenf": 5,
    "meia": 6,
}
_TEEN: Final = {word: 10 + at for at, word in enumerate(_TEENS.split())}
_TEN: Final = {word: 20 + 10 * at for at, word in enumerate(_TENS.split())} | {"fourty": 40}
_ORDINAL: Final = {word: at + 1 for at, word in enumerate(_ORDINALS.split())} | {"thirtieth": 30}
_TIMES: Final = {"double": 2, "twice": 2, "triple": 3, "treble": 3, "quadruple": 4}
_SIGNS: Final = {
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "dot": ".",
    "point": ".",
    "slash": "/",
    "plus": "+",
}
_SCALES: Final = frozenset(("hundred", "thousand"))

# English words that a text must hold for any of this to be looked at; one-letter and two-faced words are no cue.
WORDS: Final = (frozenset(_ONES) | frozenset(_TEEN) | frozenset(_TEN) | frozenset(_ORDINAL)) - {
    *("o", "un", "een", "um", "second", "six", "null", "due", "sei", "acht", "once", "tre", "sept"),
} | {"six", "null", "acht"}

# What must stand in the text for a single number word to be told apart.
_TELLING: Final = (
    "january february march april may june july august september october november december "
    "jan feb jun jul aug sep sept oct nov dec year years yr yrs yo and o oh"
)
_BESIDE: Final = frozenset((*_TELLING.split(), *_SIGNS, *_SCALES, *_TIMES))
_NUMERIC: Final = frozenset(_ONES) | frozenset(_TEEN) | frozenset(_TEN) | frozenset(_ORDINAL)
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_JOINT: Final = re.compile(r"[\s,;.:/()\-\u2026]{1,3}|\s{0,2}-{1,2}\s{0,2}")
_MONTH: Final = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|march|april|may|june?|july?|august|sept(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\W{1,3}(?:the\s)?$",
    re.IGNORECASE,
)
_MONTH_AFTER: Final = re.compile(
    r"\s(?:day\s)?(?:of\s)?(?:january|february|march|april|may|june|july|august|september|october|november"
    r"|december)\b",
    re.IGNORECASE,
)
_YEARS_AFTER: Final = re.compile(r"[\s-](?:years?|yrs?|y/?o)\b", re.IGNORECASE)
_WHOLE: Final = 9  # digits in figures that are a number of their own beside one in words
_FEWEST: Final = 2  # words in a row, where nothing else says that it is a number


class _Run:
    """Number words that follow each other."""

    __slots__ = ("end", "signs", "start", "words")

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.words: list[tuple[str, str]] = []  # (what stands before it, the word)


def possible(lower: str, words: frozenset[str]) -> bool:
    """False only if `numbers` can find nothing in a text of these words."""
    spoken = words & WORDS
    return len(spoken) > 1 or any(lower.count(word) > 1 or not words.isdisjoint(_BESIDE) for word in spoken)


def numbers(text: str) -> list[Edit]:
    """Edits that write runs of number words in digits."""
    edits = []
    for run in _runs(text):
        spoken = sum(word in _NUMERIC for _, word in run.words)
        if spoken and (spoken >= _FEWEST or len(run.words) > spoken or _told(text, run)):
            digits = _digits(run.words)
            if digits:
                edits.append(Edit(run.start, run.end, digits))
    return edits


def _runs(text: str) -> list[_Run]:
    done: list[_Run] = []
    run: _Run | None = None
    for match in _WORD.finditer(text):
        word = match.group().lower()
        gap = text[run.end : match.start()] if run else ""
        joined = run is not None and (_JOINT.fullmatch(gap) is not None)
        number = word in _NUMERIC or word.isdigit() or word in _TIMES
        extra = joined and (word in _SIGNS or word in _SCALES or word == "and")
        if not (number or extra):
            if run:
                done.append(run)
            run = None
            continue
        if run is None or not joined:
            if run:
                done.append(run)
            run = _Run(match.start())
            gap = ""
        run.words.append((gap, word))
        run.end = match.end()
    if run:
        done.append(run)
    for one in done:
        _trim(one, text)
    return [one for one in done if one.words]


def _trim(run: _Run, text: str) -> None:
    """Cut off "and" and signs at the end, which belong to what follows, and numbers in figures of their own, at
    either end: whole ones, and those with dots, like an address of a network or an amount."""
    figures = list(takewhile(_in_figures, reversed(run.words)))
    if sum(len(word) for _, word in figures) >= _WHOLE or any(gap == "." for gap, _ in figures[:-1]):
        del run.words[-len(figures) :]
        run.end -= sum(len(gap) + len(word) for gap, word in figures)
    figures = list(takewhile(_in_figures, run.words))
    if len(figures) < len(run.words) and any(gap == "." for gap, _ in figures[1:]):
        del run.words[: len(figures)]
        run.start += sum(len(gap) + len(word) for gap, word in figures) + len(run.words[0][0])
        run.words[0] = ("", run.words[0][1])
    while run.words and (run.words[-1][1] in _SIGNS or run.words[-1][1] in ("and", *_TIMES)):
        gap, word = run.words.pop()
        run.end -= len(gap) + len(word)


def _in_figures(word: tuple[str, str]) -> bool:
    return word[1].isdigit()


def _told(text: str, run: _Run) -> bool:
    """Whether the words around a single number word say that it is a date or an age."""
    return (
        _MONTH.search(text[max(0, run.start - 20) : run.start]) is not None
        or _MONTH_AFTER.match(text, run.end) is not None
        or _YEARS_AFTER.match(text, run.end) is not None
    )


def _digits(words: list[tuple[str, str]]) -> str:
    """A run in digits, groups apart by dashes."""
    parts: list[str] = []
    at = 0
    while at < len(words):
        gap, word = words[at]
        apart = "\n" in gap or (any(char in gap for char in ",;/.:-") and not _hyphenated(words, at))
        if apart and parts and parts[-1][-1:].isalnum():
            parts.append("-")
        if word in _SIGNS:
            if parts and parts[-1] == "-":
                parts.pop()
            parts.append(_SIGNS[word])
            at += 1
        elif word == "and":
            at += 1
        elif word in _TIMES and at + 1 < len(words) and words[at + 1][1] in _ONES:
            parts.append(str(_ONES[words[at + 1][1]]) * _TIMES[word])
            at += 2
        else:
            value, at = _number(words, at)
            parts.append(value)
    return "".join(parts).strip("-./ ")


def _hyphenated(words: list[tuple[str, str]], at: int) -> bool:
    """Whether the word is the second half of "twenty-one"."""
    return at > 0 and words[at][0] == "-" and words[at - 1][1] in _TEN


def _number(words: list[tuple[str, str]], at: int) -> tuple[str, int]:
    """The number that starts at a word, in digits, and where the next one starts."""
    first = words[at][1]
    if first.isdigit() or first not in _NUMERIC:
        return (first if first.isdigit() else ""), at + 1
    value, at, ordinal = _below_hundred(words, at)
    if ordinal:
        return f"{value} ", at
    thousands = 0
    while at < len(words) and words[at][1] in _SCALES and value:
        # Each scale once, the larger one first or after hundreds: "two hundred thousand four hundred".
        if words[at][1] == "hundred":
            if value >= 100:
                break
            value *= 100
        else:
            if thousands:
                break
            thousands, value = value * 1000, 0
        at += 1
        if at < len(words) and words[at][1] == "and":
            at += 1
        if at < len(words) and words[at][1] in _NUMERIC:
            more, at, _ = _below_hundred(words, at)
            value += more
        elif not value:
            break
    return str(thousands + value), at


def _below_hundred(words: list[tuple[str, str]], at: int) -> tuple[int, int, bool]:
    word = words[at][1]
    if word in _TEN:
        following = words[at + 1][1] if at + 1 < len(words) else ""
        close = at + 1 < len(words) and not any(char in words[at + 1][0] for char in ",;./:\n")
        if close and following in _ONES and following not in ("o", "oh", "zero") and _ONES[following]:
            return _TEN[word] + _ONES[following], at + 2, False
        if close and 1 <= _ORDINAL.get(following, 0) <= 9:
            return _TEN[word] + _ORDINAL[following], at + 2, True
        return _TEN[word], at + 1, False
    if word in _ONES:
        return _ONES[word], at + 1, False
    if word in _TEEN:
        return _TEEN[word], at + 1, False
    return _ORDINAL[word], at + 1, True
