"""Vectors of length 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vault.errors import EmbedderError


def unit_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each row scaled to length 1; a zero row stays. Raises EmbedderError for values that are not finite."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise EmbedderError("embedder.finite", "the embedder gave a vector that is not finite")
    made: npt.NDArray[np.float32] = (rows / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)
    return made
