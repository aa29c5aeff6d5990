"""Per-vector symmetric int8: a quarter of the bytes of float32, cosine within 0.01."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from vault.errors import VectorIndexError

INT8_MAX: Final = 127


def quantise(vector: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], float]:
    """The int8 values (d,) and the scale: `vector` is about `scale * values`.

    A zero vector has scale 0. Raises VectorIndexError for another shape and for values that are not finite.
    """
    if vector.ndim != 1:
        raise VectorIndexError("index.vector", "a vector has one dimension")
    peak = float(np.abs(vector).max(initial=0.0))
    if not np.isfinite(peak):
        raise VectorIndexError("index.vector", "a vector holds only finite numbers")
    scale = float(np.float32(peak / INT8_MAX))
    if scale == 0.0:
        return np.zeros(vector.shape, dtype=np.int8), 0.0
    return np.rint(vector / scale).clip(-INT8_MAX, INT8_MAX).astype(np.int8), scale


def dequantise(values: npt.NDArray[np.int8], scale: float) -> npt.NDArray[np.float32]:
    """The float32 vector (d,) that `quantise` stood for, to rounding."""
    return values.astype(np.float32) * np.float32(scale)
