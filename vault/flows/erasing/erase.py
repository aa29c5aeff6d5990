"""Erasing: what is in the scope of a request, how it becomes unreadable at once, and how its bytes go.

A person (a subject) goes with their keys: tombstone logged, keys deleted from the keystore, rows removed. Less than a
person (memories, a run, what expired) is removed from the rows at once; what is left of the subject is marked, and the
next roll seals it under a new generation and destroys the old one. Every step can be done again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vault.audit.certified import Count
from vault.crypto.record import read_stub
from vault.errors import NotFoundError, StorageError
from vault.flows import ids, outbox
from vault.flows.change import find_visible, remove_rows
from vault.flows.context import Call, milliseconds
from vault.flows.erasing import retention
from vault.flows.holds import is_held
from vault.keys.keyring import SubjectKeys
from vault.keys.repair import bury
from vault.records.interface import BLOCK, MemoryRow, SubjectRow
from vault.types import Scope

SALT: Final = slice(26, 50)  # of a PMV1 blob: 24 random bytes that no other blob has
_BATCH: Final = 500
_PURGE_TRIES: Final = 200
_PURGE_WAIT_S: Final = 0.05


@dataclass(slots=True)
class Target:
    """What of one subject is to go: everything with its keys (`whole`), or the memories with these numbers."""

    sid: bytes
    kid: bytes
    generations: list[int]
    whole: bool
    numbers: list[int] = field(default_factory=list)

    def data_keys(self) -> list[tuple[bytes, int]]:
        return [(self.kid, generation) for generation in self.generations]

    def to_json(self) -> dict[str, Any]:
        return {
            "sid": self.sid.hex(), "kid": self.kid.hex(), "generations": self.generations,
            "whole": self.whole, "numbers": self.numbers,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Target:
        return cls(
            bytes.fromhex(data["sid"]),
            bytes.fromhex(data["kid"]),
            data["generations"],
            data["whole"],
            data["numbers"],
        )


# --- what is in scope ------------------------------------------------------------------------------------------------


def targets(call: Call, asked: dict[str, Any]) -> list[Target]:
    """What the scope of a request holds now, held subjects included; NotFoundError where there is nothing."""
    found = list(_FINDERS[asked["scope"]](call, asked))
    if not found:
        raise NotFoundError("request.nothing", "there is nothing in the scope of this request")
    return sorted(found, key=lambda one: one.sid)


def _whole(subject: SubjectKeys) -> Target:
    return Target(subject.sid, subject.kid, sorted(subject.deks), whole=True)


def _part(subject: SubjectKeys, rows: Iterable[MemoryRow]) -> Target:
    numbers = sorted(row.n for row in rows)
    return Target(subject.sid, subject.kid, sorted(subject.deks), whole=False, numbers=numbers)


def _person(call: Call, asked: dict[str, Any]) -> Iterator[Target]:
    named = Scope(**asked["ids"]).subject()
    subject = call.stages.keystore.subject(call.tenant, *named) if named is not None else None
    if subject is not None:
        yield _whole(subject)


def _memories(call: Call, asked: dict[str, Any]) -> Iterator[Target]:
    by_subject: dict[bytes, tuple[SubjectKeys, list[MemoryRow]]] = {}
    for identity in asked["memory_ids"]:
        row, subject = find_visible(call, identity)
        by_subject.setdefault(subject.sid, (subject, []))[1].append(row)
    for subject, rows in by_subject.values():
        yield _part(subject, rows)


def _scope(call: Call, asked: dict[str, Any]) -> Iterator[Target]:
    """Every memory that carries all the ids; without a user those of every subject, and the id's own subject whole."""
    scope = Scope(**asked["ids"])
    wanted = {kind: call.tenant.tag(kind, v) for kind, v in scope.items() if v is not None and kind != "user"}
    keystore, named = call.stages.keystore, scope.subject()
    owner = keystore.subject(call.tenant, *named) if named is not None else None
    alone = owner is not None and scope.user_id is None and len(wanted) == 1
    for row in call.records.subjects():
        if scope.user_id is not None and (owner is None or owner.sid != row.sid):
            continue
        subject = keystore.subject_by_sid(call.tenant, row.sid)
        if subject is None or (alone and owner is not None and owner.sid == row.sid):
            continue
        memories = call.records.memories(row.s)
        rows = [one for one in memories if all(getattr(one, kind) == tag for kind, tag in wanted.items())]
        if rows:
            yield _part(subject, rows)
    if alone and owner is not None:
        yield _whole(owner)


