"""Facts to remember, made by rule: the same count and seed always give the same texts.

A fact has fourteen words. Nine are drawn from the embedder's vocabulary, so no two facts share many; the rest
are the small words, dates and amounts of ordinary sentences. A question is six of its fact's nine words.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from vault.embedding.static import MODEL_FOLDER

USERS: Final = 50
SLOTS: Final = 9
ASKED: Final = 6
_TEMPLATES: Final = (
    "the {0} {1} moved {2} {3} before {4} {5} and {6} {7} {8}",
    "{0} {1} {2} keeps the {3} {4} near {5} {6} for {7} {8} now",
    "since {date} the {0} {1} {2} {3} wants {4} {5} {6} {7} {8}",
    "paid {amount} euros for {0} {1} {2} {3} with {4} {5} {6} {7} {8}",
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A text of one user, and the words that ask for it."""

    user: str
    text: str
    question: str


@cache
def vocabulary() -> tuple[str, ...]:
    """Whole words of the bundled embedder, 4 to 10 letters."""
    model = json.loads((MODEL_FOLDER / "tokenizer.json").read_bytes())["model"]
    return tuple(sorted(w for w in model["vocab"] if w.isascii() and w.isalpha() and 4 <= len(w) <= 10))


def facts(count: int, *, personal: float = 0.0, seed: int = 1) -> Iterator[Fact]:
    """`count` facts over the users in turn; a share `personal` of them ends with an address or a number."""
    chooser = random.Random(seed)
    words = vocabulary()
    for number in range(count):
        drawn = chooser.sample(words, SLOTS)
        date = f"{chooser.randint(1, 28)} {chooser.choice(('March', 'May', 'July', 'October'))}"
        amount = str(chooser.randint(2, 990))
        text = chooser.choice(_TEMPLATES).format(*drawn, date=date, amount=amount)
        if chooser.random() < personal:
            text = f"{text.rsplit(' ', 1)[0]} {_personal(chooser, words)}"
            drawn.pop()
        yield Fact(f"user-{number % USERS}", text, " ".join(drawn[:ASKED]))


def _personal(chooser: random.Random, words: tuple[str, ...]) -> str:
    kind = chooser.randrange(3)
    if kind == 0:
        return f"{chooser.choice(words)}.{chooser.choice(words)}{chooser.randint(1, 99)}@example.org"
    if kind == 1:
        return f"+4420794{chooser.randint(60000, 60999)}"  # numbers that Ofcom keeps for fiction
    return _card(f"4{chooser.randrange(10**14):014d}")


def _card(digits: str) -> str:
    """`digits` with the check digit that ISO/IEC 7812-1 asks for."""
    doubled = (int(d) * (2 if position % 2 == 0 else 1) for position, d in enumerate(reversed(digits)))
    return digits + str(-sum(d // 10 + d % 10 for d in doubled) % 10)
