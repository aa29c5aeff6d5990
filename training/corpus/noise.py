"""What happens to texts between a keyboard and a vault: lost case, slips, missing points, emoji, markup."""

from __future__ import annotations

import random
from typing import Final

from training.corpus.engine import Piece

LOWER_SHARE: Final = 0.16
UPPER_SHARE: Final = 0.04
TYPO_SHARE: Final = 0.08
BARE_SHARE: Final = 0.06
EMOJI_SHARE: Final = 0.04
MARKDOWN_SHARE: Final = 0.04

# What people write in any case; identifiers keep theirs, for it is part of them.
_RECASED: Final = frozenset(
    {None, "PERSON", "LOCATION", "ORGANIZATION", "STREET_ADDRESS", "DATE_TIME", "DATE_OF_BIRTH", "AGE", "NRP"}
)
_WORDS: Final = frozenset({None, "PERSON", "LOCATION", "ORGANIZATION"})
_EMOJI: Final = ("😊", "😂", "❤️", "👍", "🎉", "😭", "🙏", "🔥", "😍", "🤔", "✨", "💪", "🥳", "😅")


def _cased(text: str, *, upper: bool) -> str:
    """Each character's other case where it stays one character, so that lengths never change."""
    changed = (char.upper() if upper else char.lower() for char in text)
    return "".join(new if len(new) == 1 else old for new, old in zip(changed, text, strict=True))


def _slip(rng: random.Random, text: str) -> str:
    """One slip of the finger somewhere in the text, never on its first letter."""
    if len(text) < 4:
        return text
    at = rng.randrange(1, len(text) - 1)
    if not (text[at].isalpha() and text[at + 1].isalpha() and text[at - 1].isalpha()):
        return text
    kind = rng.random()
    if kind < 0.35:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind < 0.65:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at] + text[at:]


def _bare(text: str) -> str:
    return text.replace(",", "").replace(". ", " ").replace("'", "").rstrip(".!?")


def recase(rng: random.Random, pieces: list[Piece]) -> None:
    """Lower-case or upper-case the pieces where the draw asks for it."""
    chance = rng.random()
    if chance < LOWER_SHARE + UPPER_SHARE:
        for piece in pieces:
            if piece.entity in _RECASED:
                piece.text = _cased(piece.text, upper=chance >= LOWER_SHARE)


def disturb(rng: random.Random, pieces: list[Piece], kind: str) -> list[Piece]:
    """The pieces with the noise their draw asks for; identifiers keep their characters."""
    if kind != "forms":
        recase(rng, pieces)
    if rng.random() < TYPO_SHARE:
        for piece in pieces:
            if piece.entity in _WORDS and rng.random() < (0.6 if piece.entity is None else 0.15):
                piece.text = _slip(rng, piece.text)
    if rng.random() < BARE_SHARE:
        for piece in pieces:
            if piece.entity is None:
                piece.text = _bare(piece.text)
    if rng.random() < MARKDOWN_SHARE:
        pieces = _marked(rng, pieces)
    if rng.random() < EMOJI_SHARE:
        pieces.append(Piece(f" {rng.choice(_EMOJI) * rng.choice((1, 1, 2, 3))}", None))
    return pieces


def _marked(rng: random.Random, pieces: list[Piece]) -> list[Piece]:
    """Markdown around one value, or before the whole text."""
    named = [
        index for index, piece in enumerate(pieces) if piece.entity in ("PERSON", "LOCATION", "ORGANIZATION")
    ]
    if not named or rng.random() < 0.4:
        return [Piece(rng.choice(("- ", "* ", "> ", "## ", "1. ", "• ", "[ ] ")), None), *pieces]
    at = rng.choice(named)
    opening, closing = rng.choice(
        (("**", "**"), ("*", "*"), ("_", "_"), ("`", "`"), ("[", "](#)"), ('"', '"'))
    )
    return [*pieces[:at], Piece(opening, None), pieces[at], Piece(closing, None), *pieces[at + 1 :]]
