"""A log against checkpoints that somebody kept where the vault cannot write: what shows a rollback of everything."""

from __future__ import annotations

from collections.abc import Sequence

from vault.audit.log import LogStore
from vault.audit.merkle import Frontier, leaf_hash
from vault.audit.note import open_note
from vault.audit.proofs import Opener
from vault.errors import AuditChainError, RollbackError


def verify_kept(store: LogStore, log: Opener, notes: Sequence[bytes]) -> int:
    """The log extends every one of these signed checkpoints; returns how many there are.

    Raises AuditChainError for one that this log's keys did not sign, RollbackError where the log ends before one or
    does not contain it.
    """
    heads = [open_note(note, log.vkeys()) for note in notes]
    if any(head.origin != log.origin for head in heads):
        raise AuditChainError("audit.kept", "a kept checkpoint is of another log")
    wanted: dict[int, set[bytes]] = {}
    for head in heads:
        wanted.setdefault(head.size, set()).add(head.root)
    if not wanted:
        return 0
    frontier = Frontier()
    with store.reading():
        for row in store.log(0, max(wanted)):
            _compare(frontier, wanted)
            frontier.append(leaf_hash(row.entry))
        _compare(frontier, wanted)
    if frontier.size < max(wanted):
        raise RollbackError(
            "audit.rolled_back",
            "the log ends before a checkpoint that was kept elsewhere: an older state was restored",
        )
    return len(notes)


def _compare(frontier: Frontier, wanted: dict[int, set[bytes]]) -> None:
    roots = wanted.get(frontier.size)
    if roots is not None and roots != {frontier.root()}:
        raise RollbackError("audit.forked", "the log does not contain a checkpoint that was kept elsewhere")
