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
from vault.index.score import Outline, Whole

Int8Vector = npt.NDArray[np.int8]
FloatVector = npt.NDArray[np.float32]

TAG_BYTES: Final = 8
_TAGS: Final = 3 * TAG_BYTES
_HEAD: Final = struct.Struct("<BBHq")  # format, vectors, terms, expiry in ms (0: none)
_MODEL: Final = struct.Struct("<8sHf")  # model, dimension, scale: one of each vector
_FORMAT: Final = 2
# Format 1 had one vector, and named no model: there was one.
_FIRST_HEAD: Final = struct.Struct("<BHHfq")  # format, dimension, terms, scale, expiry
FIRST_MODEL: Final = bytes.fromhex("f85a596e2406b5c9")


@dataclass(frozen=True, slots=True)
class Vector:
    """One model's int8 vector of a text, which is about `scale * values`; `model` is 8 bytes."""

    model: bytes
    values: Int8Vector
    scale: float


@dataclass(frozen=True, slots=True)
class Point:
    """What a search needs of one memory: its vector, terms with counts, scope tags, expiry.

    It has a second vector while the tenant's model is being changed.
    """

    n: int
    version: int
    vectors: tuple[Vector, ...]
    terms: dict[int, int]
    agent: bytes
    app: bytes
    run: bytes
    expires_ms: int

    def packed(self) -> bytes:
        """What `unpack_point` reads."""
        return pack_point(self.vectors, self.terms, (self.agent, self.app, self.run), self.expires_ms or None)


def pack_point(
    vectors: Sequence[Vector],
    terms: dict[int, int],
    tags: Sequence[bytes | None],
    expires_ms: int | None,
) -> bytes:
    """The plaintext of a sealed point."""
    ids = np.fromiter(terms.keys(), dtype="<u4", count=len(terms))
    counts = np.fromiter((min(c, 255) for c in terms.values()), dtype=np.uint8, count=len(terms))
    head = _HEAD.pack(_FORMAT, len(vectors), len(terms), expires_ms or 0)
    return b"".join(
        (
            head,
            *((tag or b"")[:TAG_BYTES].ljust(TAG_BYTES, b"\0") for tag in tags),
            *(_MODEL.pack(one.model, len(one.values), one.scale) for one in vectors),
            *(one.values.tobytes() for one in vectors),
            ids.tobytes(),
            counts.tobytes(),
        )
    )


def unpack_point(n: int, version: int, data: bytes) -> Point:
    """The reverse of `pack_point`; raises VectorIndexError for another layout."""
    parsed = _parsed(data)
    vectors = tuple(
        Vector(model, np.frombuffer(data[place], dtype=np.int8), scale)
        for model, (scale, place) in parsed.vectors.items()
    )
    terms = dict(
        zip(np.frombuffer(data[parsed.terms], dtype="<u4").tolist(), data[parsed.counts], strict=True)
    )
    return Point(n, version, vectors, terms, *parsed.facts)


