"""Looking for many byte strings at once, in memory and in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

PREFIX_BYTES: Final = 8  # the shortest needle
CHUNK_BYTES: Final = 1 << 20


class Needles:
    """A set of byte strings of 8 bytes or more; ValueError for a shorter one."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._by_prefix: dict[int, list[bytes]] = {}
        for needle in set(needles):
            if len(needle) < PREFIX_BYTES:
                raise ValueError("a needle has 8 bytes at least")
            self._by_prefix.setdefault(_number(needle), []).append(needle)
        self._prefixes = np.array(sorted(self._by_prefix), dtype="<u8")
        self._longest = max((len(n) for group in self._by_prefix.values() for n in group), default=0)
        self.count = sum(map(len, self._by_prefix.values()))

    def hits(self, data: bytes) -> int:
        """How often any of them stands in `data`."""
        if not self.count:
            return 0
        found = 0
        for offset in range(PREFIX_BYTES):
            words = (len(data) - offset) // PREFIX_BYTES
            if words <= 0:
                break
            view = np.frombuffer(data, dtype="<u8", offset=offset, count=words)
            at = np.minimum(np.searchsorted(self._prefixes, view), len(self._prefixes) - 1)
            for word in np.flatnonzero(self._prefixes[at] == view).tolist():
                start = offset + word * PREFIX_BYTES
                group = self._by_prefix[int(view[word])]
                found += sum(data.startswith(needle, start) for needle in group)
        return found

    def hits_in_file(self, path: Path) -> int:
        """How often any of them stands in a file, read in pieces that overlap; OSError where it cannot be read."""
        found = 0
        tail = b""
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                data = tail + piece
                found += self.hits(data)
                tail = data[len(data) - self._longest + 1 :] if self._longest > 1 else b""
                found -= self.hits(tail)  # counted again with the next piece, or below
        return found + self.hits(tail)


def _number(needle: bytes) -> int:
    return int.from_bytes(needle[:PREFIX_BYTES], "little")
