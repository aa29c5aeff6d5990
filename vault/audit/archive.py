"""The log once more, beside the data: signed entries as C2SP tlog-tiles, so that a restore of old data finds the rest.

    <archive>/<tid>/checkpoint                     the newest signed head that everything below belongs to
    <archive>/<tid>/tile/<level>/<n>[.p/<width>]   hashes
    <archive>/<tid>/tile/entries/<n>[.p/<width>]   entries, as they are stored and hashed
    <archive>/<tid>/details/<n>                    who, what and why of the entries of bundle n, apart: they can go

Written at every checkpoint before the keystore learns of it: tiles, details, then the checkpoint, each durable. So the
archive is never ahead of the records and, unless it was lost, never behind the keystore. What a crash left is written
again; a log that is not the continuation of the archived one is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from vault.audit.details import Detail, Details
from vault.audit.log import LogKeys, LogRowLike, LogStore, SignedHead, origin, vkeys
from vault.audit.merkle import Frontier, leaf_hash
from vault.audit.note import Checkpoint, open_note
from vault.audit.tiles import Tiles, damaged, remove
from vault.audit.verify import TILE_WIDTH
from vault.errors import AuditChainError, RollbackError
from vault.files import convert_os, private_folder, write_private
from vault.locks import FileLock

CHECKPOINT: Final = "checkpoint"
_LOCK: Final = "archive.lock"


class Subject(Protocol):
    """The part of a stored subject that the archive needs."""

    @property
    def sid(self) -> bytes: ...


class ArchivedStore(LogStore, Protocol):
    """The part of a record store that the archive needs."""

    def subject_by_number(self, s: int) -> Subject | None: ...


class TenantArchive:
    """One tenant's archive under the tenant's keys; any number of processes may extend it."""

    def __init__(self, root: Path, keys: LogKeys, *, timeout_s: float = 10.0) -> None:
        self.folder = root / keys.tid.hex()
        self._keys = keys
        self._timeout_s = timeout_s
        self._tiles = Tiles(self.folder)
        self._details = Details(self.folder, keys)

    # --- reading -----------------------------------------------------------------------------------------------

    def note(self) -> bytes | None:
        """The signed note of the archived checkpoint, or None where there is no archive."""
        try:
            return (self.folder / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise convert_os(error) from None

    def written_at(self) -> float | None:
        """When the archive was last extended, by the time of its checkpoint's file; None where there is none."""
        try:
            return (self.folder / CHECKPOINT).stat().st_mtime
        except OSError:
            return None

    def head(self) -> Checkpoint | None:
        """The archived checkpoint, its signature checked; None where there is no archive. Raises AuditChainError."""
        note = self.note()
        if note is None:
            return None
        head = open_note(note, vkeys(self._keys))
        if head.origin != origin(self._keys):
            raise AuditChainError("archive.foreign", "the log archive belongs to another tenant")
        return head

    def check(self, head: Checkpoint | None, store: LogStore) -> None:
        """The stored log contains the archived head, which was read before it; raises RollbackError."""
        if head is None:
            return
        last = store.last_checkpoint()
        if head.size > (last[0] if last else 0):
            raise RollbackError(
                "archive.ahead",
                "the log archive knows more of the log than the records do: an older records file was put back."
                " Use memvault backup restore, which brings the log along",
            )
        if not _holds(store, head):
            raise forked()

    def entries(self, start: int, size: int) -> Iterator[bytes]:
        """Entries start <= seq < size of the archived log. Raises AuditChainError where one is missing."""
        return self._tiles.entries(start, size)

    def details(self, start: int, size: int) -> Iterator[Detail]:
        """What is known of the entries start <= seq < size; nothing of entries whose bundle is lost."""
        for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
            yield from (one for one in self._details.read(number) if start <= one.seq < size)

    def walk(self, start: int, size: int) -> Iterator[tuple[int, bytes, Detail | None]]:
        """(seq, entry, what is known of it) of the entries start <= seq < size, in order."""
        known: dict[int, Detail] = {}
        for seq, entry in enumerate(self.entries(start, size), start):
            if seq == start or seq % TILE_WIDTH == 0:
                known = {one.seq: one for one in self._details.read(seq // TILE_WIDTH)}
            yield seq, entry, known.get(seq)

    # --- writing -----------------------------------------------------------------------------------------------

    def extend(self, head: SignedHead, store: ArchivedStore) -> None:
        """Archive the log up to a signed head; nothing to do where it is archived already.

        Raises IntegrityViolationError where log and archive contradict each other; the checkpoint stays as it was.
        """
        with self._alone():
            known = self.head()
            if known is not None and known.size >= head.size:
                if known.size == head.size and known.root != head.root:
                    raise forked()
                return
            start, frontier = self._place(known, store)
            old = self._tiles.extend(start, self._bundles(start, head.size, store, frontier))
            if not hmac.compare_digest(frontier.root(), head.root):
                raise AuditChainError("audit.root", "the log's entries do not hash to a signed checkpoint")
            self._details.sync()
            write_private(self.folder / CHECKPOINT, head.note)
            remove(old)

    def _place(self, known: Checkpoint | None, store: LogStore) -> tuple[int, Frontier]:
        """Where to go on writing, and the tree so far; from the start where tiles are missing or changed."""
        if known is None:
            return 0, Frontier()
        start = known.size // TILE_WIDTH * TILE_WIDTH
        frontier = self._tiles.frontier(start)
        if frontier is not None and _leads_to(frontier, known, store):
            return start, _copy(frontier)
        if not _leads_to(Frontier(), known, store):
            raise forked()
        return 0, Frontier()

    def _bundles(
        self, start: int, size: int, store: ArchivedStore, frontier: Frontier
    ) -> Iterator[list[bytes]]:
        """Entries in bundles; their details are written on the way, and the tree grows with them."""
        sids: dict[int, bytes | None] = {}
        for number, rows in enumerate(_batches(store.log(start, size)), start // TILE_WIDTH):
            details = []
            for row in rows:
                frontier.append(leaf_hash(row.entry))
                details.append(_detail(row, store, sids))
            self._details.write(number, details)
            yield [row.entry for row in rows]

    def refresh(self, changed: Mapping[int, bytes], *, sid: bytes | None = None) -> int:
        """Put details that were sealed anew (seq: blob) in the place of the archived ones; returns how many.

        With `sid` they belong to that subject from now on.
        """
        done = 0
        with self._alone():
            for number in sorted({seq // TILE_WIDTH for seq in changed}):
                before = self._details.read(number)
                after = [
                    replace(one, blob=changed[one.seq], sid=sid or one.sid)
                    if one.blob and one.seq in changed
                    else one
                    for one in before
                ]
                if after != before:
                    self._details.write(number, after)
                    done += sum(old != new for old, new in zip(before, after, strict=True))
            self._details.sync()
        return done

    def forget(self, *sids: bytes) -> int:
        """Erasure: remove every detail of these subjects, and their ids; returns how many entries that were.

        The entries stay, and verify. Call it once the subject's rows are gone from the records: an entry that is
        archived later takes its detail from there.
        """
        done, gone = 0, frozenset(sids)
        with self._alone():
            head = self.head()
            for number in self._details.numbers(head.size if head else 0):
                before = self._details.read(number)
                after = [Detail(one.seq, None, None) if one.sid in gone else one for one in before]
                if after != before:
                    self._details.write(number, after)
                    done += sum(one.sid in gone for one in before)
            self._details.sync()
        return done

    def left(self, sid: bytes) -> int:
        """How many archived details still belong to a subject, read from the files."""
        head = self.head()
        return sum(one.sid == sid for one in self.details(0, head.size)) if head else 0

    def copy_to(self, root: Path) -> int:
        """Bring a copy of this archive under another root up to date; how many files were written.

        Tiles, details, then the checkpoint, each durable, while nobody writes here. Raises RollbackError where the copy
        there is not of an earlier moment of this log: it may be the only one that knows the rest.
        """
        with self._alone():
            head, note = self.head(), self.note()
            there = TenantArchive(root, self._keys, timeout_s=self._timeout_s)
            known = there.head()
            if known is not None and (head is None or self._tiles.root_at(known.size) != known.root):
                raise forked()
            if head is None or note is None:
                return 0
            private_folder(root)
            private_folder(there.folder)
            written = self._tiles.mirror(there.folder)
            written += self._details.mirror(there.folder, head.size)
            if there.note() != note:
                write_private(there.folder / CHECKPOINT, note)
                written += 1
            self._tiles.prune_like(there.folder)
        return written

    def forget_tenant(self) -> int:
        """Removal of the tenant: every detail goes, the entries stay; returns how many bundles of details went."""
        with self._alone():
            head = self.head()
            return self._details.drop(head.size) if head else 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        private_folder(self.folder.parent)
        private_folder(self.folder)
        lock = FileLock(self.folder / _LOCK, self._timeout_s)
        try:
            with lock.hold():
                yield
        finally:
            lock.close()


def _detail(row: LogRowLike, store: ArchivedStore, sids: dict[int, bytes | None]) -> Detail:
    if row.s is None:
        return Detail(row.seq, None, row.detail)
    if row.s not in sids:
        subject = store.subject_by_number(row.s)
        sids[row.s] = subject.sid if subject is not None else None
    sid = sids[row.s]
    return Detail(row.seq, sid, row.detail) if sid is not None else Detail(row.seq, None, None)


def _holds(store: LogStore, head: Checkpoint) -> bool:
    """Whether a stored log has this head on its way, from the nearest checkpoint before it."""
    there = store.checkpoint_at(head.size)
    earlier = [there] if there else [one for one in store.checkpoints() if one[0] < head.size]
    frontier = Frontier.from_bytes(earlier[-1][2]) if earlier else Frontier()
    return _leads_to(frontier, head, store)


def _leads_to(frontier: Frontier, known: Checkpoint, store: LogStore) -> bool:
    """Whether this tree with the stored entries after it is the tree of a known checkpoint."""
    grown = _copy(frontier)
    for row in store.log(grown.size, known.size):
        grown.append(leaf_hash(row.entry))
    return grown.size == known.size and hmac.compare_digest(grown.root(), known.root)


def _copy(frontier: Frontier) -> Frontier:
    return Frontier.from_bytes(frontier.to_bytes())


def _batches(rows: Iterable[LogRowLike]) -> Iterator[list[LogRowLike]]:
    rest = iter(rows)
    while bundle := list(islice(rest, TILE_WIDTH)):
        yield bundle


def forked() -> RollbackError:
    """The archive and the log are of one beginning and have gone different ways."""
    return RollbackError(
        "archive.forked",
        "the log and its archive contradict each other: one of them is of another time."
        " Keep both, find out which one was put back, and restore the other (memvault backup restore)",
    )


__all__ = ["Detail", "TenantArchive", "damaged", "forked"]
