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
from vault.index.score import (
    DENSE_WEIGHT,
    K1,
    LEXICAL_WEIGHT,
    MEAN_PRIOR_ROWS,
    B,
    ScopeIndex,
    cosines,
    dense,
)

DIMENSION = 16
Terms = dict[int, int]
# What a row takes of the one so far before it (below 0) or after it: of a term's gain, and of a higher cosine.
TERM_SHARES = {0: 1.0, -1: 0.5, 1: 0.25, -2: 0.25, 2: 0.125}
COSINE_SHARES = {0: 0.0, -1: 0.3, 1: 0.3, -2: 0.15, 2: 0.15}


def unit(seed: int, dimension: int = DIMENSION) -> npt.NDArray[np.float32]:
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def filled(rows: dict[int, tuple[int, Terms]], conversations: dict[int, int] | None = None) -> ScopeIndex:
    """An index over {n: (seed of the vector, terms)}; without `conversations`, each row is one of its own."""
    index = ScopeIndex(DIMENSION)
    for n, (seed, terms) in rows.items():
        values, scale = quantise(unit(seed))
        index.append(n, values, scale, terms, n % 2**31 if conversations is None else conversations[n])
    return index


def plain_scores(
    rows: dict[int, tuple[int, Terms]],
    conversations: dict[int, int],
    query: npt.NDArray[np.float32],
    asked: dict[int, float],
) -> dict[int, float]:
    """The same scores, row by row, from the definitions."""
    length = max(sum(sum(terms.values()) for _, terms in rows.values()) / len(rows), 1.0)
    value = {}
    for term, weight in asked.items():
        frequency = sum(term in terms for _, terms in rows.values())
        if frequency:
            value[term] = weight * math.log(1 + (len(rows) - frequency + 0.5) / (frequency + 0.5))
    vectors = {n: dequantise(*quantise(unit(seed))) for n, (seed, _) in rows.items()}
    mean = sum(vectors.values()) / (len(rows) + MEAN_PRIOR_ROWS)

    def cosine(n: int) -> float:
        row, centred = vectors[n] - mean, query - mean
        return float(row @ centred / np.linalg.norm(row) / np.linalg.norm(centred))

    def gain(n: int, term: int) -> float:
        terms = rows[n][1]
        count, size = terms.get(term, 0), sum(terms.values()) / length
        return value[term] * (K1 + 1) * count / (count + K1 * (1 - B + B * size)) if count else 0.0

    order = list(rows)
    out = {}
    for place, n in enumerate(order):
        near = {
            step: order[place + step]
            for step in TERM_SHARES
            if 0 <= place + step < len(order) and conversations[order[place + step]] == conversations[n]
        }
        lexical = sum(max(TERM_SHARES[step] * gain(m, term) for step, m in near.items()) for term in value)
        own = cosine(n)
        close = own + sum(COSINE_SHARES[step] * max(cosine(m) - own, 0.0) for step, m in near.items())
        share = min(1.0, lexical / sum(value.values())) if value else 0.0
        out[n] = DENSE_WEIGHT * min(max(close, 0.0), 1.0) + LEXICAL_WEIGHT * share
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


@given(ROWS, st.integers(0, 50), ASKED, st.data())
@settings(max_examples=50, deadline=None)
def test_scores_are_the_definition(
    rows: dict[int, tuple[int, Terms]], seed: int, asked: dict[int, float], data: st.DataObject
) -> None:
    conversations = {n: data.draw(st.integers(0, 2)) for n in rows}
    expected = plain_scores(rows, conversations, unit(seed), asked)
    hits = filled(rows, conversations).search(unit(seed), asked, len(rows))
    assert {n for n, _, _ in hits} == set(rows)
    for n, score, explain in hits:
        assert score == pytest.approx(
            expected[n], abs=1e-3
        )  # rows count as of length 1; quantised they nearly are
        assert 0.0 <= score <= 1.0
        parts = explain["dense_part"] + explain["lexical_part"] + explain["context_part"]
        assert parts == pytest.approx(score, abs=1e-5)
        assert explain["context_part"] >= 0.0
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


