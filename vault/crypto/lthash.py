"""A hash of a set that is updated in place: what the log's `state` entries commit the records to.

LtHash16 (Bellare and Micciancio 1997; parameters of Lewi et al., ePrint 2019/227): each item expands to 1024
lanes of 16 bits, lanes add modulo 2^16. Order does not matter and removing undoes adding. Items must be
distinct while they are in the set (2^16 copies of one cancel out); ours carry an id and a version.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

from vault.errors import InvalidInputError

LANES: Final = 1024
STATE_BYTES: Final = 2 * LANES

_LABEL: Final = b"pmv/lthash/v1\x00"


def _lanes(data: bytes) -> npt.NDArray[np.uint16]:
    return np.frombuffer(data, dtype="<u2")


class LtHash:
    """A set's hash; starts empty, or from an earlier `state()` (another size raises InvalidInputError)."""

    __slots__ = ("_sum",)

    def __init__(self, state: bytes | None = None) -> None:
        if state is None:
            self._sum: npt.NDArray[np.uint16] = np.zeros(LANES, dtype="<u2")
            return
        if len(state) != STATE_BYTES:
            raise InvalidInputError("crypto.lthash_state", "a multiset hash state is 2048 bytes")
        self._sum = _lanes(state).copy()

    def add(self, item: bytes) -> None:
        """Put `item` into the set."""
        self._sum += _lanes(hashlib.shake_128(_LABEL + item).digest(STATE_BYTES))

    def remove(self, item: bytes) -> None:
        """Take `item` out of the set; it must be in it, which the hash alone cannot tell."""
        self._sum -= _lanes(hashlib.shake_128(_LABEL + item).digest(STATE_BYTES))

    def state(self) -> bytes:
        """The 2048 bytes to store (lanes as u16 little-endian)."""
        return self._sum.tobytes()

    def digest(self) -> bytes:
        """SHA-256 of the state: 32 bytes that stand for the whole set."""
        return hashlib.sha256(self.state()).digest()
