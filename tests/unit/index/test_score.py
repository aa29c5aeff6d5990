"""Scores of one scope against a plain re-computation, and the index that grows and shrinks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.errors import VectorIndexError
from vault.index.quantise import dequantise, quantise
from vault.index.score import DENSE_WEIGHT, K1, LEXICAL_WEIGHT, B, ScopeIndex, dense

DIMENSION = 16
Terms = dict[int, int]


def unit(seed: int, dimension: int = DIMENSION) -> npt.NDArray[np.float32]:
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def filled(rows: dict[int, tuple[int, Terms]]) -> ScopeIndex:
    """An index over {n: (seed of the vector, terms)}."""
    index = ScopeIndex(DIMENSION)
    for n, (seed, terms) in rows.items():
        values, scale = quantise(unit(seed))
        index.append(n, values, scale, terms)
    return index


def plain_scores(
    rows: dict[int, tuple[int, Terms]], query: npt.NDArray[np.float32], asked: dict[int, float]
) -> dict[int, float]:
    """The same scores, row by row, from the definitions."""
    mean = max(sum(sum(terms.values()) for _, terms in rows.values()) / len(rows), 1.0)
    value = {}
    for term, weight in asked.items():
        frequency = sum(term in terms for _, terms in rows.values())
        if frequency:
            value[term] = weight * math.log(1 + (len(rows) - frequency + 0.5) / (frequency + 0.5))
    out = {}
    for n, (seed, terms) in rows.items():
        length = sum(terms.values()) / mean
        lexical = sum(
            gain * (K1 + 1) * terms[term] / (terms[term] + K1 * (1 - B + B * length))
            for term, gain in value.items()
            if term in terms
        )
        cosine = float(dequantise(*quantise(unit(seed))) @ query)
        share = min(1.0, lexical / sum(value.values())) if value else 0.0
        out[n] = DENSE_WEIGHT * min(max(cosine, 0.0), 1.0) + LEXICAL_WEIGHT * share
    return out


ROWS = st.dictionaries(
    st.integers(0, 2**40),
    st.tuples(
        st.integers(0, 50),
        st.dictionaries(st.sampled_from([0, 1, 2, 65536, 65537, 2**32 - 1]), st.integers(1, 300)),
    ),
    min_size=1,
    max_size=20,
)
ASKED = st.dictionaries(
    st.sampled_from([0, 1, 2, 3, 65537, 131072, 2**32 - 1]), st.sampled_from([0.5, 1.0, 2.0])
)


@given(ROWS, st.integers(0, 50), ASKED)
@settings(max_examples=50, deadline=None)
def test_scores_are_the_definition(
    rows: dict[int, tuple[int, Terms]], seed: int, asked: dict[int, float]
) -> None:
    expected = plain_scores(rows, unit(seed), asked)
    hits = filled(rows).search(unit(seed), asked, len(rows))
    assert {n for n, _, _ in hits} == set(rows)
    for n, score, explain in hits:
        assert score == pytest.approx(expected[n], abs=1e-4)
        assert 0.0 <= score <= 1.0
        assert explain["dense_part"] + explain["lexical_part"] == pytest.approx(score, abs=1e-5)
    ranks = [(-score, -n) for n, score, _ in hits]
    assert ranks == sorted(ranks)


@given(ROWS, st.data())
@settings(max_examples=50, deadline=None)
def test_removing_is_as_if_never_added(rows: dict[int, tuple[int, Terms]], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(rows))))
    index = filled(rows)
    for n in gone:
        assert index.remove(n)
        assert not index.remove(n)
    left = {n: row for n, row in rows.items() if n not in gone}
    assert len(index) == len(left)
    asked = {1: 1.0, 65537: 1.0}
    assert index.search(unit(7), asked, 50) == filled(left).search(unit(7), asked, 50)


def test_grows_past_its_first_capacity() -> None:
    rows = {n: (n, {n % 7: 1, 1000 + n: 2, **{5000 + 20 * n + k: 1 for k in range(20)}}) for n in range(1500)}
    index = filled(rows)
    assert len(index) == 1500
    assert index.search(unit(1234), {2234: 1.0}, 1)[0][0] == 1234
    assert index.nbytes >= 1500 * (DIMENSION + 22 * 10)


def test_dense_blocks_give_what_one_product_gives() -> None:
    generator = np.random.default_rng(5)
    matrix = generator.integers(-127, 128, (1300, DIMENSION)).astype(np.int8)
    scales = np.full(1300, 0.001, dtype=np.float32)
    query = unit(9)
    expected = (matrix.astype(np.float64) @ query) * 0.001
    assert dense(matrix, scales, query) == pytest.approx(expected, abs=1e-5)
    assert dense(matrix[:0], scales[:0], query).shape == (0,)


def test_cosines_are_clipped() -> None:
    matrix = np.full((1, DIMENSION), 127, dtype=np.int8)
    query = np.ones(DIMENSION, dtype=np.float32)
    assert dense(matrix, np.ones(1, dtype=np.float32), query).tolist() == [1.0]


def test_equal_rows_come_newest_first() -> None:
    index = filled({n: (3, {1: 1}) for n in range(700)})
    assert [n for n, _, _ in index.search(unit(3), {1: 1.0}, 5)] == [699, 698, 697, 696, 695]


def test_plain_term_ids_count_once() -> None:
    index = filled({1: (1, {7: 1}), 2: (2, {8: 1})})
    assert index.search(unit(1), [7, 7, 9], 2) == index.search(unit(1), {7: 1.0, 9: 1.0}, 2)


def test_a_heavier_term_wins() -> None:
    index = filled({1: (1, {7: 1}), 2: (1, {8: 1})})
    zero = np.zeros(DIMENSION, dtype=np.float32)
    assert index.search(zero, {7: 1.0, 8: 3.0}, 1)[0][0] == 2
    assert index.search(zero, {7: 3.0, 8: 1.0}, 1)[0][0] == 1


def test_absent_terms_do_not_lower_a_score() -> None:
    index = filled({1: (1, {7: 1}), 2: (2, {8: 1})})
    asked = {7: 1.0, **dict.fromkeys(range(100, 300), 1.0)}
    assert index.search(unit(1), asked, 2) == index.search(unit(1), {7: 1.0}, 2)


def test_one_row_scores_on_the_same_scale() -> None:
    index = filled({1: (1, {7: 1})})
    assert index.search(unit(1), {7: 1.0}, 1)[0][1] == pytest.approx(1.0, abs=0.01)
    assert index.search(np.zeros(DIMENSION, dtype=np.float32), {}, 1)[0][1] == 0.0


def test_threshold_leaves_out_weaker_rows() -> None:
    index = filled({1: (1, {7: 1}), 2: (2, {8: 1})})
    every = index.search(unit(1), {7: 1.0}, 10)
    floor = every[0][1]
    assert [n for n, _, _ in index.search(unit(1), {7: 1.0}, 10, threshold=floor - 0.01)] == [1]
    assert index.search(unit(1), {7: 1.0}, 10, threshold=1.01) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_no_limit_no_hits(limit: int) -> None:
    assert filled({1: (1, {})}).search(unit(1), {}, limit) == []


def test_empty_scope() -> None:
    assert ScopeIndex(DIMENSION).search(unit(1), {1: 1.0}, 5) == []


def test_another_dimension_is_refused() -> None:
    index = ScopeIndex(DIMENSION)
    with pytest.raises(VectorIndexError):
        index.append(1, np.zeros(DIMENSION + 1, dtype=np.int8), 1.0, {})
    with pytest.raises(VectorIndexError):
        index.search(unit(1, DIMENSION + 1), {}, 1)
    assert len(index) == 0


def test_removed_rows_are_overwritten() -> None:
    index = filled({n: (n, {123456: 9}) for n in range(3)})
    for n in range(3):
        index.remove(n)
    assert not any(array.any() for array in (*index._by_row(), *index._by_term()))


def test_clear_overwrites_everything() -> None:
    index = filled({n: (n, {123456: 9}) for n in range(100)})
    index.clear()
    assert len(index) == 0
    assert not any(array.any() for array in (*index._by_row(), *index._by_term()))
