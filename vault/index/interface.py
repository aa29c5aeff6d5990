"""What every vector index must do. A reader is bound to one subject of one tenant before the index sees it.

An index never widens a scope: it ranks what the reader gives, and a hit is only a row number for the caller to open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vault.index.points import Points, tag_number
from vault.index.score import Outline, Whole

FloatVector = npt.NDArray[np.float32]


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

    def admits(self, tags: npt.NDArray[np.uint64], expires: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which points with these scope tags (n, 3) and times of expiry (n,) match and have not expired."""
        admitted: npt.NDArray[np.bool_] = (expires == 0) | (expires > self.now_ms)
        for column, tag in enumerate((self.agent, self.app, self.run)):
            if tag is not None:
                admitted &= tags[:, column] == np.uint64(tag_number(tag))
        return admitted


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
