"""Points in and out of their bytes, one by one and many at once, and an index filled either way."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.errors import VectorIndexError
from vault.index.interface import (
    Points,
    join_points,
    pack_block,
    pack_point,
    unpack_block,
    unpack_point,
    unpack_points,
)
from vault.index.score import ScopeIndex

DIMENSION = 8
Row = tuple[npt.NDArray[np.int8], float, dict[int, int], list[bytes | None], int | None]

TAGS = st.lists(st.none() | st.binary(min_size=8, max_size=8), min_size=3, max_size=3)
ROWS = st.lists(
    st.tuples(
        st.lists(st.integers(-127, 127), min_size=DIMENSION, max_size=DIMENSION).map(
            lambda values: np.array(values, dtype=np.int8)
        ),
        st.floats(0, 1, width=32),
        st.dictionaries(st.integers(0, 2**32 - 1), st.integers(1, 300), max_size=6),
        TAGS,
        st.none() | st.integers(1, 2**40),
    ),
    max_size=80,
)


def packed(rows: list[Row]) -> list[tuple[int, bytes]]:
    return [(n, pack_point(*row)) for n, row in enumerate(rows, 1)]


def extended(index: ScopeIndex, points: Points) -> None:
    index.extend(points.n, points.vectors, points.scales, points.terms, points.counts, points.sizes)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_points_come_back_as_they_were(rows: list[Row]) -> None:
    points = unpack_points(packed(rows))
    assert points.n == list(range(1, len(rows) + 1))
    assert points.sizes.tolist() == [len(row[2]) for row in rows]
    for place, (n, data) in enumerate(packed(rows)):
        vector, scale, terms, tags, expires_ms = rows[place]
        one = unpack_point(n, 1, data)
        assert one.vector.tolist() == points.vectors[place].tolist() == vector.tolist()
        assert one.scale == float(points.scales[place]) == scale
        assert one.terms == {term: min(count, 255) for term, count in terms.items()}
        wanted = (*(tag or bytes(8) for tag in tags), expires_ms or 0)
        assert (one.agent, one.app, one.run, one.expires_ms) == points.facts[place] == wanted


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(0, 80), st.sets(st.integers(1, 80), max_size=5))
def test_an_index_filled_at_once_answers_like_one_filled_row_by_row(
    rows: list[Row], cut: int, removed: set[int]
) -> None:
    one_by_one, at_once = ScopeIndex(DIMENSION), ScopeIndex(DIMENSION)
    for n, data in packed(rows):
        point = unpack_point(n, 1, data)
        one_by_one.append(n, point.vector, point.scale, point.terms)
    extended(at_once, unpack_points(packed(rows)[:cut]))
    extended(at_once, unpack_points(packed(rows)[cut:]))
    for n in removed:
        assert one_by_one.remove(n) == at_once.remove(n)
    query = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)
    asked = dict.fromkeys((term for row in rows[:3] for term in row[2]), 1.0)
    assert len(one_by_one) == len(at_once)
    assert one_by_one.search(query, asked, 100) == at_once.search(query, asked, 100)


def same(one: Points, other: Points) -> bool:
    arrays = ("vectors", "scales", "terms", "counts", "sizes")
    equal = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return equal and (one.n, one.facts) == (other.n, other.facts)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(0, 80))
def test_a_block_says_what_its_points_say(rows: list[Row], cut: int) -> None:
    points = packed(rows)
    parts = [unpack_points(points[:cut]), unpack_points(points[cut:])]
    blocks = [unpack_block(pack_block(part)) for part in parts]
    assert all(map(same, blocks, parts))
    assert same(join_points(blocks), unpack_points(points))


def test_blocks_of_another_layout_are_refused() -> None:
    rows: list[Row] = [(np.ones(DIMENSION, dtype=np.int8), 0.5, {7: 1}, [None, None, None], None)]
    good = pack_block(unpack_points(packed(rows)))
    sizes = bytearray(good)
    sizes[19] ^= 1  # how many terms the first row has
    for bad in (b"", good[:10], good[:-1], good + b"0", b"\x02" + good[1:], bytes(sizes)):
        with pytest.raises(VectorIndexError) as refused:
            unpack_block(bad)
        assert refused.value.code == "index.layout"
    longer = unpack_points([(1, pack_point(np.ones(4, dtype=np.int8), 0.5, {}, [None, None, None], None))])
    with pytest.raises(VectorIndexError):
        join_points([unpack_points(packed(rows)), longer])


def test_bytes_of_another_layout_are_refused() -> None:
    rows: list[Row] = [(np.ones(DIMENSION, dtype=np.int8), 0.5, {7: 1}, [None, None, None], None)]
    ((_, good),) = packed(rows)
    longer = pack_point(np.ones(DIMENSION + 1, dtype=np.int8), 0.5, {7: 1}, [None, None, None], None)
    for bad in (b"", good[:10], good[:-1], good + b"0", b"\x02" + good[1:], longer):
        with pytest.raises(VectorIndexError) as refused:
            unpack_points([(1, good), (2, bad)])
        assert refused.value.code == "index.layout"


def test_vectors_of_another_length_are_refused() -> None:
    other = unpack_points([(1, pack_point(np.ones(4, dtype=np.int8), 0.5, {}, [None, None, None], None))])
    with pytest.raises(VectorIndexError) as refused:
        extended(ScopeIndex(DIMENSION), other)
    assert refused.value.code == "index.dimension"
