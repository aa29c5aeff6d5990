"""BERT's uncased WordPiece tokenizer, read from a tokenizer.json, in the standard library alone.

Same pieces as the `tokenizers` package (BertNormalizer, BertPreTokenizer, WordPiece; Devlin et al. 2018),
without that package's dependency on a model hub client and without its thread pool. Nothing is cached
between calls: no word of a text outlives the call that read it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

# Words longer than this are unknown, as in BERT's reference tokenizer.
MAX_WORD_CHARS: Final = 100

_CONTINUATION: Final = "##"
_ASCII_WORDS: Final = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")
_ASCII_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
# Control characters vanish, but tab, line feed and carriage return separate words.
_ASCII_CLEAN: Final = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n\r"}
_DROPPED: Final = frozenset(["Cc", "Cf", "Co", "Cs"])
_CJK_BLOCKS: Final = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def _is_cjk(char: str) -> bool:
    code = ord(char)
    return code >= 0x3400 and any(low <= code <= high for low, high in _CJK_BLOCKS)


def _is_punctuation(char: str) -> bool:
    return char in _ASCII_PUNCTUATION or unicodedata.category(char)[0] == "P"


def _cleaned(text: str) -> Iterator[str]:
    """Drop control, format and private characters; set CJK characters apart.

    Unassigned characters stay: which are assigned depends on the interpreter's version of Unicode.
    """
    for char in text:
        if char in "\t\n\r":
            yield " "
        elif char == "\ufffd" or unicodedata.category(char) in _DROPPED:
            continue
        elif char.isspace():
            yield " "
        elif _is_cjk(char):
            yield f" {char} "
        else:
            yield char


def _normalised(text: str) -> str:
    """Clean, strip accents, lower each character on its own (so no final sigma rule)."""
    decomposed = unicodedata.normalize("NFD", "".join(_cleaned(text)))
    return "".join(char.lower() for char in decomposed if unicodedata.category(char) != "Mn")


def _split_punctuation(word: str) -> Iterator[str]:
    """Each punctuation character is a word of its own."""
    start = 0
    for position, char in enumerate(word):
        if _is_punctuation(char):
            if start < position:
                yield word[start:position]
            yield char
            start = position + 1
    if start < len(word):
        yield word[start:]


def words(text: str) -> list[str]:
    """The words and punctuation marks of `text`: lower case, without accents."""
    if text.isascii():
        return _ASCII_WORDS.findall(text.lower().translate(_ASCII_CLEAN))
    found: list[str] = []
    for word in _normalised(text).split():
        if word.isalnum():
            found.append(word)
        else:
            found.extend(_split_punctuation(word))
    return found


class WordPiece:
    """Greedy longest-match pieces over a fixed vocabulary; words without a full match are left out."""

    __slots__ = ("_longest", "_starts", "_tails")

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._starts: dict[str, int] = {}
        self._tails: dict[str, int] = {}
        for piece, row in vocabulary.items():
            if piece.startswith(_CONTINUATION):
                self._tails[piece[len(_CONTINUATION) :]] = row
            else:
                self._starts[piece] = row
        self._longest = max((len(piece) for piece in vocabulary), default=0)

    def ids(self, text: str) -> list[int]:
        """The vocabulary rows of the pieces of `text`, in order; empty when nothing is known."""
        starts = self._starts
        rows: list[int] = []
        for word in words(text):
            row = starts.get(word)
            if row is not None:
                rows.append(row)
            elif len(word) > 1:
                rows.extend(self._pieces(word))
        return rows

    def _pieces(self, word: str) -> list[int]:
        if len(word) > MAX_WORD_CHARS:
            return []
        rows: list[int] = []
        position, pieces = 0, self._starts
        while position < len(word):
            for end in range(min(len(word), position + self._longest), position, -1):
                row = pieces.get(word[position:end])
                if row is not None:
                    rows.append(row)
                    position = end
                    break
            else:
                return []
            pieces = self._tails
        return rows
