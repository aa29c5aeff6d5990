"""Per-vector int8: small error, exact edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.errors import VectorIndexError
from vault.index.quantise import INT8_MAX, dequantise, quantise


def unit(seed: int, dimension: int = 256) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_cosines_keep_two_digits(one: int, other: int) -> None:
    a, b = unit(one), unit(other)
    values, scale = quantise(a)
    assert values.dtype == np.int8
    assert float(dequantise(values, scale) @ b) == pytest.approx(float(a @ b), abs=0.01)
    assert float(dequantise(values, scale) @ a) == pytest.approx(1.0, abs=0.01)


def test_the_largest_number_uses_the_whole_range() -> None:
    values, scale = quantise(np.array([0.5, -1.0, 0.0], dtype=np.float32))
    assert values.tolist() == [64, -INT8_MAX, 0]
    assert scale == pytest.approx(1 / INT8_MAX)


def test_zero_stays_zero() -> None:
    values, scale = quantise(np.zeros(4, dtype=np.float32))
    assert (values.tolist(), scale) == ([0, 0, 0, 0], 0.0)
    assert dequantise(values, scale).tolist() == [0.0] * 4


def test_an_empty_vector_is_empty() -> None:
    values, scale = quantise(np.zeros(0, dtype=np.float32))
    assert (values.size, scale) == (0, 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(VectorIndexError):
        quantise(np.array([0.1, value], dtype=np.float32))


def test_a_matrix_is_refused() -> None:
    with pytest.raises(VectorIndexError):
        quantise(np.zeros((2, 2), dtype=np.float32))
