"""Points in and out of their bytes, one by one and many at once, and an index filled either way."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.embedding.interface import FIRST_IDENTITY, model_id
from vault.errors import VectorIndexError
from vault.index.points import (
    FIRST_MODEL,
    Points,
    Vector,
    join_points,
    models_of,
    pack_block,
    pack_point,
    tag_number,
    unpack_block,
    unpack_point,
    unpack_points,
)
from vault.index.score import ScopeIndex

DIMENSION = 8
MODEL = b"model---"
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
    return [
        (n, pack_point([Vector(MODEL, values, scale)], *rest))
        for n, (values, scale, *rest) in enumerate(rows, 1)
    ]


def unpacked(packed: list[tuple[int, bytes]]) -> Points:
    return unpack_points(packed, MODEL)


def narrow(dimension: int) -> bytes:
    vector = Vector(MODEL, np.ones(dimension, dtype=np.int8), 0.5)
    return pack_point([vector], {7: 1}, [None, None, None], None)


def extended(index: ScopeIndex, points: Points) -> None:
    index.extend(points)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_points_come_back_as_they_were(rows: list[Row]) -> None:
    points = unpacked(packed(rows))
    assert points.n == list(range(1, len(rows) + 1))
    assert points.sizes.tolist() == [len(row[2]) for row in rows]
    for place, (n, data) in enumerate(packed(rows)):
        vector, scale, terms, tags, expires_ms = rows[place]
        one = unpack_point(n, 1, data)
        (found,) = one.vectors
        assert found.values.tolist() == points.vectors[place].tolist() == vector.tolist()
        assert (found.model, found.scale) == (MODEL, scale) == (points.model, float(points.scales[place]))
        assert one.terms == {term: min(count, 255) for term, count in terms.items()}
        wanted = tuple(tag or bytes(8) for tag in tags)
        assert (one.agent, one.app, one.run) == wanted
        assert tuple(points.tags[place].tolist()) == tuple(map(tag_number, wanted))
        assert one.expires_ms == points.expires[place] == (expires_ms or 0)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(0, 80), st.sets(st.integers(1, 80), max_size=5))
def test_an_index_filled_at_once_answers_like_one_filled_row_by_row(
    rows: list[Row], cut: int, removed: set[int]
) -> None:
    one_by_one, at_once = ScopeIndex(DIMENSION), ScopeIndex(DIMENSION)
    for n, data in packed(rows):
        point = unpack_point(n, 1, data)
        (vector,) = point.vectors
        one_by_one.append(n, vector.values, vector.scale, point.terms)
    extended(at_once, unpacked(packed(rows)[:cut]))
    extended(at_once, unpacked(packed(rows)[cut:]))
    for n in removed:
        assert one_by_one.remove(n) == at_once.remove(n)
    query = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)
    asked = dict.fromkeys((term for row in rows[:3] for term in row[2]), 1.0)
    assert len(one_by_one) == len(at_once)
    assert one_by_one.search(query, asked, 100) == at_once.search(query, asked, 100)


def same(one: Points, other: Points) -> bool:
    arrays = ("vectors", "scales", "terms", "counts", "sizes", "tags", "expires")
    equal = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return equal and one.n == other.n


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(0, 80))
def test_a_block_says_what_its_points_say(rows: list[Row], cut: int) -> None:
    points = packed(rows)
    parts = [unpacked(points[:cut]), unpacked(points[cut:])]
    blocks = [unpack_block(pack_block(part)) for part in parts]
    assert all(map(same, blocks, parts))
    assert same(join_points(blocks), unpacked(points))


def first_point(row: Row) -> bytes:
    """A point as format 1 had it: one vector, of the model that there was."""
    vector, scale, terms, tags, expires_ms = row
    head = struct.pack("<BHHfq", 1, len(vector), len(terms), scale, expires_ms or 0)
    counts = bytes(min(count, 255) for count in terms.values())
    ids = np.array(list(terms), dtype="<u4").tobytes()
    return head + b"".join(tag or bytes(8) for tag in tags) + vector.tobytes() + ids + counts


def first_block(points: Points) -> bytes:
    data = pack_block(points)
    return b"\x01" + data[9:]


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_what_format_1_wrote_is_read_as_of_the_model_there_was(rows: list[Row]) -> None:
    old = [(n, first_point(row)) for n, row in enumerate(rows, 1)]
    points = unpack_points(old, FIRST_MODEL)
    assert same(points, unpacked(packed(rows)))
    assert points.model == FIRST_MODEL == model_id(FIRST_IDENTITY)
    block = unpack_block(first_block(points))
    assert same(block, points)
    assert block.model == FIRST_MODEL


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_of_two_vectors_the_asked_models_is_read(rows: list[Row]) -> None:
    wide = Vector(b"other---", np.ones(DIMENSION + 3, dtype=np.int8), 0.25)
    both = [
        (n, pack_point([Vector(MODEL, values, scale), wide], *rest))
        for n, (values, scale, *rest) in enumerate(rows, 1)
    ]
    assert same(unpacked(both), unpacked(packed(rows)))
    other = unpack_points(both, b"other---")
    assert other.vectors.shape[0] == len(rows)
    for n, data in both:
        assert models_of(data) == (MODEL, b"other---")
        first, second = unpack_point(n, 1, data).vectors
        assert first.values.tolist() == rows[n - 1][0].tolist()
        assert (second.values.tolist(), second.scale) == (wide.values.tolist(), 0.25)


def test_a_point_without_the_models_vector_is_refused_and_blocks_of_two_models_do_not_join() -> None:
    rows: list[Row] = [(np.ones(DIMENSION, dtype=np.int8), 0.5, {7: 1}, [None, None, None], None)]
    with pytest.raises(VectorIndexError) as refused:
        unpack_points(packed(rows), b"other---")
    assert refused.value.code == "index.model"
    assert "memvault reembed" in refused.value.message
    old = unpack_points([(1, first_point(rows[0]))], FIRST_MODEL)
    with pytest.raises(VectorIndexError) as refused:
        join_points([unpacked(packed(rows)), old])
    assert refused.value.code == "index.layout"


def test_blocks_of_another_layout_are_refused() -> None:
    rows: list[Row] = [(np.ones(DIMENSION, dtype=np.int8), 0.5, {7: 1}, [None, None, None], None)]
    good = pack_block(unpacked(packed(rows)))
    sizes = bytearray(good)
    sizes[27] ^= 1  # how many terms the first row has
    for bad in (b"", good[:10], good[:-1], good + b"0", b"\x01" + good[1:], b"\x03" + good[1:], bytes(sizes)):
        with pytest.raises(VectorIndexError) as refused:
            unpack_block(bad)
        assert refused.value.code == "index.layout"
    longer = unpacked([(1, narrow(4))])
    with pytest.raises(VectorIndexError):
        join_points([unpacked(packed(rows)), longer])


def test_bytes_of_another_layout_are_refused() -> None:
    rows: list[Row] = [(np.ones(DIMENSION, dtype=np.int8), 0.5, {7: 1}, [None, None, None], None)]
    ((_, good),) = packed(rows)
    longer = narrow(DIMENSION + 1)
    for bad in (b"", good[:10], good[:-1], good + b"0", b"\x01" + good[1:], b"\x03" + good[1:], longer):
        with pytest.raises(VectorIndexError) as refused:
            unpacked([(1, good), (2, bad)])
        assert refused.value.code == "index.layout"


def test_vectors_of_another_length_are_refused() -> None:
    other = unpacked([(1, narrow(4))])
    with pytest.raises(VectorIndexError) as refused:
        extended(ScopeIndex(DIMENSION), other)
    assert refused.value.code == "index.dimension"
