"""Conversational context: the rows that stand before and after a row in its conversation say what it is about.

An answer often shares no word with the question that is asked of it later; the message that it replied to does.
So a row gets a share of what its neighbours match. What is said before a row is its context more than what comes
after. The shares are round numbers; their neighbours rank alike (docs/retrieval.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

Floats = npt.NDArray[np.float32]
Links = Sequence[npt.NDArray[np.bool_]]


def links(conversations: npt.NDArray[np.int32]) -> Links:
    """For each distance from 1 to REACH: whether row i and row i + distance are of one conversation."""
    return [conversations[step:] == conversations[:-step] for step in range(1, REACH + 1)]


def gains_in_context(gains: Floats, around: Links) -> Floats:
    """`gains` (terms, n), each at least the share of its neighbours' gain for the same term.

    The best of them counts, not their sum: a word that the row has itself gains nothing by being near again.
    """
    out = gains.copy()
    for step, weight, linked in _steps(around):
        before = gains[:, :-step] * (linked * np.float32(LEXICAL_BEFORE * weight))
        np.maximum(out[:, step:], before, out=out[:, step:])
        after = gains[:, step:] * (linked * np.float32(LEXICAL_AFTER * weight))
        np.maximum(out[:, :-step], after, out=out[:, :-step])
    return out


def cosines_in_context(cosines: Floats, around: Links) -> Floats:
    """`cosines` (n,), each raised part of the way to those of its neighbours that are higher."""
    out = cosines.copy()
    for step, weight, linked in _steps(around):
        higher = (cosines[:-step] - cosines[step:]) * (linked * np.float32(DENSE * weight))
        out[step:] += np.maximum(higher, 0.0)
        out[:-step] += np.maximum(-higher, 0.0)
    return out


def _steps(around: Links) -> Iterator[tuple[int, float, npt.NDArray[np.bool_]]]:
    """(distance, weight, links) of each distance within the scope."""
    for step, linked in enumerate(around, 1):
        if linked.size:
            yield step, HALVING ** (step - 1), linked
