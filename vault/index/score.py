"""Scoring of one scope in memory: cosine over int8 vectors, BM25 over term ids, their context, and their fusion.

Everything is exact and deterministic: no approximate structure, ties go to the newer row. A caller that
shares an index between threads brings its own lock.

Both parts are normalised on absolute scales: the cosine as it is, once what all rows have in common is taken
out, and BM25 as a share of what the query could get. So a threshold has a meaning, and hits of several scopes can
be merged. What each choice is worth, and what was tried and dropped: docs/retrieval.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from vault.errors import VectorIndexError
from vault.index.context import REACH, Link, cosines_in_context, gains_in_context, links
from vault.index.points import Points

# BM25 (Robertson and Zaragoza 2009): how slowly a term's count saturates; how much a row's length matters.
# Below the usual 1.2 and 0.75, because memories are short and their lengths say little: docs/retrieval.md.
K1: Final = 0.8
B: Final = 0.2
# The weights of the two parts; they sum to 1, so a score is in [0, 1].
DENSE_WEIGHT: Final = 0.5
LEXICAL_WEIGHT: Final = 0.5
# The mean vector is taken as if so many rows without a direction were among the rows: few have little in common.
MEAN_PRIOR_ROWS: Final = 50

_FIRST_CAPACITY: Final = 64
# Rows turned to float32 at once: 512 rows of 256 numbers are 512 KB, which stays in a core's cache.
_BLOCK: Final = 512
_PARTS: Final = ("dense", "lexical", "dense_part", "lexical_part", "context_part")
_DIGITS: Final = 6
_TINY: Final = 1e-6
_LOW_BITS: Final = 0xFFF  # a table of 4 KB, which leaves the rest of a core's first cache alone
_STANDING_BYTES: Final = 4 * (1 + 3 * REACH)  # a row's part of a _Standing
_NONE: Final = np.zeros(0, dtype=np.intp)
_MAX_COUNT: Final = np.iinfo(np.uint16).max

_T = TypeVar("_T", bound=np.generic)
Floats = npt.NDArray[np.float32]
# Of rows with these scope tags (n, 3) and times of expiry (n,), those that may be answered.
Admits = Callable[[npt.NDArray[np.uint64], npt.NDArray[np.int64]], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Postings:
    """Terms of all rows, row after row: three arrays of one length; and each row's length in terms."""

    terms: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint16]
    rows: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Whole:
    """What the scope is like of which only some rows are here: how many there are, their mean vector, as `mean_of`
    makes it, their mean length, and how many hold each term of the question."""

    rows: int
    mean: Floats
    length: float
    frequencies: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Outline:
    """What a scope gives to a `Whole` of several: its rows, the sum of their vectors, the sum of their lengths, and
    how many hold each term of the question."""

    rows: int
    vectors: npt.NDArray[np.float64]
    length: float
    frequencies: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class _Standing:
    """What every search of the same rows needs: their mean, their lengths less it, and their context."""

    mean: Floats
    lengths: Floats
    around: list[Link]


def mean_of(total: npt.NDArray[np.float64], rows: int) -> Floats:
    """What the vectors have in common, from the sum of `rows` of them; few rows have little in common."""
    mean: Floats = (total / (rows + MEAN_PRIOR_ROWS)).astype(np.float32)
    return mean


def whole_of(outlines: Iterable[Outline]) -> Whole:
    """Scopes as one: a row ranks among all of their rows as it would if they were one scope."""
    rows, length, vectors = 0, 0.0, None
    frequencies: dict[int, float] = {}
    for one in outlines:
        rows, length = rows + one.rows, length + one.length
        vectors = one.vectors if vectors is None else vectors + one.vectors
        for term, count in one.frequencies.items():
            frequencies[term] = frequencies.get(term, 0.0) + count
    if vectors is None:
        raise VectorIndexError("index.empty", "a whole is made of at least one scope")
    return Whole(rows, mean_of(vectors, rows), length / max(rows, 1), frequencies)


