"""Tokens of a text and the hashed features of a token; training and inference read the same functions.

A change here is a change of the model: weights trained with other features are worthless, so `FEATURES`
names this version and the weights carry it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from zlib import crc32

FEATURES: Final = "2"

# A run of line breaks, a web address, a handle, a word with inner apostrophes (O'Neill, don't), a possessive,
# or one other character. Every alternative starts differently, so the scan is linear.
TOKEN: Final = re.compile(
    r"\n+|(?:https?://|www\.)\S+|@[^\W_]\w*|[^\W_]+(?:['’](?![sS]\b)[^\W_]+)*|['’][sS]\b|[^\w\s]|_"
)

TAGS: Final = ("O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION", "B-ORGANIZATION", "I-ORGANIZATION")

# The rows of the feature table: shapes, whole words, beginnings and ends, runs of three letters.
SHAPE_ROWS: Final = 512
WORD_ROWS: Final = 28_672
AFFIX_ROWS: Final = 14_336
GRAM_ROWS: Final = 20_480
ROWS: Final = SHAPE_ROWS + WORD_ROWS + AFFIX_ROWS + GRAM_ROWS
_AFFIX_START: Final = SHAPE_ROWS + WORD_ROWS
_GRAM_START: Final = _AFFIX_START + AFFIX_ROWS
# Beyond so many characters a token is no name; only its beginning is read.
_MAX_CHARS: Final = 28
# Knuth's multiplicative constant: CRC-32 is linear, its low bits alone would collide in patterns.
_SPREAD: Final = 2_654_435_761

# What a token is to the text's case: nothing, a lower-case word, a capitalised word, a word in capitals.
NEUTRAL, LOWER, TITLE, UPPER = range(4)

# Case of a whole text, an input of the model: usual, without capitals, in capitals, mostly capitalised words.
USUAL_TEXT, LOWER_TEXT, UPPER_TEXT, TITLE_TEXT = range(4)
TEXT_CASES: Final = 4

_SCRIPTS: Final = (
    "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "CJK", "HANGUL", "HIRAGANA", "KATAKANA",
    "THAI", "ARMENIAN", "GEORGIAN", "BENGALI", "TAMIL",
)  # fmt: skip
_DIGITS: Final = re.compile(r"\d")


def script(char: str) -> int:
    """0 for Latin letters, a small number for another known script, the last one for all the rest."""
    if char < "\u0250":
        return 0
    name = unicodedata.name(char, "").split(" ", 1)[0].split("-", 1)[0]
    return _SCRIPTS.index(name) if name in _SCRIPTS else len(_SCRIPTS)


def canonical(token: str) -> str:
    """The token with what cannot matter folded: digits, the rest of a handle or address, great length."""
    first = token[0]
    if first == "@" and len(token) > 1:
        return "@a"
    if first == "\n":
        return "\n" if len(token) == 1 else "\n\n"
    if token.startswith(("http://", "https://", "www.")):
        return "www.a"
    if len(token) > _MAX_CHARS:
        token = token[:_MAX_CHARS]
    return _DIGITS.sub("0", token).replace("’", "'")


def case_kind(token: str) -> int:
    """NEUTRAL, LOWER, TITLE or UPPER; single letters are neutral: "I" and "A" say nothing about a text."""
    if len(token) < 2 or not token[0].isalpha():
        return NEUTRAL
    if token[0].islower():
        return LOWER
    if not token[0].isupper():
        return NEUTRAL
    return UPPER if token.isupper() else TITLE


def text_case(lower: int, title: int, upper: int) -> int:
    """The case of a text from the counts of its words."""
    words = lower + title + upper
    if words < 3:
        return USUAL_TEXT
    if title + upper == 0:
        return LOWER_TEXT
    if upper > 0.6 * words:
        return UPPER_TEXT
    return TITLE_TEXT if title > 0.5 * words else USUAL_TEXT


def _row(start: int, rows: int, kind: str, piece: str) -> int:
    return (
        start + ((crc32(f"{kind}{piece}".encode(errors="surrogatepass")) * _SPREAD & 0xFFFFFFFF) >> 8) % rows
    )


def _shape_rows(token: str) -> list[int]:
    """Rows for case pattern, length, kind of characters and script."""
    pattern = "".join(
        dict.fromkeys(
            "X" if c.isupper() else "x" if c.islower() else "0" if c.isdigit() else "c" if c.isalpha() else c
            for c in token[1:]
        )
    )
    first = token[0]
    head = "X" if first.isupper() else "x" if first.islower() else "0" if first.isdigit() else "-"
    if head == "-" and first.isalpha():
        head = "c"
    size = min(len(token), 12)
    alphabet = script(first) if first.isalpha() else 31
    return [
        _row(64, SHAPE_ROWS - 64, "p", f"{head}{pattern[:4]}"),
        size,
        16 + alphabet,
        48 + case_kind(token),
    ]


def features(token: str) -> tuple[list[int], int]:
    """Table rows of a canonical token, and how many of them (the last ones) are letter runs.

    The second row of the list is always the whole word's, so that training can leave it out.
    """
    low = token.lower()
    rows = _shape_rows(token)
    rows.insert(1, _row(SHAPE_ROWS, WORD_ROWS, "w", low))
    if not low[0].isalpha():
        return rows, 0
    size = len(low)
    for n in (1, 2, 3, 4):
        if n <= size:
            rows.append(_row(_AFFIX_START, AFFIX_ROWS, f"b{n}", low[:n]))
            rows.append(_row(_AFFIX_START, AFFIX_ROWS, f"e{n}", low[-n:]))
    edged = f"^{low}$"
    grams = [_row(_GRAM_START, GRAM_ROWS, "g", edged[i : i + 3]) for i in range(len(edged) - 2)]
    return rows + grams, len(grams)