def models_of(data: bytes) -> tuple[bytes, ...]:
    """The models that a packed point has a vector of; raises VectorIndexError for another layout."""
    return tuple(_parsed(data).vectors)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Where everything stands in a packed point."""

    vectors: dict[bytes, tuple[float, slice]]
    terms: slice
    counts: slice
    facts: tuple[bytes, bytes, bytes, int]


def _parsed(data: bytes) -> _Parsed:
    try:
        if data[:1] == b"\x01":
            _, dimension, count, scale, expires_ms = _FIRST_HEAD.unpack_from(data)
            tags, heads = _FIRST_HEAD.size, [(FIRST_MODEL, dimension, scale)]
            start = tags + _TAGS
        else:
            form, models, count, expires_ms = _HEAD.unpack_from(data)
            if form != _FORMAT:
                raise _layout()
            tags = _HEAD.size
            heads = [_MODEL.unpack_from(data, tags + _TAGS + i * _MODEL.size) for i in range(models)]
            start = tags + _TAGS + models * _MODEL.size
    except struct.error:
        raise _layout() from None
    edges = list(itertools.accumulate([dimension for _, dimension, _ in heads], initial=start))
    middle, end = edges[-1], edges[-1] + 4 * count
    if len(data) != end + count:
        raise _layout()
    vectors = {
        model: (scale, slice(first, last))
        for (model, _, scale), (first, last) in zip(heads, itertools.pairwise(edges), strict=True)
    }
    agent, app, run = (data[tags + i * TAG_BYTES : tags + (i + 1) * TAG_BYTES] for i in range(3))
    return _Parsed(vectors, slice(middle, end), slice(end, end + count), (agent, app, run, expires_ms))


@dataclass(frozen=True, slots=True)
class Points:
    """Many points, column by column: vectors (n, d); terms and counts of all rows one after another, `sizes` each.

    All vectors are of one model. `facts` are (agent, app, run, expires_ms) of each row, as `Query.admits` takes them.
    """

    model: bytes
    n: list[int]
    vectors: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    terms: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.intp]
    facts: list[tuple[bytes, bytes, bytes, int]]


def unpack_points(packed: Sequence[tuple[int, bytes]], model: bytes) -> Points:
    """`unpack_point` for many (n, plaintext) at once, with the vectors of one model; all must have one.

    Raises VectorIndexError.
    """
    parsed = [_parsed(data) for _, data in packed]
    try:
        found = [one.vectors[model] for one in parsed]
    except KeyError:
        raise VectorIndexError(
            "index.model", "a memory has no vector of the model in force; run memvault reembed"
        ) from None
    if len({place.stop - place.start for _, place in found}) > 1:
        raise _layout()
    vectors = [data[place] for (_, data), (_, place) in zip(packed, found, strict=True)]
    terms = [data[one.terms] for (_, data), one in zip(packed, parsed, strict=True)]
    counts = [data[one.counts] for (_, data), one in zip(packed, parsed, strict=True)]
    return Points(
        model=model,
        n=[n for n, _ in packed],
        vectors=np.frombuffer(b"".join(vectors), dtype=np.int8).reshape(
            len(vectors), len(vectors[0]) if vectors else 0
        ),
        scales=np.array([scale for scale, _ in found], dtype=np.float32),
        terms=np.frombuffer(b"".join(terms), dtype="<u4"),
        counts=np.frombuffer(b"".join(counts), dtype=np.uint8),
        sizes=np.array([len(part) for part in counts], dtype=np.intp),
        facts=[one.facts for one in parsed],
    )


_BLOCK: Final = struct.Struct("<B8sHII")  # format, model, dimension, rows, terms of all rows
_FIRST_BLOCK: Final = struct.Struct("<BHII")  # format 1: the same without the model


def pack_block(points: Points) -> bytes:
    """Many points in one plaintext, column by column: what `unpack_block` reads without looking at each."""
    rows, dimension = points.vectors.shape
    facts = [(b"".join(tags), expires_ms) for *tags, expires_ms in points.facts]
    return b"".join(
        (
            _BLOCK.pack(_FORMAT, points.model, dimension, rows, len(points.terms)),
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
    try:
        if data[:1] == b"\x01":
            form, dimension, rows, terms = _FIRST_BLOCK.unpack_from(data)
            model, start = FIRST_MODEL, _FIRST_BLOCK.size
        else:
            form, model, dimension, rows, terms = _BLOCK.unpack_from(data)
            start = _BLOCK.size
    except struct.error:
        raise _layout() from None
    widths = (
        8 * rows,
        2 * rows,
        4 * rows,
        8 * rows,
        _TAGS * rows,
        dimension * rows,
        4 * terms,
        terms,
    )
    edges = list(itertools.accumulate(widths, initial=start))
    if form not in (1, _FORMAT) or len(data) != edges[-1]:
        raise _layout()
    n, sizes, scales, expiry, tags, vectors, ids, counts = (
        data[start:end] for start, end in itertools.pairwise(edges)
    )
    width = np.frombuffer(sizes, dtype="<u2").astype(np.intp)
    if int(width.sum()) != terms:
        raise _layout()
    step = _TAGS
    return Points(
        model=model,
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
    """One after another; raises VectorIndexError where their models or dimensions differ."""
    parts = [part for part in parts if part.n] or list(parts[:1])
    if len(parts) == 1:
        return parts[0]
    if len({(part.model, part.vectors.shape[1]) for part in parts}) > 1:
        raise _layout()
    return Points(
        model=parts[0].model,
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
    """A question: unit vector, weighted lexical terms, the scope tags that must match (None: any), the time in ms.

    `whole` is what the rows are ranked as a part of, where several scopes are asked the same question; with `explain`
    hits have the parts of their scores.
    """

    vector: FloatVector
    terms: dict[int, float]
    agent: bytes | None
    app: bytes | None
    run: bytes | None
    now_ms: int
    whole: Whole | None = None
    explain: bool = False

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
    """A ranked row number with its score in [0, 1] and, where they were asked for, the parts of the score."""

    n: int
    score: float
    explain: dict[str, float]


class PointReader(Protocol):
    """Reads and unseals the points of one subject; made by the flow that holds its keys."""

    @property
    def key(self) -> tuple[bytes, ...]:
        """(tenant id, subject id, model): the cache key."""

    def position(self) -> tuple[int, int]:
        """(changes, next row number): equal values mean equal points."""

    def points(self, after_n: int) -> Points:
        """Every point with a number above `after_n`, in order."""


class OutsideReader(PointReader, Protocol):
    """What an index kept elsewhere is searched with: it knows points by random ids, and holds what a veil let through.

    All answers are of one moment.
    """

    @property
    def place(self) -> Place:
        """What the subject's points are filed under there."""

    def cover(self, dimension: int) -> Cover:
        """The subject's keyed transform, under the generation in force."""

    def there(self) -> int:
        """How many of the points are there, transformed under the generation in force."""

    def numbers(self, ids: Sequence[bytes]) -> dict[bytes, int | None]:
        """The row number behind each id that is known; None where the index is not believed for it.

        That is a point on its way in or out, or under another generation: `absent` has those that still count.
        """

    def absent(self) -> list[int]:
        """The numbers of the points that the index does not have, or not yet."""

    def around(self, numbers: Sequence[int], reach: int) -> list[Points]:
        """Runs of points that stand side by side: those with these numbers, `reach` to each side, and maybe others."""

    def sample(self, rows: int) -> Points:
        """About so many points, evenly from the whole scope; all of a smaller one."""

    def doubt(self, kind: str, ids: Sequence[bytes]) -> None:
        """Something came back that must not, or did not come back: the flow counts it and raises the alarm."""


