"""Context: the words near a match, or in the key a value stands under, that say what a number is.

Words match whole and in any case, a plural counts as its singular; a phrase matches as consecutive words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vault.redaction.normalise import View

NEAR_WORDS: Final = 6  # words on either side

BOOST: Final = 0.35  # Presidio's context_similarity_factor
BOOSTED_AT_LEAST: Final = 0.45  # Presidio's is 0.4; more, so that a cue outweighs a bare telephone number
UNPROVEN_AT_MOST: Final = 0.95  # only a checksum proves; so a proven finding outranks every boosted one

_WORD: Final = re.compile(r"[^\W_]+")


class Cues:
    """A recogniser's context words and phrases."""

    __slots__ = ("_phrases", "_words", "heads")

    def __init__(self, cues: Iterable[str]) -> None:
        split = [_WORD.findall(cue.lower()) for cue in cues]
        self._words = frozenset(
            form for words in split if len(words) == 1 for form in (words[0], words[0] + "s")
        )
        self._phrases = tuple(f" {' '.join(words)} " for words in split if len(words) > 1)
        self.heads = self._words | {words[0] for words in split if len(words) > 1}

    def in_key(self, view: View) -> bool:
        """Whether the key the text stands under holds a cue."""
        return bool(view.key_words) and self._among(view.key_words)

    def possible(self, view: View) -> bool:
        """False only if no cue can be near any match of this text."""
        return not self.heads.isdisjoint(view.words) or self.in_key(view)

    def near(self, view: View, start: int, end: int) -> bool:
        """Whether a cue stands within six words of `text[start:end]`, or in the key."""
        if self.in_key(view):
            return True
        before, after = view.near(start, end, NEAR_WORDS)
        return self._among(before) or self._among(after)

    def _among(self, words: Iterable[str]) -> bool:
        if not self._words.isdisjoint(words):
            return True
        if not self._phrases:
            return False
        joined = f" {' '.join(words)} "
        return any(phrase in joined for phrase in self._phrases)


def boosted(score: float) -> float:
    """The score of an unproven match with a cue near it."""
    return max(score, min(max(score + BOOST, BOOSTED_AT_LEAST), UNPROVEN_AT_MOST))
