"""The log's tree (RFC 9162 section 2.1): roots and proofs made here, checked by the code of `verify.py`.

Functions take and give leaf hashes, not entries; `leaf_hash(entry)` makes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.audit import verify
from vault.audit.verify import EMPTY_ROOT, HASH_BYTES, VerificationError, leaf_hash, node_hash
from vault.errors import AuditChainError, InvalidInputError

__all__ = [
    "EMPTY_ROOT",
    "Frontier",
    "Tree",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
]


class Frontier(verify.Frontier):
    """A tree's right edge that can be stored: size, and one hash per set bit of it."""

    __slots__ = ()

    def to_bytes(self) -> bytes:
        """size u64be || hashes, largest subtree first."""
        return self.size.to_bytes(8, "big") + b"".join(self.nodes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """The inverse of `to_bytes`. Raises AuditChainError for any other length."""
        frontier = cls()
        frontier.size = int.from_bytes(data[:8], "big")
        if len(data) != 8 + HASH_BYTES * frontier.size.bit_count():
            raise AuditChainError("audit.frontier", "a stored tree frontier has the wrong length")
        frontier.nodes = [data[i : i + HASH_BYTES] for i in range(8, len(data), HASH_BYTES)]
        return frontier


class Tree:
    """A whole tree in memory, 64 bytes a leaf: any root and any proof in it costs a few hashes."""

    __slots__ = ("_levels", "size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._levels: list[bytearray] = []  # level k: the roots of complete subtrees of 2^k leaves, in order
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        """Add one leaf, given by its leaf hash."""
        self.size += 1
        level, node = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append(bytearray())
            nodes = self._levels[level]
            nodes += node
            if (self.size >> level) & 1:
                return
            node = node_hash(bytes(nodes[-2 * HASH_BYTES : -HASH_BYTES]), node)
            level += 1

    def leaf(self, index: int) -> bytes:
        """The hash of one leaf."""
        return self._node(0, index)

    def _node(self, level: int, number: int) -> bytes:
        return bytes(self._levels[level][number * HASH_BYTES : (number + 1) * HASH_BYTES])

    def _range(self, start: int, end: int) -> bytes:
        """The root over leaves start to end; `start` is a multiple of the largest power of two in their number."""
        level = (end - start).bit_length() - 1
        left, middle = self._node(level, start >> level), start + (1 << level)
        return left if middle == end else node_hash(left, self._range(middle, end))

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves, all of them by default."""
        end = self.size if size is None else size
        return self._range(0, end) if end else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The siblings from leaf `index` up to the root of the first `size` leaves (RFC 9162 2.1.3.1)."""
        start, end = 0, self.size if size is None else size
        if not 0 <= index < end <= self.size:
            raise InvalidInputError("audit.index", "no such entry in the tree")
        proof = []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        return proof[::-1]

    def consistency(self, size1: int, size2: int | None = None) -> list[bytes]:
        """Why the first `size2` leaves extend the first `size1` (RFC 9162 2.1.4.1)."""
        start, end = 0, self.size if size2 is None else size2
        if not 0 < size1 <= end <= self.size:
            raise InvalidInputError("audit.size", "no such earlier tree")
        proof = []
        while size1 != end:
            middle = start + _split(end - start)
            if size1 <= middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start = middle
        if start > 0:  # otherwise the older root itself is the first node, and the verifier has it
            proof.append(self._range(start, end))
        return proof[::-1]


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = verify.Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings from leaf `index` up to the root (RFC 9162 2.1.3.1); InvalidInputError out of range."""
    return Tree(leaves).inclusion(index)


def consistency_proof(leaves: Sequence[bytes], size1: int) -> list[bytes]:
    """Why the tree over `leaves` extends the tree over its first `size1` (RFC 9162 2.1.4.1).

    Raises InvalidInputError unless 0 < size1 <= len(leaves).
    """
    return Tree(leaves).consistency(size1)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root_hash: bytes) -> None:
    """Check that `leaf` is number `index` of the tree. Raises AuditChainError."""
    try:
        verify.verify_inclusion(index, size, leaf, proof, root_hash)
    except VerificationError as error:
        raise AuditChainError("audit.inclusion", str(error)) from None


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `size2` extends the tree of `size1`, not empty. Raises AuditChainError."""
    try:
        verify.verify_consistency(size1, size2, root1, root2, proof)
    except VerificationError as error:
        raise AuditChainError("audit.consistency", str(error)) from None