def _tenant(call: Call, _asked: dict[str, Any]) -> Iterator[Target]:
    for sid in call.stages.keystore.sids(call.tenant.tid):
        subject = call.stages.keystore.subject_by_sid(call.tenant, sid)
        if subject is not None:
            yield _whole(subject)


def _expired(call: Call, _asked: dict[str, Any]) -> Iterator[Target]:
    now_ms = milliseconds(call.stages.now())
    rule = retention.expiry(call.stages.policy, now_ms)
    rows = [row for row in call.records.expired(now_ms, 1_000_000_000) if rule.ends(row)]
    for s in sorted({row.s for row in rows}):
        known = call.records.subject_by_number(s)
        subject = call.stages.keystore.subject_by_sid(call.tenant, known.sid) if known is not None else None
        if subject is not None:
            yield _part(subject, [row for row in rows if row.s == s])


_FINDERS: Final = {
    "subject": _person,
    "memory": _memories,
    "scope": _scope,
    "tenant": _tenant,
    "expired": _expired,
}


# --- counting --------------------------------------------------------------------------------------------------------

STORES: Final = (
    "memories", "points", "index points", "history", "tokens", "replays", "log details", "archived details",
    "data keys",
)  # fmt: skip
_PASSING: Final = ("replays", "log details", "archived details", "index points")


def counted(call: Call, found: Sequence[Target]) -> dict[str, int]:
    """How many items of the targets each store holds now."""
    total = dict.fromkeys(STORES, 0)
    for target in found:
        row = call.records.subject(target.sid)
        for name, count in (_of_rows(call, target, row) if row is not None else {}).items():
            total[name] += count
        total["index points"] += outbox.count(call, target.sid, None if target.whole else set(target.numbers))
        if target.whole:
            live = call.stages.keystore.generations(call.tenant.tid, target.sid)
            total["data keys"] += len(live.intersection(target.generations))
    total["archived details"] = _archived(call, {target.sid for target in found if target.whole})
    return total


def _archived(call: Call, sids: set[bytes]) -> int:
    """How many details of these subjects the archive of the log has; all bundles are read once."""
    head = call.store.archive.head() if sids else None
    return sum(one.sid in sids for one in call.store.archive.details(0, head.size)) if head is not None else 0


def _of_rows(call: Call, target: Target, row: SubjectRow) -> dict[str, int]:
    records, s = call.records, row.s
    numbers = None if target.whole else set(target.numbers)
    valued = [
        r for r in records.all_revisions(s) if r.body is not None and (numbers is None or r.n in numbers)
    ]
    points = [n for n, _, _ in records.points(s) if numbers is None or n in numbers]
    memories = [m for m in records.order(s) if numbers is None or m[0] in numbers]
    found = {"memories": len(memories), "points": len(points), "history": len(valued)}
    if target.whole:
        found |= {
            "tokens": len(records.tokens(s)),
            "replays": len(records.replays(s)),
            "log details": sum(read_stub(detail) is None for _, detail in records.details(s)),
        }
    return found


def counts(before: dict[str, int], after: dict[str, int]) -> list[Count]:
    pairs = ((name, before.get(name, 0), after[name]) for name in STORES)
    return [Count(name, was, left) for name, was, left in pairs if was or left]


def digest(
    asked: dict[str, Any],
    found: Sequence[Target],
    withheld: Sequence[dict[str, Any]],
    total: Sequence[tuple[str, int]],
) -> str:
    """SHA-256 over what an approval approves: the scope as it was asked for, and everything that would go.

    Not over what changes without a write: every read adds to the log, and a repeated write is forgotten after a day.
    """
    lasting = [(store, count) for store, count in total if store not in _PASSING]
    what = repr(
        (sorted(asked.items()), [sorted(t.to_json().items()) for t in found], list(withheld), lasting)
    )
    return hashlib.sha256(what.encode()).hexdigest()


