"""What an outside index sees of a subject: turned exactly, blurred within bounds, and unlike any other subject's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.crypto.primitives import SecretKey
from vault.errors import KeyProviderError
from vault.index.protect import NOISE, Veil

KEYS = st.binary(min_size=32, max_size=32).map(lambda data: SecretKey(bytearray(data)))
DIMENSIONS = st.integers(2, 70) | st.sampled_from([128, 255, 256, 384])
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


def units(seed: int, count: int, dimension: int) -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@FEW
@given(KEYS, DIMENSIONS)
def test_the_turn_is_orthogonal(key: SecretKey, dimension: int) -> None:
    matrix = Veil(key, dimension).turned(np.eye(dimension, dtype=np.float32)).astype(np.float64)
    assert np.abs(matrix @ matrix.T - np.eye(dimension)).max() < 1e-5


@FEW
@given(KEYS, DIMENSIONS, SEEDS)
def test_inner_products_stay(key: SecretKey, dimension: int, seed: int) -> None:
    vectors = units(seed, 8, dimension)
    turned = Veil(key, dimension).turned(vectors)
    assert np.abs(turned @ turned.T - vectors @ vectors.T).max() < 1e-5


@FEW
@given(KEYS, DIMENSIONS, SEEDS, st.binary(max_size=20), st.integers(0, 2**64 - 1))
def test_what_is_stored_is_within_the_noise(
    key: SecretKey, dimension: int, seed: int, record: bytes, version: int
) -> None:
    """A unit vector in a ball of NOISE: its angle to the turned one is at most asin(NOISE)."""
    veil = Veil(key, dimension)
    (vector,) = units(seed, 1, dimension)
    stored = veil.covered(vector, record, version)
    assert abs(float(np.linalg.norm(stored)) - 1.0) < 1e-5
    assert float(stored @ veil.turned(vector)) >= np.sqrt(1.0 - NOISE**2) - 1e-5


@FEW
@given(KEYS, SEEDS, st.binary(max_size=20), st.integers(0, 2**32))
def test_the_same_is_sent_again_as_it_was_and_anything_else_has_other_noise(
    key: SecretKey, seed: int, record: bytes, version: int
) -> None:
    vector, other = units(seed, 2, 64)
    veil, again = Veil(key, 64), Veil(SecretKey(bytearray(key.buffer)), 64)
    stored = veil.covered(vector, record, version)
    assert np.array_equal(stored, again.covered(vector, record, version))
    for changed in (veil.covered(vector, record + b"x", version), veil.covered(vector, record, version + 1)):
        assert np.abs(changed - stored).max() > 1e-3
    difference = veil.covered(other, record, version) - stored
    assert np.abs(difference - veil.turned(other - vector)).max() > 1e-3


def test_the_noise_fills_its_ball_evenly() -> None:
    """Mean direction near zero; in 8 dimensions half of the draws lie beyond 2**(-1/8) of the radius."""
    veil, zero = Veil(SecretKey(bytearray(32)), 8), np.zeros(8, dtype=np.float32)
    drawn = np.array([veil.covered(zero, b"", n) for n in range(4_000)])
    assert np.abs(drawn.mean(axis=0)).max() < 0.03
    (vector,) = units(1, 1, 8)
    turned = veil.turned(vector).astype(np.float64)
    lengths = []
    for n in range(4_000):
        stored = veil.covered(vector, b"", n).astype(np.float64)
        across = stored - (stored @ turned) * turned
        lengths.append(float(np.linalg.norm(across)) / float(stored @ turned))
    assert 0.2 < np.median(lengths) / NOISE < 1.2  # the part of the noise across the vector
    assert max(lengths) <= NOISE / np.sqrt(1.0 - NOISE**2) + 1e-6


@FEW
@given(st.sampled_from([64, 255, 256]), SEEDS)
def test_two_subjects_are_unrelated(dimension: int, seed: int) -> None:
    """The same 40 vectors under two keys: cosines across are those of random directions (6 sigma over 40 draws)."""
    vectors = units(seed, 40, dimension)
    one, other = (
        Veil(SecretKey(bytearray(np.random.default_rng([seed, n]).bytes(32))), dimension) for n in (1, 2)
    )
    across = np.einsum("ij,ij->i", one.turned(vectors), other.turned(vectors))
    assert np.abs(across).max() < 6.0 / np.sqrt(dimension)
    words = range(1, 200)
    assert len(set(one.terms(words)) & set(other.terms(words))) < 3


@FEW
@given(KEYS, st.sets(st.integers(0, 2**32 - 1), max_size=50))
def test_terms_are_renamed_alike_and_say_nothing_of_their_order(key: SecretKey, terms: set[int]) -> None:
    veil = Veil(key, 4)
    names = veil.terms(terms)
    assert names == Veil(key, 4).terms(sorted(terms, reverse=True)) == sorted(names)
    assert set(names) == {veil.term(term) for term in terms}
    assert all(0 <= name < 2**32 for name in names)


def test_a_destroyed_key_makes_nothing_more() -> None:
    key = SecretKey.random()
    veil = Veil(key, 8)
    key.close()
    with pytest.raises(KeyProviderError):
        veil.term(1)
    with pytest.raises(KeyProviderError):
        veil.covered(np.zeros(8, dtype=np.float32), b"", 1)
