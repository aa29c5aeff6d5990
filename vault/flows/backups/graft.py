"""Bringing the log of an older records file forward: what it holds, then what the archive holds beyond it.

That both are one log is proven before anything is written: the entries of the file and the archived ones after them
hash to the archived checkpoint, which this tenant's key signed, and to the one that the keystore knows.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Any

from vault.audit.archive import TenantArchive
from vault.audit.details import Detail
from vault.audit.jcs import strict_loads
from vault.audit.log import TenantLog, chain
from vault.audit.merkle import Frontier, leaf_hash
from vault.audit.note import Checkpoint
from vault.crypto.record import read_header, read_stub, stub
from vault.errors import AuditChainError, RollbackError
from vault.flows.reconcile import TOMBSTONE, Survey, named_keys, replayable
from vault.flows.stores import OpenStore
from vault.keys.keyring import TenantKeys
from vault.keys.keystore import Keystore, StoredCheckpoint
from vault.keys.repair import DataKeys
from vault.records.interface import LogRow, RecordStore

GONE = 0  # number of a subject that no records file gives out: an entry about somebody who is gone


@dataclass(slots=True)
class Graft:
    """What bringing the log forward takes: from where to where, what it says about keys, and what is missing."""

    base: int  # entries that the file holds
    head: Checkpoint | None  # the archived checkpoint
    known: StoredCheckpoint | None  # the keystore's
    notes: dict[int, bytes] = field(default_factory=dict)  # the signed heads that both know, by size
    frontiers: dict[int, bytes] = field(
        default_factory=dict
    )  # and the tree at each, once its root was found right
    replays: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list
    )  # what the log did to the keystore since
    bare: int = 0  # archived entries of the vault itself whose details are lost

    @property
    def tail(self) -> int:
        """How many entries come from the archive."""
        return max(0, (self.head.size if self.head is not None else 0) - self.base)

    @property
    def lost(self) -> int:
        """How many entries the keystore knows of that neither the file nor the archive has."""
        return max(0, (self.known.size if self.known is not None else 0) - self.base - self.tail)

    @property
    def buried(self) -> list[tuple[bytes, int]]:
        """The data keys that the log says were destroyed since the keystore's newest checkpoint."""
        return [key for action, detail in self.replays if action == TOMBSTONE for key in named_keys(detail)]


def prepare(store: OpenStore, archive: TenantArchive, known: StoredCheckpoint | None) -> Graft:
    """Prove that file, archive and keystore are of one log, and read what the log did since the keystore's checkpoint.

    Raises RollbackError where they are not, IntegrityViolationError where the archive is damaged.
    """
    note, head = archive.note(), archive.head()
    graft = Graft(store.records.log_head()[0], head, known)
    graft.notes = {known.size: known.note} if known is not None else {}
    if head is not None and note is not None:
        graft.notes[head.size] = note
    _walk(store.records, archive, graft)
    since = known.size if known is not None else 0
    tail = _tail_rows(archive, graft)
    graft.replays = replayable(
        store.log, joined(store.records.log(since), (row for row in tail if row.seq >= since))
    )
    graft.bare = sum(row.s is None and row.detail is None for row in _tail_rows(archive, graft))
    return graft


def _walk(records: RecordStore, archive: TenantArchive, graft: Graft) -> None:
    head, known = graft.head, graft.known
    wanted = {one.size: one.root for one in (known, head) if one is not None}
    size = head.size if head is not None else 0
    frontier = Frontier()
    for expected, row in enumerate(records.log()):
        if row.seq != expected:
            raise AuditChainError("audit.gap", "the log has a gap")
        _grow(frontier, row.entry, wanted, graft)
    if graft.tail:
        for entry in archive.entries(graft.base, size):
            _grow(frontier, entry, wanted, graft)


def _grow(frontier: Frontier, entry: bytes, wanted: dict[int, bytes], graft: Graft) -> None:
    frontier.append(leaf_hash(entry))
    root = wanted.get(frontier.size)
    if root is None:
        return
    if not hmac.compare_digest(frontier.root(), root):
        raise RollbackError(
            "restore.forked",
            "the backup's log and the one that the keystore or the archive knows have gone different ways: it is a"
            " backup of another time line. Use another backup",
        )
    graft.frontiers[frontier.size] = frontier.to_bytes()


