"""Points: what a search needs of each memory, one by one or many column by column, and the bytes they are sealed as."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vault.errors import VectorIndexError

Int8Vector = npt.NDArray[np.int8]

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
    agent, app, run = (parsed.tags[at : at + TAG_BYTES] for at in range(0, _TAGS, TAG_BYTES))
    return Point(n, version, vectors, terms, agent, app, run, parsed.expires_ms)


def models_of(data: bytes) -> tuple[bytes, ...]:
    """The models that a packed point has a vector of; raises VectorIndexError for another layout."""
    return tuple(_parsed(data).vectors)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Where everything stands in a packed point."""

    vectors: dict[bytes, tuple[float, slice]]
    terms: slice
    counts: slice
    tags: bytes
    expires_ms: int


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
    return _Parsed(
        vectors, slice(middle, end), slice(end, end + count), data[tags : tags + _TAGS], expires_ms
    )


@dataclass(frozen=True, slots=True)
class Points:
    """Many points, column by column: vectors (n, d); terms and counts of all rows one after another, `sizes` each.

    All vectors are of one model. `tags` (n, 3) are those of agent, app and run as `tag_number` writes them, `expires`
    times in ms, 0 for never.
    """

    model: bytes
    n: list[int]
    vectors: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    terms: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.intp]
    tags: npt.NDArray[np.uint64]
    expires: npt.NDArray[np.int64]


def tag_number(tag: bytes | None) -> int:
    """A scope tag of TAG_BYTES as one number; 0 for none."""
    return int.from_bytes(tag or b"", "little")


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
        tags=_tags(b"".join([one.tags for one in parsed])),
        expires=np.array([one.expires_ms for one in parsed], dtype=np.int64),
    )


_BLOCK: Final = struct.Struct("<B8sHII")  # format, model, dimension, rows, terms of all rows
_FIRST_BLOCK: Final = struct.Struct("<BHII")  # format 1: the same without the model


def _tags(data: bytes) -> npt.NDArray[np.uint64]:
    return np.frombuffer(data, dtype="<u8").reshape(-1, 3)


def pack_block(points: Points) -> bytes:
    """Many points in one plaintext, column by column: what `unpack_block` reads without looking at each."""
    rows, dimension = points.vectors.shape
    return b"".join(
        (
            _BLOCK.pack(_FORMAT, points.model, dimension, rows, len(points.terms)),
            np.array(points.n, dtype="<i8").tobytes(),
            points.sizes.astype("<u2").tobytes(),
            points.scales.astype("<f4").tobytes(),
            points.expires.astype("<i8").tobytes(),
            points.tags.astype("<u8").tobytes(),
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
    return Points(
        model=model,
        n=np.frombuffer(n, dtype="<i8").tolist(),
        vectors=np.frombuffer(vectors, dtype=np.int8).reshape(rows, dimension),
        scales=np.frombuffer(scales, dtype="<f4"),
        terms=np.frombuffer(ids, dtype="<u4"),
        counts=np.frombuffer(counts, dtype=np.uint8),
        sizes=width,
        tags=_tags(tags),
        expires=np.frombuffer(expiry, dtype="<i8"),
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
        tags=np.concatenate([part.tags for part in parts]),
        expires=np.concatenate([part.expires for part in parts]),
    )


def _layout() -> VectorIndexError:
    return VectorIndexError(
        "index.layout", "a sealed point has an unknown layout; run memvault index rebuild"
    )
