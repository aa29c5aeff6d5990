"""What every vector index must do. A reader is bound to one subject of one tenant before the index sees it.

An index never widens a scope: it ranks what the reader gives, and a hit is only a row number for the caller to open.
"""

from __future__ import annotations

import itertools
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from vault.errors import VectorIndexError

Int8Vector = npt.NDArray[np.int8]
FloatVector = npt.NDArray[np.float32]

TAG_BYTES: Final = 8
_HEAD: Final = struct.Struct("<BHHfq")  # format, dimension, terms, scale, expiry in ms (0: none)
_FORMAT: Final = 1
_VECTOR: Final = _HEAD.size + 3 * TAG_BYTES
_AGENT, _APP, _RUN = (slice(_HEAD.size + i * TAG_BYTES, _HEAD.size + (i + 1) * TAG_BYTES) for i in range(3))


@dataclass(frozen=True, slots=True)
class Point:
    """What a search needs of one memory: the int8 vector with its scale, terms with counts, scope tags, expiry."""

    n: int
    version: int
    vector: Int8Vector
    scale: float
    terms: dict[int, int]
    agent: bytes
    app: bytes
    run: bytes
    expires_ms: int


def pack_point(
    vector: Int8Vector,
    scale: float,
    terms: dict[int, int],
    tags: Sequence[bytes | None],
    expires_ms: int | None,
) -> bytes:
    """The plaintext of a sealed point."""
    ids = np.fromiter(terms.keys(), dtype="<u4", count=len(terms))
    counts = np.fromiter((min(c, 255) for c in terms.values()), dtype=np.uint8, count=len(terms))
    head = _HEAD.pack(_FORMAT, len(vector), len(terms), scale, expires_ms or 0)
    return b"".join(
        (
            head,
            *((tag or b"")[:TAG_BYTES].ljust(TAG_BYTES, b"\0") for tag in tags),
            vector.tobytes(),
            ids.tobytes(),
            counts.tobytes(),
        )
    )


def unpack_point(n: int, version: int, data: bytes) -> Point:
    """The reverse of `pack_point`; raises VectorIndexError for another layout."""
    points = unpack_points([(n, data)])
    terms = dict(zip(points.terms.tolist(), points.counts.tolist(), strict=True))
    return Point(n, version, points.vectors[0], float(points.scales[0]), terms, *points.facts[0])


@dataclass(frozen=True, slots=True)
class Points:
    """Many points, column by column: vectors (n, d); terms and counts of all rows one after another, `sizes` each.

    `facts` are (agent, app, run, expires_ms) of each row, as `Query.admits` takes them.
    """

    n: list[int]
    vectors: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    terms: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.intp]
    facts: list[tuple[bytes, bytes, bytes, int]]


def unpack_points(packed: Sequence[tuple[int, bytes]]) -> Points:
    """`unpack_point` for many (n, plaintext) at once; all must have one dimension. Raises VectorIndexError."""
    heads: list[tuple[int, int, int, float, int]] = []
    vectors, terms, counts, facts = [], [], [], []
    for _, data in packed:
        if len(data) < _HEAD.size:
            raise _layout()
        head = _HEAD.unpack_from(data)
        form, dimension, count, _, expires_ms = head
        middle = _VECTOR + dimension
        end = middle + 4 * count
        if form != _FORMAT or len(data) != end + count or (heads and heads[0][1] != dimension):
            raise _layout()
        heads.append(head)
        vectors.append(data[_VECTOR:middle])
        terms.append(data[middle:end])
        counts.append(data[end:])
        facts.append((data[_AGENT], data[_APP], data[_RUN], expires_ms))
    shape = (len(heads), heads[0][1] if heads else 0)
    return Points(
        n=[n for n, _ in packed],
        vectors=np.frombuffer(b"".join(vectors), dtype=np.int8).reshape(shape),
        scales=np.array([head[3] for head in heads], dtype=np.float32),
        terms=np.frombuffer(b"".join(terms), dtype="<u4"),
        counts=np.frombuffer(b"".join(counts), dtype=np.uint8),
        sizes=np.array([head[2] for head in heads], dtype=np.intp),
        facts=facts,
    )


_BLOCK: Final = struct.Struct("<BHII")  # format, dimension, rows, terms of all rows


def pack_block(points: Points) -> bytes:
    """Many points in one plaintext, column by column: what `unpack_block` reads without looking at each."""
    rows, dimension = points.vectors.shape
    facts = [(b"".join(tags), expires_ms) for *tags, expires_ms in points.facts]
    return b"".join(
        (
            _BLOCK.pack(_FORMAT, dimension, rows, len(points.terms)),
            np.array(points.n, dtype="<i8").tobytes(),
            points.sizes.astype("<u2").tobytes(),
            points.scales.astype("<f4").tobytes(),
            np.array([expires_ms for _, expires_ms in facts], dtype="<i8").tobytes(),
            *(tags for tags, _ in facts),
            points.vectors.tobytes(),
            points.terms.astype("<u4").tobytes(),
            points.counts.tobytes(),
        )
    )


