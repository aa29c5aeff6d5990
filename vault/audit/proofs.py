"""What a certificate proves, gathered from a log: entries, their openings, the way from each to one checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vault.audit.log import LogRowLike, LogStore
from vault.audit.merkle import Tree, leaf_hash
from vault.audit.nonmembership import KeyProof
from vault.audit.note import format_proof
from vault.audit.verify import VerificationError, opened
from vault.errors import AuditChainError, ConflictError

_LOOK_BACK: Final = 10_000  # checkpoints to look through for the state of a kept key proof


class Opener(Protocol):
    """The part of a tenant's log that opens the vault's own entries."""

    @property
    def origin(self) -> str: ...
    def vkeys(self) -> list[str]: ...
    def opening(self, row: LogRowLike) -> tuple[bytes, bytes]: ...


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """A log entry as it stands, its opened detail, and its tlog-proof."""

    index: int
    entry: bytes
    proof: bytes
    blind: bytes
    detail: bytes

    def fields(self) -> dict[str, Any]:
        return opened(self.entry, self.blind, self.detail)[0]

    def said(self) -> dict[str, Any]:
        """The detail, without the actor."""
        detail = opened(self.entry, self.blind, self.detail)[1]
        return {name: value for name, value in detail.items() if name != "actor"}


@dataclass(frozen=True, slots=True)
class Proofs:
    """Everything in a certificate that is not signed by it, because it proves itself."""

    origin: str
    vkeys: tuple[str, ...]
    checkpoint: bytes
    before: bytes
    consistency: tuple[bytes, ...]
    older: tuple[tuple[int, tuple[bytes, ...]], ...]
    request: ProvenEntry
    tombstones: tuple[ProvenEntry, ...]
    epochs: tuple[ProvenEntry, ...]
    probe: ProvenEntry
    state_before: ProvenEntry
    state_after: ProvenEntry
    keys_before: KeyProof
    keys_after: KeyProof


def gather(
    store: LogStore,
    log: Opener,
    *,
    request: int,
    tombstones: Sequence[int],
    probe: int,
    epochs: Sequence[int] = (),
    keys_before: KeyProof,
    keys_after: KeyProof,
    since: Sequence[int] = (),
) -> Proofs:
    """Proofs for the entries with these numbers, under the newest checkpoint whose `state` names `keys_after`'s root.

    `keys_before` was made from the keystore as signed before the first tombstone, `keys_after` as signed at the end.
    `since` are sizes of checkpoints that somebody kept: a consistency proof from each is added. Raises ConflictError
    where no checkpoint fits (the keystore changed since: sign again), AuditChainError where an entry cannot be opened.
    """
    with store.reading():
        chosen = [request, *tombstones, probe, *epochs]
        after = _checkpoint(store, log, keys_after.root, first=max(chosen) + 2, last=None)
        before = _checkpoint(store, log, keys_before.root, first=1, last=min(tombstones, default=0))
        wanted = {*chosen, before[0] - 1, after[0] - 1}
        tree, rows = Tree(), {}
        for row in store.log(0, after[0]):
            tree.append(leaf_hash(row.entry))
            if row.seq in wanted:
                rows[row.seq] = row

        def proven(seq: int) -> ProvenEntry:
            row = rows[seq]
            proof = format_proof(seq, tree.inclusion(seq), after[1])
            entry = ProvenEntry(seq, row.entry, proof, *log.opening(row))
            try:
                entry.said()
            except VerificationError:
                raise AuditChainError(
                    "audit.opening", "a log entry holds a detail that a certificate does not show"
                ) from None
            return entry

        return Proofs(
            origin=log.origin,
            vkeys=tuple(log.vkeys()),
            checkpoint=after[1],
            before=before[1],
            consistency=tuple(tree.consistency(before[0])),
            older=tuple((size, tuple(tree.consistency(size))) for size in sorted(set(since))),
            request=proven(request),
            tombstones=tuple(proven(seq) for seq in sorted(set(tombstones))),
            epochs=tuple(sorted(map(proven, set(epochs)), key=lambda entry: int(entry.said()["epoch"]))),
            probe=proven(probe),
            state_before=proven(before[0] - 1),
            state_after=proven(after[0] - 1),
            keys_before=keys_before,
            keys_after=keys_after,
        )


def _checkpoint(
    store: LogStore, log: Opener, keystore: bytes, *, first: int, last: int | None
) -> tuple[int, bytes]:
    """The newest checkpoint of first to last entries whose `state` entry names this keystore root."""
    fitting = [
        (size, note)
        for size, note, _ in store.checkpoints()
        if size >= first and (last is None or size <= last)
    ]
    for size, note in fitting[: -_LOOK_BACK - 1 : -1]:
        row = next(iter(store.log(size - 1, size)))
        _, state = opened(row.entry, *log.opening(row))
        if state["keystore"] == keystore.hex():
            return size, note
    raise ConflictError(
        "certificate.state", "no checkpoint was signed with the keystore as it was proven: sign again"
    )
