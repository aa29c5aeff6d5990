"""What stands for a row in the store's multiset hash."""

from __future__ import annotations

import hashlib
from typing import Final

from vault.crypto.primitives import length_prefixed
from vault.records.interface import BlockRow, MemoryRow, ReplayRow, RevisionRow, SubjectRow, TokenRow

HashedRow = SubjectRow | MemoryRow | BlockRow | RevisionRow | TokenRow | ReplayRow

_IDENTITY: Final = ("s", "sid", "kid")  # a subject's counters move with its other rows and are not hashed


def item(row: HashedRow) -> bytes:
    """The multiset member of a row: every column, length-prefixed, hashed."""
    parts = [type(row).__name__.encode()]
    for name in _IDENTITY if isinstance(row, SubjectRow) else row.__slots__:
        value = getattr(row, name)
        if isinstance(value, bytes):
            parts.append(b"b" + value)
        elif value is None:
            parts.append(b"-")
        else:
            parts.append(b"v" + str(value).encode())
    return hashlib.sha256(length_prefixed(parts)).digest()
