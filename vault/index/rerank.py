"""What a re-ranker is: a model that reads the question beside each text and orders the best ones anew.

None is shipped, and no setting names one; `Stages.reranker` takes one that the application brings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

from vault.errors import VectorIndexError

RERANKED: Final = (
    50  # the best rows of the index that a re-ranker reads, or as many as were asked for if more
)


class Reranker(Protocol):
    """Scores texts for a question. It is handed the question as it was asked, so it must run in this process."""

    def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """One score in [0, 1] for each text, higher is better; equal input gives equal scores."""


def rescored(reranker: Reranker, question: str, texts: Sequence[str]) -> list[float]:
    """The re-ranker's scores; raises VectorIndexError unless there is one in [0, 1] for each text."""
    scores = [float(score) for score in reranker.scores(question, texts)]
    if len(scores) != len(texts) or not all(math.isfinite(score) and 0 <= score <= 1 for score in scores):
        raise VectorIndexError("index.rerank", "the re-ranker must give one score in [0, 1] for each text")
    return scores