@given(ROWS, st.data())
@settings(max_examples=50, deadline=None)
def test_a_search_between_changes_leaves_nothing_behind(
    rows: dict[int, tuple[int, Terms]], data: st.DataObject
) -> None:
    """What one search finds out about all rows is found out anew once rows come or go."""
    index, asked, present = ScopeIndex(DIMENSION), {1: 1.0, 65537: 1.0}, dict[int, tuple[int, Terms]]()
    for n, row in rows.items():
        index.append(n, *quantise(unit(row[0])), row[1], n % 3)
        present[n] = row
        if data.draw(st.booleans()):
            assert index.remove(n)
            del present[n]
        conversations = {n: n % 3 for n in present}
        assert index.search(unit(7), asked, 50) == filled(present, conversations).search(unit(7), asked, 50)


def test_what_was_found_out_about_rows_is_overwritten_when_they_go() -> None:
    index = filled({n: (n, {n: 1}) for n in range(9)})
    index.search(unit(1), {1: 1.0}, 3)
    standing = index._standing()
    assert standing.mean.any()
    index.clear()
    assert not standing.mean.any()
    assert not standing.lengths.any()


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
    queries = np.column_stack((unit(9), unit(10)))
    expected = (matrix.astype(np.float64) @ queries) * 0.001
    for column, query in enumerate(queries.T):
        assert dense(matrix, scales, query) == pytest.approx(expected[:, column], abs=1e-5)
    assert dense(matrix[:0], scales[:0], unit(9)).shape == (0,)


def test_cosines_are_clipped() -> None:
    matrix = np.full((1, DIMENSION), 127, dtype=np.int8)
    query = np.ones(DIMENSION, dtype=np.float32)
    nothing = np.zeros(DIMENSION, dtype=np.float32)
    one = np.ones(1, dtype=np.float32)
    assert cosines(matrix, one, query, nothing, one).tolist() == [1.0]


def test_a_row_or_a_question_without_words_is_like_nothing() -> None:
    index = filled({n: (n, {}) for n in range(5)})
    index.append(9, *quantise(np.zeros(DIMENSION, dtype=np.float32)), {}, 9)
    assert {n: explain["dense"] for n, _, explain in index.search(unit(1), {}, 9)}[9] == 0.0
    asked = index.search(np.zeros(DIMENSION, dtype=np.float32), {}, 9)
    assert {score for _, score, _ in asked} == {0.0}


def test_what_all_rows_share_says_nothing() -> None:
    """With a common direction in every row, the one that has the question's own direction stands out."""
    common = 3 * unit(1)
    vectors = [(common + unit(seed)) / np.linalg.norm(common + unit(seed)) for seed in range(10, 60)]
    index = ScopeIndex(DIMENSION)
    for n, vector in enumerate(vectors):
        index.append(n, *quantise(vector.astype(np.float32)), {}, n)
    (first, best, _), (_, second, _) = index.search(vectors[7].astype(np.float32), {}, 2)
    runner_up = sorted(vectors[7] @ vector for vector in vectors)[-2]
    assert first == 7
    assert best - second > 1.5 * DENSE_WEIGHT * (1 - runner_up)


def test_an_answer_is_found_by_the_message_before_it() -> None:
    rows = {
        1: (1, {5: 1}),
        2: (2, {7: 1, 8: 1}),
        3: (3, {6: 1}),
        4: (4, {9: 1}),
        5: (5, {9: 1}),
        6: (6, {9: 1}),
    }
    zero = np.zeros(DIMENSION, dtype=np.float32)
    together = filled(rows, dict.fromkeys(rows, 0)).search(zero, {7: 1.0}, 4)
    assert [n for n, _, _ in together] == [2, 3, 4, 1]
    assert together[1][2]["context_part"] == pytest.approx(2 * together[2][2]["context_part"])
    apart = filled(rows).search(zero, {7: 1.0}, 4)
    assert [n for n, score, _ in apart if score > 0] == [2]
    assert apart[0][1] == together[0][1]


def test_a_word_that_is_near_again_gains_nothing() -> None:
    rows = {n: (n, {7: 1}) for n in range(4)} | {9: (9, {8: 1})}
    zero = np.zeros(DIMENSION, dtype=np.float32)
    together = filled(rows, dict.fromkeys(rows, 0)).search(zero, {7: 1.0}, 4)
    assert {explain["context_part"] for n, _, explain in together if n != 9} == {0.0}


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