def _tail_rows(archive: TenantArchive, graft: Graft) -> Iterator[LogRow]:
    """The archived entries beyond the file as rows; `s` only says whether an entry is about a person."""
    if graft.head is None or not graft.tail:
        return
    for seq, entry, detail in archive.walk(graft.base, graft.head.size):
        blob = detail.blob if detail is not None else None
        yield LogRow(seq, entry, b"", GONE if strict_loads(entry)["subj"] else None, blob)


def strangers(archive: TenantArchive, graft: Graft, keys: DataKeys) -> set[tuple[bytes, int]]:
    """The data keys of archived entries that are missing: made after the keystore at hand was copied."""
    found: set[tuple[bytes, int]] = set()
    for one in archive.details(graft.base, graft.base + graft.tail):
        if one.sid is not None and one.blob is not None:
            header = read_header(one.blob)
            if not keys.known(header.kid, header.generation):
                found.add((header.kid, header.generation))
    return found


# --- writing ---------------------------------------------------------------------------------------------------------


def bring_forward(keystore: Keystore, store: OpenStore, graft: Graft, keys: DataKeys, found: Survey) -> None:
    """Inside a transaction: the log as the archive has it, chained under the key in force, with its checkpoints."""
    records, tenant = store.records, store.tenant
    if found.partly:
        _refresh_details(store, graft, keys)
    number = tenant.current["log"]
    # The call is made in any case: with it the rows are proven anew, at the length that the log will have.
    records.rechain_log(_chained(records, tenant) if records.setting("log") != number else [])
    records.set_setting("log", number)
    previous = records.log_head()[1]
    for seq, entry, detail in store.archive.walk(graft.base, graft.base + graft.tail):
        s, blob = _whose(keystore, store, entry, detail, keys)
        previous = chain(tenant.key("log"), previous, seq, entry, s)
        records.append_entry(seq, entry, previous, s, blob)
    for size, frontier in graft.frontiers.items():
        records.add_checkpoint(size, graft.notes[size], frontier)


def _chained(records: RecordStore, tenant: TenantKeys) -> list[tuple[int, bytes]]:
    previous, rows = bytes(16), []
    for row in records.log():
        previous = chain(tenant.key("log"), previous, row.seq, row.entry, row.s)
        rows.append((row.seq, previous))
    return rows


def _refresh_details(store: OpenStore, graft: Graft, keys: DataKeys) -> None:
    """Details of the file's own entries whose generation is destroyed: the archive may have them sealed anew."""
    if graft.head is None:
        return
    archived = store.archive.walk(0, graft.head.size)
    for row, (seq, _, detail) in zip(store.records.log(), archived, strict=False):
        fresh = detail.blob if detail is not None and detail.sid is not None else None
        if row.s is None or row.detail is None or fresh is None or _opens(row.detail, keys):
            continue
        if _opens(fresh, keys):
            store.records.replace_detail(seq, fresh)


def _opens(blob: bytes, keys: DataKeys) -> bool:
    if read_stub(blob) is not None:
        return False
    header = read_header(blob)
    return (header.kid, header.generation) in keys.live


def _whose(
    keystore: Keystore, store: OpenStore, entry: bytes, detail: Detail | None, keys: DataKeys
) -> tuple[int | None, bytes | None]:
    """The number of the subject of an archived entry, and what of its detail still opens."""
    blob = detail.blob if detail is not None else None
    if not strict_loads(entry)["subj"]:
        return (None, blob) if blob is not None else (GONE, None)
    subject = keystore.subject_by_sid(store.tenant, detail.sid) if detail is not None and detail.sid else None
    if subject is None or blob is None:
        return GONE, None
    row = store.records.ensure_subject(subject.sid, subject.kid)
    if _opens(blob, keys):
        return row.s, blob
    header = read_header(blob)
    return (row.s, stub(blob)) if keys.destroyed(header.kid, header.generation) else (GONE, None)


def head_of(log: TenantLog, records: RecordStore, at_ms: int) -> StoredCheckpoint | None:
    """The newest signed head of a file, as a keystore keeps it."""
    last = records.last_checkpoint()
    if last is None:
        return None
    root = Frontier.from_bytes(last[2]).root()
    log.check_head(last[0], root, last[1])
    return StoredCheckpoint(last[0], root, last[1], at_ms)
