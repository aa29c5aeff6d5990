"""From logits to spans: which tokens stand out from "nothing", where a name begins, of which class it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from vault.redaction.ner.network import Floats
from vault.redaction.ner.tokens import TAGS

Piece = tuple[int, int, str, float]  # first token, token after the last, class, score

CLASSES: Final = tuple(tag[2:] for tag in TAGS[1::2])
LOWEST_SCORE: Final = 0.4
PERSON: Final = "PERSON"
# Measured on the dev sets: of the names taken for something else a third is found again, and of the places and
# organisations four in a hundred become persons as well.
PERSON_SHARE: Final = 0.1
_SHADE: Final = 0.001


def leads(logits: Floats) -> Floats:
    """By how much the best class of each token beats "nothing"."""
    lead: Floats = logits[:, 1:].max(axis=1) - logits[:, 0]
    return lead


def pieces(logits: Floats, lead: Floats, hits: Sequence[int]) -> list[Piece]:
    """The tokens `hits` as runs, cut where a name begins; a run can be reported as two classes."""
    found: list[Piece] = []
    start = 0
    for place in range(1, len(hits) + 1):
        if place < len(hits) and hits[place] == hits[place - 1] + 1 and not _begins(logits, hits[place]):
            continue
        found += _pieces(logits, lead, hits[start], hits[place - 1] + 1)
        start = place
    return found


def _begins(logits: Floats, token: int) -> bool:
    return bool(logits[token, 1:].argmax() % 2 == 0)


def _pieces(logits: Floats, lead: Floats, start: int, end: int) -> list[Piece]:
    """The class with the most weight over the run, and the doubt of its weakest token as score.

    A run that may as well be a person's name is a PERSON too, a shade less sure: a pack that keeps places and
    organisations must not keep a person who was taken for one.
    """
    rows = logits[start:end, 1:]
    weight = np.maximum(rows[:, 0::2], rows[:, 1::2]).mean(axis=0)
    sure = 1.0 / (1.0 + np.exp(-float(lead[start:end].min())))
    score = round(float(LOWEST_SCORE + 0.01 + (0.89 - LOWEST_SCORE) * sure), 3)
    best = CLASSES[int(weight.argmax())]
    odds = np.exp(weight - weight.max())
    if best != PERSON and odds[CLASSES.index(PERSON)] >= PERSON_SHARE * odds.sum():
        return [(start, end, best, score), (start, end, PERSON, score - _SHADE)]
    return [(start, end, best, score)]