class Cover(Protocol):
    """See `vault.index.protect.Veil`."""

    def turned(self, vectors: FloatVector) -> FloatVector: ...
    def term(self, term: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Keyed stand-ins of a tenant and of a subject: all that an index kept elsewhere is told about a point."""

    tenant: str
    sid: str


@dataclass(frozen=True, slots=True)
class Covered:
    """A point as it leaves the process: random id, transformed unit vector, renamed terms without counts."""

    id: bytes
    vector: FloatVector
    terms: list[int]


class VectorIndex(ABC):
    """Ranks the points of one subject; bounded in memory; forgets when told."""

    @abstractmethod
    def search(self, reader: OutsideReader, query: Query, limit: int) -> list[Hit]:
        """The best `limit` admitted points, best first; fewer means there are no more."""

    @abstractmethod
    def outline(self, reader: OutsideReader, query: Query) -> Outline:
        """What the subject's points, all of them, give to a `Whole` of several subjects."""

    @abstractmethod
    def forget(self, tenant: bytes, sid: bytes | None = None) -> None:
        """Drop what is cached of a subject, or of a whole tenant."""

    @abstractmethod
    def clear(self) -> None: ...
    @abstractmethod
    def describe(self) -> dict[str, int | str]:
        """Facts for `status`: adapter, cached scopes, bytes."""


class OutsideIndex(VectorIndex):
    """An index kept elsewhere, derived from the records; raises VectorIndexError, without content, for every failure.

    Nothing it answers is believed: a hit is an id that the records know, ranked anew on what they hold.
    """

    @abstractmethod
    def put(self, place: Place, points: Sequence[Covered]) -> None:
        """Store points of one subject, durably; those already there are replaced."""

    @abstractmethod
    def remove(self, tenant: str, ids: Sequence[bytes]) -> None:
        """Take points out, and ask again; raises VectorIndexError `index.left` where one is still there."""

    @abstractmethod
    def remove_all(self, tenant: str, sid: str | None = None) -> None:
        """Take everything of a tenant, or of a subject, out by its stand-in, and ask again as `remove` does."""

    @abstractmethod
    def count(self, tenant: str, sid: str | None = None) -> int:
        """How many points there are, by their stand-ins."""

    @abstractmethod
    def present(self, tenant: str, ids: Sequence[bytes]) -> set[bytes]:
        """Those of the ids that are there."""

    @abstractmethod
    def vacuum(self) -> None:
        """Have what was taken out wiped from the index's own files, and wait for it."""

    @abstractmethod
    def close(self) -> None: ...