def dense(matrix: npt.NDArray[np.int8], scales: Floats, query: Floats) -> Floats:
    """Products (n,) of the rows `scales[i] * matrix[i]` with `query` (d,).

    Memory beyond the result is one block, whatever n is.
    """
    rows = len(matrix)
    out = np.empty(rows, dtype=np.float32)
    block = np.empty((min(rows, _BLOCK), matrix.shape[1]), dtype=np.float32)
    for start in range(0, rows, _BLOCK):
        part = matrix[start : start + _BLOCK]
        block[: len(part)] = part
        np.dot(block[: len(part)], query, out=out[start : start + len(part)])
    out *= scales
    return out


def lengths_less(mean: Floats, matrix: npt.NDArray[np.int8], scales: Floats) -> Floats:
    """Lengths (n,) of the unit rows, each less `mean`; without end for zero vectors, so that their cosines are 0."""
    squared = 1.0 - 2.0 * dense(matrix, scales, mean) + np.float32(mean @ mean)
    lengths: Floats = np.sqrt(np.maximum(squared, np.float32(_TINY)))
    lengths[scales == 0.0] = np.inf
    return lengths


def cosines(
    matrix: npt.NDArray[np.int8], scales: Floats, query: Floats, mean: Floats, lengths: Floats
) -> Floats:
    """Cosines (n,) of the unit `query` with the unit rows, each less `mean`, within [-1, 1].

    `lengths` are those of the rows, as `lengths_less` makes them.
    """
    centred = query - mean
    length = math.sqrt(centred @ centred)
    if not query.any() or length < _TINY:
        return np.zeros(len(matrix), dtype=np.float32)
    centred /= np.float32(length)
    products = dense(matrix, scales, centred)
    products -= centred @ mean
    products /= lengths
    return _bounded(products, -1.0, 1.0)


def bm25(postings: Postings, query: Mapping[int, float], whole: Whole | None = None) -> tuple[Floats, float]:
    """BM25 (terms, n) of the weighted term ids `query`, term by term, and what a row with each term once would get.

    IDF and mean length are those of these rows alone, or of `whole`. Terms that no row of it holds are left out of
    both: after redaction a query's names are absent from every row, and must not make the other words count less.
    """
    rows = len(postings.lengths)
    ids = np.array(sorted(query), dtype=np.uint32)
    near, place = _found(postings.terms, ids)
    if not near.size:
        return np.zeros((0, rows), dtype=np.float32), 0.0
    holders = postings.rows[near]
    # A row holds a term once, so a term's occurrences in `place` are its document frequency.
    frequency = np.bincount(place, minlength=len(ids))
    held = frequency > 0
    mean_length = float(postings.lengths.sum()) / rows if whole is None else whole.length
    known, scarcity = held, idf(rows, frequency)
    if whole is not None:
        counted = np.maximum([whole.frequencies.get(term, 0.0) for term in ids.tolist()], frequency)
        known, scarcity = counted > 0, idf(whole.rows, counted)
    value = scarcity * np.array([query[term] for term in ids.tolist()])
    length = postings.lengths[holders] / max(mean_length, 1.0)
    count = postings.counts[near].astype(np.float64)
    gains = np.zeros((int(held.sum()), rows), dtype=np.float32)
    gains[(np.cumsum(held) - 1)[place], holders] = (
        value[place] * (K1 + 1.0) * count / (count + K1 * (1.0 - B + B * length))
    )
    return gains, float(value[known].sum())


def idf(rows: int, frequency: Any) -> Any:
    """How much a term says that `frequency` of `rows` rows hold (a number, or an array of them); above 0."""
    return np.log1p((rows - frequency + 0.5) / (frequency + 0.5))


