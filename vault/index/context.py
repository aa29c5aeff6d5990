"""Conversational context: the rows that stand before and after a row in its conversation say what it is about.

An answer often shares no word with the question that is asked of it later; the message that it replied to does.
So a row gets a share of what its neighbours match. What is said before a row is its context more than what comes
after. The shares are round numbers; their neighbours rank alike (docs/retrieval.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

REACH: Final = 2  # rows to each side
HALVING: Final = 0.5  # by one row further away
# A query's term that is only in the row before counts so much of what it gives there; in the row after, so much.
LEXICAL_BEFORE: Final = 0.5
LEXICAL_AFTER: Final = 0.25
# A row rises so far towards the cosine of a neighbour that is nearer to the question, on either side.
DENSE: Final = 0.3

_ZERO: Final = np.float32(0.0)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Link:
    """What rows and those `step` further on give each other: arrays (n - step,), 0 between two conversations."""

    step: int
    terms_before: Floats  # of a term's gain in the row before
    terms_after: Floats
    cosine: Floats  # of what the higher cosine has more


def links(conversations: npt.NDArray[np.int32]) -> list[Link]:
    """The context of rows that stand in this order in the conversations with these numbers."""
    found = []
    for step in range(1, REACH + 1):
        linked = conversations[step:] == conversations[:-step]
        if linked.any():
            weight = HALVING ** (step - 1)
            shares = (LEXICAL_BEFORE * weight, LEXICAL_AFTER * weight, DENSE * weight)
            found.append(Link(step, *(linked * np.float32(share) for share in shares)))
    return found


def gains_in_context(gains: Floats, around: Sequence[Link]) -> Floats:
    """`gains` (terms, n), each at least the share of its neighbours' gain for the same term.

    The best of them counts, not their sum: a word that the row has itself gains nothing by being near again.
    """
    out = gains.copy()
    for link in around:
        behind, ahead = out[:, : -link.step], out[:, link.step :]
        np.maximum(ahead, gains[:, : -link.step] * link.terms_before, out=ahead)
        np.maximum(behind, gains[:, link.step :] * link.terms_after, out=behind)
    return out


def cosines_in_context(cosines: Floats, around: Sequence[Link]) -> Floats:
    """`cosines` (n,), each raised part of the way to those of its neighbours that are higher."""
    out = cosines.copy()
    for link in around:
        higher = (cosines[: -link.step] - cosines[link.step :]) * link.cosine
        out[link.step :] += np.maximum(higher, _ZERO)
        out[: -link.step] -= np.minimum(higher, _ZERO)
    return out
