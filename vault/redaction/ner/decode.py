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


def pieces(logits: Floats, bias: float, barred: Sequence[int] = ()) -> list[Piece]:
    """Runs of tokens whose best class beats "nothing" less `bias`, cut where a name begins.

    `barred` tokens are in no run. A greater bias never takes a token out: each is decided by its own row.
    """
    lead = logits[:, 1:].max(axis=1) - logits[:, 0]
    if barred:
        lead[list(barred)] = -np.inf
    hits = np.flatnonzero(lead > -bias).tolist()
    if not hits:
        return []
    found: list[Piece] = []
    begin = last = hits[0]
    for token in [*hits[1:], None]:
        if token is not None and token == last + 1 and not _begins(logits, token):
            last = token
            continue
        found.append(_piece(logits, lead, begin, last + 1))
        if token is not None:
            begin = last = token
    return found


def _begins(logits: Floats, token: int) -> bool:
    return bool(logits[token, 1:].argmax() % 2 == 0)


def _piece(logits: Floats, lead: Floats, start: int, end: int) -> Piece:
    """The class with the most weight over the run, and the doubt of its weakest token as score."""
    rows = logits[start:end, 1:]
    weight = np.maximum(rows[:, 0::2], rows[:, 1::2]).sum(axis=0)
    sure = 1.0 / (1.0 + np.exp(-float(lead[start:end].min())))
    score = round(float(LOWEST_SCORE + 0.01 + (0.89 - LOWEST_SCORE) * sure), 3)
    return start, end, CLASSES[int(weight.argmax())], score
