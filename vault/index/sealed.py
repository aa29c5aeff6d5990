"""The embedded index: points live sealed in the records file and are unsealed into a bounded in-process cache.

There is no index file: nothing to open, to vacuum, or to disagree with the records. A cached scope is valid while the
subject's counters have not moved; added rows are read from where the cache ends, any other change reloads the scope.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from vault.index.interface import Hit, PointReader, Query, VectorIndex
from vault.index.parts import Conversations, numbered, ranked
from vault.index.score import Outline, ScopeIndex

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Scope:
    changes: int
    next_n: int
    index: ScopeIndex
    conversations: Conversations = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    dropped: bool = False


class SealedIndex(VectorIndex):
    """Scores unsealed points with numpy; least recently used scopes leave when `cache_bytes` is passed."""

    def __init__(self, *, cache_bytes: int) -> None:
        self._cache_bytes = cache_bytes
        self._lock = threading.Lock()
        self._scopes: OrderedDict[tuple[bytes, ...], _Scope] = OrderedDict()
        _live.add(self)

    def search(self, reader: PointReader, query: Query, limit: int) -> list[Hit]:
        return self._with(reader, query, lambda scope: ranked(scope.index, query, limit, query.whole))

    def outline(self, reader: PointReader, query: Query) -> Outline:
        return self._with(reader, query, lambda scope: scope.index.outline(query.terms))

    def _with(self, reader: PointReader, query: Query, ask: Callable[[_Scope], _T]) -> _T:
        """What a loaded scope answers."""
        while True:
            scope = self._current(reader, len(query.vector))
            with scope.lock:
                if not scope.dropped:  # else another thread made it forget meanwhile: load it again
                    return ask(scope)

    def _current(self, reader: PointReader, dimension: int) -> _Scope:
        changes, next_n = reader.position()
        with self._lock:
            scope = self._scopes.get(reader.key)
            if scope is None or scope.changes != changes:
                if scope is not None:
                    self._wipe(scope)
                scope = self._scopes[reader.key] = _Scope(changes, 0, ScopeIndex(dimension))
            self._scopes.move_to_end(reader.key)
        with scope.lock:
            grew = scope.next_n < next_n and not scope.dropped
            if grew:
                points = reader.points(max(0, scope.next_n - 1))
                scope.index.extend(points, numbered(points.tags, scope.conversations))
                scope.next_n = next_n
        if grew:
            self._evict(reader.key)
        return scope

    def _evict(self, keep: tuple[bytes, ...]) -> None:
        with self._lock:
            used = sum(scope.index.nbytes for scope in self._scopes.values())
            while used > self._cache_bytes and len(self._scopes) > 1:
                oldest = next(key for key in self._scopes if key != keep)
                gone = self._scopes.pop(oldest)
                used -= gone.index.nbytes
                self._wipe(gone)

    def forget(self, tenant: bytes, sid: bytes | None = None) -> None:
        with self._lock:
            for key in [k for k in self._scopes if k[0] == tenant and (sid is None or k[1] == sid)]:
                self._wipe(self._scopes.pop(key))

    def clear(self) -> None:
        with self._lock:
            while self._scopes:
                self._wipe(self._scopes.popitem()[1])

    def wipe_in_child(self) -> None:
        """After a fork: overwrite the child's copy, whatever locks the parent's threads held."""
        self._lock = threading.Lock()
        for scope in self._scopes.values():
            scope.lock = threading.Lock()
        self.clear()

    @staticmethod
    def _wipe(scope: _Scope) -> None:
        """Overwrite what was unsealed; a search that still holds the scope finishes first."""
        with scope.lock:
            scope.index.clear()
            scope.conversations.clear()
            scope.dropped = True

    def describe(self) -> dict[str, int | str]:
        with self._lock:
            return {
                "adapter": "sealed",
                "scopes": len(self._scopes),
                "bytes": sum(scope.index.nbytes for scope in self._scopes.values()),
            }


_live: weakref.WeakSet[SealedIndex] = weakref.WeakSet()


def _wipe_in_child() -> None:
    for index in list(_live):
        index.wipe_in_child()


os.register_at_fork(after_in_child=_wipe_in_child)