def unpack_block(data: bytes) -> Points:
    """The reverse of `pack_block`; raises VectorIndexError for another layout."""
    if len(data) < _BLOCK.size:
        raise _layout()
    form, dimension, rows, terms = _BLOCK.unpack_from(data)
    widths = (
        8 * rows,
        2 * rows,
        4 * rows,
        8 * rows,
        3 * TAG_BYTES * rows,
        dimension * rows,
        4 * terms,
        terms,
    )
    edges = list(itertools.accumulate(widths, initial=_BLOCK.size))
    if form != _FORMAT or len(data) != edges[-1]:
        raise _layout()
    n, sizes, scales, expiry, tags, vectors, ids, counts = (
        data[start:end] for start, end in itertools.pairwise(edges)
    )
    width = np.frombuffer(sizes, dtype="<u2").astype(np.intp)
    if int(width.sum()) != terms:
        raise _layout()
    step = 3 * TAG_BYTES
    return Points(
        n=np.frombuffer(n, dtype="<i8").tolist(),
        vectors=np.frombuffer(vectors, dtype=np.int8).reshape(rows, dimension),
        scales=np.frombuffer(scales, dtype="<f4"),
        terms=np.frombuffer(ids, dtype="<u4"),
        counts=np.frombuffer(counts, dtype=np.uint8),
        sizes=width,
        facts=[
            (tags[at : at + 8], tags[at + 8 : at + 16], tags[at + 16 : at + 24], expires_ms)
            for at, expires_ms in zip(
                range(0, step * rows, step), np.frombuffer(expiry, dtype="<i8").tolist(), strict=True
            )
        ],
    )


def join_points(parts: Sequence[Points]) -> Points:
    """One after another; raises VectorIndexError where their dimensions differ."""
    parts = [part for part in parts if part.n] or list(parts[:1])
    if len(parts) < 2:
        return parts[0] if parts else unpack_points(())
    if len({part.vectors.shape[1] for part in parts}) > 1:
        raise _layout()
    return Points(
        n=[n for part in parts for n in part.n],
        vectors=np.concatenate([part.vectors for part in parts]),
        scales=np.concatenate([part.scales for part in parts]),
        terms=np.concatenate([part.terms for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        sizes=np.concatenate([part.sizes for part in parts]),
        facts=[fact for part in parts for fact in part.facts],
    )


def _layout() -> VectorIndexError:
    return VectorIndexError(
        "index.layout", "a sealed point has an unknown layout; run memvault index rebuild"
    )


@dataclass(frozen=True, slots=True)
class Query:
    """A question: unit vector, weighted lexical terms, the scope tags that must match (None: any), the time in ms."""

    vector: FloatVector
    terms: dict[int, float]
    agent: bytes | None
    app: bytes | None
    run: bytes | None
    now_ms: int

    def admits(self, agent: bytes, app: bytes, run: bytes, expires_ms: int) -> bool:
        """Scope tags match and the memory has not expired."""
        return (
            (self.agent is None or self.agent == agent)
            and (self.app is None or self.app == app)
            and (self.run is None or self.run == run)
            and (expires_ms == 0 or expires_ms > self.now_ms)
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """A ranked row number with its score in [0, 1] and the parts of the score."""

    n: int
    score: float
    explain: dict[str, float]


class PointReader(Protocol):
    """Reads and unseals the points of one subject; made by the flow that holds its keys."""

    @property
    def key(self) -> tuple[bytes, bytes]:
        """(tenant id, subject id): the cache key."""

    def position(self) -> tuple[int, int]:
        """(changes, next row number): equal values mean equal points."""

    def points(self, after_n: int) -> Points:
        """Every point with a number above `after_n`, in order."""


class VectorIndex(ABC):
    """Ranks the points of one subject; bounded in memory; forgets when told."""

    @abstractmethod
    def search(self, reader: PointReader, query: Query, limit: int) -> list[Hit]:
        """The best `limit` admitted points, best first; fewer means there are no more."""

    @abstractmethod
    def forget(self, tenant: bytes, sid: bytes | None = None) -> None:
        """Drop what is cached of a subject, or of a whole tenant."""

    @abstractmethod
    def clear(self) -> None: ...
    @abstractmethod
    def describe(self) -> dict[str, int | str]:
        """Facts for `status`: adapter, cached scopes, bytes."""
