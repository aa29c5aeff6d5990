"""Facts to remember, made by rule: the same count and seed always give the same texts.

A fact is a sentence of about twenty words. Nine are drawn from lists of common words, so no two facts
share many; a question is six of its fact's nine words. There are no names in it: those are redacted, and what
that costs retrieval is measured by benchmarks.redaction_cost.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

USERS: Final = 50
ASKED: Final = 6
_ADJECTIVES: Final = (
    "green old quiet broken heavy cheap wooden narrow bright dusty frozen gentle hollow yellow clumsy "
    "spicy silver modern plain rusty sharp sleepy soft sour steep striped sturdy sweet tidy tiny warm wet "
    "woollen loose muddy noisy orange pale polished purple round salty shallow short smooth spare square "
    "strong thick thin tall wide fragile fresh borrowed crowded expensive foggy folded hidden lazy leaky "
    "portable"
)
_NOUNS: Final = (
    "garden kitchen bicycle umbrella window table ladder piano blanket basket bottle bridge bucket candle "
    "carpet ceiling chair cheese clock coat corner curtain cushion dinner drawer engine fence flower "
    "forest fridge guitar hammer hedge helmet jacket kettle lamp lemon letter library lunch mirror "
    "mountain mushroom needle notebook orchard oven parcel pencil pepper picture pillow plate pocket pond "
    "printer pump puzzle radio river roof rope salad sandwich scarf school shed shelf shirt shower soup "
    "spoon stairs stamp station stove suitcase supper sweater tea tent ticket toast tomato towel train "
    "tree trumpet tunnel violin wallet wardrobe water wheel whistle wind yard yoghurt headache allergy "
    "appointment invoice payment refund contract meeting holiday weekend marathon swimming painting "
    "knitting chess cooking hiking insulin aspirin inhaler bandage vaccine diet sleep breakfast coffee "
    "juice bread butter rice noodles"
)
_VERBS: Final = (
    "moved sold painted repaired carried borrowed cleaned counted covered dropped finished fixed forgot "
    "found hid kept lifted lost mended opened ordered packed planted pulled pushed replaced returned "
    "saved shared washed wrapped cancelled collected compared described delivered dried enjoyed measured "
    "missed"
)
_TEMPLATES: Final = (
    "the {a0} {n0} was {v0} by the neighbours before the {n1}, and they {v1} the {a1} {n2} near the {n3} with {n4}",
    "I {v0} the {a0} {n0} last week because the {n1} was too {a1}, and then {v1} a {n2} and the {n3} for the {n4}",
    "since {date} the {a0} {n0} has to be {v0} with the {n1}, please keep the {a1} {n2} and {v1} {n3} for the {n4}",
    "paid {amount} euros for a {a0} {n0}, a {n1} and the {a1} {n2} that were {v0} and {v1} after {n3} with the {n4}",
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A text of one user, and the words that ask for it."""

    user: str
    text: str
    question: str


def facts(count: int, *, personal: float = 0.0, seed: int = 1) -> Iterator[Fact]:
    """`count` facts over the users in turn; a share `personal` of them ends with an address or a number."""
    chooser = random.Random(seed)
    for number in range(count):
        drawn = {
            kind + str(place): word
            for kind, words, most in (("a", _ADJECTIVES, 2), ("n", _NOUNS, 5), ("v", _VERBS, 2))
            for place, word in enumerate(chooser.sample(words.split(), most))
        }
        date = f"{chooser.randint(1, 28)} {chooser.choice(('March', 'May', 'July', 'October'))}"
        amount = str(chooser.randint(2, 990))
        text = chooser.choice(_TEMPLATES).format(**drawn, date=date, amount=amount)
        if chooser.random() < personal:
            text = f"{text}, write to {_personal(chooser)}"
        yield Fact(f"user-{number % USERS}", text, " ".join(list(drawn.values())[:ASKED]))


def _personal(chooser: random.Random) -> str:
    kind = chooser.randrange(3)
    if kind == 0:
        name = f"{chooser.choice(_ADJECTIVES.split())}.{chooser.choice(_NOUNS.split())}"
        return f"{name}{chooser.randint(1, 99)}@example.org"
    if kind == 1:
        return f"+4420794{chooser.randint(60000, 60999)}"  # numbers that Ofcom keeps for fiction
    return _card(f"4{chooser.randrange(10**14):014d}")


def _card(digits: str) -> str:
    """`digits` with the check digit that ISO/IEC 7812-1 asks for."""
    doubled = (int(d) * (2 if position % 2 == 0 else 1) for position, d in enumerate(reversed(digits)))
    return digits + str(-sum(d // 10 + d % 10 for d in doubled) % 10)
