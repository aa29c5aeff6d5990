"""Proofs about the keystore: which data keys are in its tree, and that one is not, by the two keys around its place.

The tree is RFC 6962 over the sorted live keys of a tenant, kid || generation u32be each, between two sentinels
(`Keystore.leaves`), so that every absent key has a neighbour on both sides. Its root stands in each `state` entry.
"""

from __future__ import annotations

import base64
import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from vault.audit.merkle import Tree, leaf_hash
from vault.errors import IntegrityViolationError, InvalidInputError

KEY_BYTES: Final = 20
LOWEST: Final = bytes(KEY_BYTES)
HIGHEST: Final = b"\xff" * KEY_BYTES

Key = tuple[bytes, int]


@dataclass(frozen=True, slots=True)
class KeyLeaf:
    """One leaf of the keystore tree with its way up to the root."""

    index: int
    leaf: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KeyProof:
    """Leaves of one keystore tree; can be kept as JSON until the certificate is made."""

    size: int
    root: bytes
    leaves: tuple[KeyLeaf, ...]

    def to_json(self) -> dict[str, Any]:
        """The proof as it stands in a certificate; the root is not part of it, a verifier takes the log's."""
        rows = [
            {"index": item.index, "leaf": item.leaf.hex(), "path": [_b64(node) for node in item.path]}
            for item in self.leaves
        ]
        return {"size": self.size, "leaves": rows}

    @classmethod
    def from_json(cls, data: dict[str, Any], root: bytes) -> KeyProof:
        """The inverse of `to_json`, for the root that was kept beside it."""
        leaves = (
            KeyLeaf(row["index"], bytes.fromhex(row["leaf"]), tuple(map(base64.b64decode, row["path"])))
            for row in data["leaves"]
        )
        return cls(data["size"], root, tuple(leaves))


def key_leaf(key: Key) -> bytes:
    """The leaf of a data key, given as kid and generation."""
    kid, generation = key
    if len(kid) != 16 or not 0 <= generation < 1 << 32:
        raise InvalidInputError("key.form", "a data key is named by 16 bytes and a generation")
    return kid + generation.to_bytes(4, "big")


def prove_present(leaves: Sequence[bytes], keys: Iterable[Key]) -> KeyProof:
    """That each key is in the tree over `leaves`; raises InvalidInputError where one is not."""
    wanted = sorted({key_leaf(key) for key in keys})
    places = [bisect.bisect_left(leaves, leaf) for leaf in wanted]
    if any(at == len(leaves) or leaves[at] != leaf for at, leaf in zip(places, wanted, strict=True)):
        raise InvalidInputError("key.absent", "a data key is not in the keystore")
    return _proof(leaves, places)


def prove_absent(leaves: Sequence[bytes], keys: Iterable[Key]) -> KeyProof:
    """That no key is in the tree over `leaves`: the leaves around each one's place; InvalidInputError where one is."""
    places: set[int] = set()
    for leaf in {key_leaf(key) for key in keys}:
        at = bisect.bisect_left(leaves, leaf)
        if at == len(leaves) or at == 0 or leaves[at] == leaf:
            raise InvalidInputError("key.present", "a data key is still in the keystore")
        places |= {at - 1, at}
    return _proof(leaves, sorted(places))


def _proof(leaves: Sequence[bytes], places: Sequence[int]) -> KeyProof:
    ordered = all(one < two for one, two in pairwise(leaves))
    if not ordered or leaves[:1] != [LOWEST] or leaves[-1:] != [HIGHEST]:
        raise IntegrityViolationError(
            "keystore.damaged", "the keystore's tree is not sorted between its sentinels"
        )
    tree = Tree(map(leaf_hash, leaves))
    found = (KeyLeaf(at, leaves[at], tuple(tree.inclusion(at))) for at in places)
    return KeyProof(tree.size, tree.root(), tuple(found))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