def _found(
    terms: npt.NDArray[np.uint32], ids: npt.NDArray[np.uint32]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of the sorted `ids` among `terms`, and which of them stands there."""
    near = _near(terms, ids)
    if not near.size:
        return _NONE, _NONE
    place = np.minimum(np.searchsorted(ids, terms[near]), len(ids) - 1)
    exact = ids[place] == terms[near]
    return near[exact], place[exact]


def _near(terms: npt.NDArray[np.uint32], ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.intp]:
    """Positions whose low bits are those of one of `ids`: one look at each posting, however many terms."""
    wanted = np.zeros(_LOW_BITS + 1, dtype=np.bool_)
    wanted[ids & np.uint32(_LOW_BITS)] = True
    return np.flatnonzero(wanted[terms & np.uint32(_LOW_BITS)])


def dense_part(cosine: Floats) -> Floats:
    """What cosines give to scores: one below 0 gives nothing, and one above 1 no more than 1."""
    return _bounded(cosine, 0.0, 1.0) * np.float32(DENSE_WEIGHT)


def lexical_part(scores: Floats, ideal: float) -> Floats:
    """What BM25 scores give as shares of `ideal`, at most 1: a row of mean length with each term once has 1."""
    if ideal <= 0.0:
        return np.zeros_like(scores)
    parts: Floats = np.minimum(scores * np.float32(LEXICAL_WEIGHT / ideal), np.float32(LEXICAL_WEIGHT))
    return parts


class ScopeIndex:
    """The vectors and terms of one scope's rows, ready to be searched.

    Rows are named by `n`, a number that grows with time and is unique within the scope. Arrays double when
    they are full; `remove` closes the gap and overwrites what it freed.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._size = 0
        self._used = 0
        self._n = np.zeros(_FIRST_CAPACITY, dtype=np.int64)
        self._matrix = np.zeros((_FIRST_CAPACITY, dimension), dtype=np.int8)
        self._scales = np.zeros(_FIRST_CAPACITY, dtype=np.float32)
        self._lengths = np.zeros(_FIRST_CAPACITY, dtype=np.int32)
        self._conversations = np.zeros(_FIRST_CAPACITY, dtype=np.int32)
        self._tags = np.zeros((_FIRST_CAPACITY, 3), dtype=np.uint64)
        self._expires = np.zeros(_FIRST_CAPACITY, dtype=np.int64)
        self._sum = np.zeros(dimension, dtype=np.float64)
        self._stands: _Standing | None = None
        self._terms = np.zeros(_FIRST_CAPACITY * 8, dtype=np.uint32)
        self._counts = np.zeros(_FIRST_CAPACITY * 8, dtype=np.uint16)
        self._rows = np.zeros(_FIRST_CAPACITY * 8, dtype=np.int32)

    def __len__(self) -> int:
        return self._size

    @property
    def dimension(self) -> int:
        """The length of each vector."""
        return self._dimension

    @property
    def nbytes(self) -> int:
        """The bytes that the arrays hold, spare capacity included."""
        arrays = (*self._by_row(), *self._by_term())
        return sum(array.nbytes for array in arrays) + _STANDING_BYTES * len(self._n)

    def append(
        self,
        n: int,
        vector: npt.NDArray[np.int8],
        scale: float,
        terms: Mapping[int, int],
        conversation: int = 0,
    ) -> None:
        """Add row `n`: its quantised unit vector (dimension,), scale, term counts, and its conversation's number.

        Rows side by side in one conversation are each other's context. Raises VectorIndexError for a vector of
        another length. That `n` is new is the caller's promise.
        """
        if vector.shape != (self._dimension,):
            raise VectorIndexError("index.dimension", "a vector has another length than the index")
        row, used = self._size, self._used
        self._moved()
        self._reserve(row + 1, used + len(terms))
        self._n[row] = n
        self._matrix[row] = vector
        self._scales[row] = scale
        self._sum += self._scales[row] * vector.astype(np.float64)
        self._conversations[row] = conversation
        self._lengths[row] = sum(terms.values())
        if terms:
            end = used + len(terms)
            self._terms[used:end] = np.fromiter(terms.keys(), dtype=np.uint32, count=len(terms))
            counts = np.fromiter(terms.values(), dtype=np.int64, count=len(terms))
            self._counts[used:end] = np.minimum(counts, _MAX_COUNT)
            self._rows[used:end] = row
            self._used = end
        self._size = row + 1

    def extend(self, points: Points, conversations: npt.NDArray[np.int32] | None = None) -> None:
        """Add many rows at once, and the numbers of their conversations.

        Raises VectorIndexError for vectors of another length.
        """
        if not points.n:
            return
        if points.vectors.shape != (len(points.n), self._dimension):
            raise VectorIndexError("index.dimension", "a vector has another length than the index")
        row, used = self._size, self._used
        size, end = row + len(points.n), used + len(points.terms)
        self._moved()
        self._reserve(size, end)
        rows = np.repeat(np.arange(row, size, dtype=np.int32), points.sizes)
        self._n[row:size] = points.n
        self._matrix[row:size] = points.vectors
        self._scales[row:size] = points.scales
        self._sum += summed(points.vectors, points.scales)
        self._conversations[row:size] = 0 if conversations is None else conversations
        self._tags[row:size] = points.tags
        self._expires[row:size] = points.expires
        self._lengths[row:size] = np.bincount(rows - row, weights=points.counts, minlength=len(points.n))
        self._terms[used:end] = points.terms
        self._counts[used:end] = points.counts
        self._rows[used:end] = rows
        self._size, self._used = size, end

    def remove(self, n: int) -> bool:
        """Take row `n` out and overwrite its place; False if it is not here."""
        found = np.flatnonzero(self._n[: self._size] == n)
        if not found.size:
            return False
        row, last = int(found[0]), self._size - 1
        self._moved()
        self._sum -= self._scales[row] * self._matrix[row].astype(np.float64)
        start, end = np.searchsorted(self._rows[: self._used], [row, row + 1])
        for array in self._by_row():
            array[row:last] = array[row + 1 : self._size]
            array[last] = 0
        kept = self._used - int(end - start)
        for array in self._by_term():
            array[start:kept] = array[end : self._used]
            array[kept : self._used] = 0
        self._rows[start:kept] -= 1
        self._size, self._used = last, kept
        if last == 0:
            self._sum.fill(0)
        return True

    def clear(self) -> None:
        """Drop every row and overwrite the arrays."""
        for array in (*self._by_row(), *self._by_term()):
            array.fill(0)
        self._sum.fill(0)
        self._moved()
        self._size = self._used = 0

    def search(
        self,
        query_vec: Floats,
        query_terms: Mapping[int, float] | Iterable[int],
        limit: int,
        threshold: float = 0.0,
        whole: Whole | None = None,
        explain: bool = True,
        admits: Admits | None = None,
    ) -> list[tuple[int, float, dict[str, float]]]:
        """The `limit` best rows as (n, score, explain), best first, newer first among equals.

        `query_vec` is a unit vector, or zero for none. `query_terms` are term ids, or term ids with weights,
        such as their counts in the query. A score is in [0, 1], rounded to 6 digits; rows below `threshold`
        are left out, and those that `admits` says no to, which still are the context of others. `whole` describes the
        scope where these are only some of its rows.

        With `explain` the dict holds `dense` (the cosine) and `lexical` (BM25) of the row alone, what they give as
        `dense_part` and `lexical_part`, and as `context_part` what the rows around it add; the three parts sum to the
        score before rounding. Raises VectorIndexError for a query vector of another length.
        """
        if query_vec.shape != (self._dimension,):
            raise VectorIndexError("index.dimension", "the query vector has another length than the index")
        if self._size == 0 or limit < 1:
            return []
        size = self._size
        standing = self._standing() if whole is None else self._less(whole.mean)
        cosine = cosines(self._matrix[:size], self._scales[:size], query_vec, standing.mean, standing.lengths)
        weights = query_terms if isinstance(query_terms, Mapping) else dict.fromkeys(query_terms, 1.0)
        gains, ideal = bm25(self._postings(), weights, whole)
        dense_full = dense_part(cosines_in_context(cosine, standing.around))
        full = dense_full + lexical_part(gains_in_context(gains, standing.around).sum(axis=0), ideal)
        # The last bits of a product depend on a row's place in its block; equal rows must tie.
        scores: Floats = full.round(_DIGITS)
        admitted = admits(self._tags[:size], self._expires[:size]) if admits is not None else None
        best = _best(scores, self._n[:size], limit, threshold, admitted)
        found = zip(self._n[best].tolist(), scores[best].tolist(), strict=True)
        if not explain:
            return [(n, score, {}) for n, score in found]
        cosine, lexical = cosine[best], gains[:, best].sum(axis=0)
        own = dense_part(cosine), lexical_part(lexical, ideal)
        context = np.maximum(full[best] - own[0] - own[1], np.float32(0.0))
        parts = zip(*(column.tolist() for column in (cosine, lexical, *own, context)), strict=True)
        return [
            (n, score, dict(zip(_PARTS, values, strict=True)))
            for (n, score), values in zip(found, parts, strict=True)
        ]

    def _standing(self) -> _Standing:
        """Among these rows alone; the same as long as none comes or goes."""
        if self._stands is None:
            self._stands = self._less(mean_of(self._sum, self._size))
        return self._stands

    def _less(self, mean: Floats) -> _Standing:
        size = self._size
        lengths = lengths_less(mean, self._matrix[:size], self._scales[:size])
        return _Standing(mean, lengths, links(self._conversations[:size]))

    def _moved(self) -> None:
        """Rows come or go: what was found out about all of them is overwritten."""
        if self._stands is not None:
            self._stands.mean.fill(0)
            self._stands.lengths.fill(0)
            self._stands = None

    def outline(self, query_terms: Iterable[int]) -> Outline:
        """What these rows give to a `Whole` of several scopes."""
        postings = self._postings()
        ids = np.array(sorted(query_terms), dtype=np.uint32)
        _, place = _found(postings.terms, ids)
        counts = np.bincount(place, minlength=len(ids)).tolist()
        frequencies = {term: float(count) for term, count in zip(ids.tolist(), counts, strict=True) if count}
        return Outline(self._size, self._sum.copy(), float(postings.lengths.sum()), frequencies)

    def _by_row(self) -> tuple[npt.NDArray[Any], ...]:
        return (
            *(self._n, self._matrix, self._scales, self._lengths),
            *(self._conversations, self._tags, self._expires),
        )

    def _by_term(self) -> tuple[npt.NDArray[Any], ...]:
        return self._terms, self._counts, self._rows

    def _postings(self) -> Postings:
        used = self._used
        return Postings(
            self._terms[:used], self._counts[:used], self._rows[:used], self._lengths[: self._size]
        )

    def _reserve(self, rows: int, used: int) -> None:
        """Double the arrays until they hold `rows` rows and `used` terms; what they leave is overwritten."""
        if rows > len(self._n):
            capacity = _doubled(len(self._n), rows)
            self._n = _grown(self._n, capacity)
            self._matrix = _grown(self._matrix, capacity)
            self._scales = _grown(self._scales, capacity)
            self._lengths = _grown(self._lengths, capacity)
            self._conversations = _grown(self._conversations, capacity)
            self._tags = _grown(self._tags, capacity)
            self._expires = _grown(self._expires, capacity)
        if used > len(self._terms):
            capacity = _doubled(len(self._terms), used)
            self._terms = _grown(self._terms, capacity)
            self._counts = _grown(self._counts, capacity)
            self._rows = _grown(self._rows, capacity)


def _bounded(values: Floats, low: float, high: float) -> Floats:
    """As `np.clip`, which takes five times as long for a scope of 200 rows."""
    bounded: Floats = np.minimum(np.maximum(values, np.float32(low)), np.float32(high))
    return bounded


def summed(matrix: npt.NDArray[np.int8], scales: Floats) -> npt.NDArray[np.float64]:
    """The sum of the rows `scales[i] * matrix[i]`, a block at a time."""
    total = np.zeros(matrix.shape[1], dtype=np.float64)
    for start in range(0, len(matrix), _BLOCK):
        block = slice(start, start + _BLOCK)
        total += scales[block].astype(np.float64) @ matrix[block].astype(np.float64)
    return total


def _best(
    scores: Floats,
    n: npt.NDArray[np.int64],
    limit: int,
    threshold: float,
    admitted: npt.NDArray[np.bool_] | None,
) -> list[int]:
    """The rows of the `limit` highest scores at or above `threshold`, by score, then by newer n."""
    rows = np.flatnonzero(scores >= threshold if admitted is None else admitted & (scores >= threshold))
    if rows.size > limit:
        kept = scores[rows]
        floor = np.partition(kept, rows.size - limit)[rows.size - limit]
        rows = rows[kept >= floor]
    order = np.lexsort((-n[rows], -scores[rows]))
    return [int(row) for row in rows[order[:limit]]]


def _doubled(capacity: int, needed: int) -> int:
    while capacity < needed:
        capacity *= 2
    return capacity


def _grown(array: npt.NDArray[_T], capacity: int) -> npt.NDArray[_T]:
    larger = np.zeros((capacity, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    array.fill(0)
    return larger