# --- the erasure itself ----------------------------------------------------------------------------------------------


def needles(call: Call, found: Sequence[Target]) -> tuple[list[str], list[str]]:
    """Hex of what must be nowhere afterwards: in the decrypted records, and in the decrypted keystore."""
    records: list[str] = []
    keystore: list[str] = []
    for target in found:
        row = call.records.subject(target.sid)
        if target.whole:
            records += [target.kid.hex(), target.sid.hex()]
            keystore.append(target.sid.hex())
            tokens = call.records.tokens(row.s) if row is not None else []
            records += [token.token.encode().hex() for token in tokens]
        elif row is not None:
            records += [blob[SALT].hex() for blob in _blobs(call, row.s, set(target.numbers))]
    return records, keystore


def _blobs(call: Call, s: int, numbers: set[int]) -> Iterator[bytes]:
    for memory in call.records.memories(s):
        if memory.n in numbers:
            yield memory.body
            yield memory.point
    for block in call.records.blocks(s):
        if any(n // BLOCK == block.b for n in numbers):
            yield block.body
    for past in call.records.all_revisions(s):
        if past.n in numbers and past.body is not None:
            yield past.body


def remove(call: Call, found: Sequence[Target], erasure: str) -> None:
    """Make the targets unreadable and take their rows out; idempotent. Tombstones of whole subjects are logged before.

    The caller holds the vault alone: no other process writes under a key that is about to go.
    """
    whole = [target for target in found if target.whole]
    keys = [key for target in whole for key in target.data_keys()]
    bury(call.stages.keystore, call.tenant.tid, keys, erase_id=bytes.fromhex(erasure))
    for start in range(0, len(whole), _BATCH):
        with call.records.transaction():
            rows = (call.records.subject(target.sid) for target in whole[start : start + _BATCH])
            gone = [call.records.remove_subject(row.s) for row in rows if row is not None]
            if gone:
                call.store.log.append(call.event(action="subject.erase", count=sum(gone) + len(gone)))
    for target in found:
        if not target.whole:
            _remove_part(call, target)
        call.stages.index.forget(call.tenant.tid, target.sid)


def _remove_part(call: Call, target: Target) -> None:
    row = call.records.subject(target.sid)
    subject = call.stages.keystore.subject_by_sid(call.tenant, target.sid)
    if row is None or subject is None:
        return  # gone as a whole meanwhile
    for start in range(0, len(target.numbers), _BATCH):
        with call.records.transaction():
            found = (call.records.memory(row.s, n) for n in target.numbers[start : start + _BATCH])
            rows = [memory for memory in found if memory is not None]
            if rows:
                remove_rows(call, subject, rows, "ERASE", None)
                named = [ids.encode(call.tenant, memory) for memory in rows]  # for a restore of older records
                event = call.event(action="subject.erase", count=len(rows), ids=named)
                call.store.log.append(event, subject, row.s)


def purge(call: Call, found: Sequence[Target]) -> None:
    """Make removed bytes unreadable in every file; raises StorageError `erase.busy` while others read all the time.

    Also in an index kept elsewhere, which must answer: VectorIndexError.
    """
    outbox.wipe(call, [target.sid for target in found if target.whole])
    call.store.archive.forget(*(target.sid for target in found if target.whole))
    for _ in range(_PURGE_TRIES):
        if call.records.purge_free_space() and call.stages.keystore.database.truncate_wal():
            return
        time.sleep(_PURGE_WAIT_S)
    raise StorageError(
        "erase.busy",
        "another process reads all the time, so that removed bytes cannot be wiped yet: run it again",
    )


def split(call: Call, found: Sequence[Target]) -> tuple[list[Target], list[Target]]:
    """What may go, and what a hold keeps."""
    going: list[Target] = []
    kept: list[Target] = []
    for target in found:
        (kept if is_held(call, target.sid) else going).append(target)
    return going, kept
