"""Bringing a keystore in line with what a log knows of it: keys that were destroyed since, and the newest checkpoint.

Nothing here serves ordinary operation. A keystore that was put back from a backup may hold keys that an erasure
destroyed after that backup; the log names them, and they are destroyed again before anything is served.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from vault.keys import aliases, cases
from vault.keys.keystore import Keystore, StoredCheckpoint
from vault.types import TenantId

Generations = Iterable[tuple[bytes, int]]


@dataclass(frozen=True, slots=True)
class DataKeys:
    """Which data keys of a tenant exist, and which were destroyed on purpose.

    A tombstone stands for its generation and every earlier one: what is destroyed was superseded first, and an older
    keystore may still hold what a rotation dropped before the erasure.
    """

    live: frozenset[tuple[bytes, int]]
    dead: dict[bytes, int]

    @classmethod
    def of(cls, keystore: Keystore, tid: TenantId, more: Generations = ()) -> DataKeys:
        """As the keystore has them, and as it would with `more` keys destroyed."""
        reach: dict[bytes, int] = {}
        for kid, generation in more:
            reach[kid] = max(generation, reach.get(kid, 0))
        dead = dict(reach)
        for kid, generation in keystore.tombstones(tid):
            dead[kid] = max(generation, dead.get(kid, 0))
        live = {(kid, g) for kid, g in keystore.live_kids(tid) if g > reach.get(kid, 0)}
        return cls(frozenset(live), dead)

    def destroyed(self, kid: bytes, generation: int) -> bool:
        return (kid, generation) not in self.live and generation <= self.dead.get(kid, 0)

    def known(self, kid: bytes, generation: int) -> bool:
        """Whether the key exists or was destroyed on purpose; else it is missing."""
        return (kid, generation) in self.live or self.destroyed(kid, generation)


def bury(keystore: Keystore, tid: TenantId, keys: Generations, *, erase_id: bytes) -> int:
    """Destroy data keys that are to be gone, with every earlier generation; returns how many there still were.

    Idempotent, one transaction: the tombstones, the keys, and the subject itself where no key of it is in force.
    """
    named = sorted(set(keys))
    if not named:
        return 0
    now = time.time_ns() // 1_000_000
    database = keystore.database
    with database.transaction():
        rows = database.query(  # one look at all keys, however many are named: they are not found by kid
            "SELECT s.kid, d.sid, d.generation FROM deks d JOIN subjects s ON s.tid = d.tid AND s.sid = d.sid"
            " WHERE d.tid = ?",
            (tid,),
        )
        reach = dict(named)  # sorted: the last of each kid is its newest
        held = [(kid, sid, number) for kid, sid, number in rows if number <= reach.get(kid, -1)]
        graves = {*named, *((kid, number) for kid, _, number in held)}
        database.execute_many(
            "INSERT OR IGNORE INTO tombstones(tid, kid, generation, erase_id, at_ms) VALUES(?, ?, ?, ?, ?)",
            [(tid, kid, number, erase_id, now) for kid, number in graves],
        )
        database.execute_many(
            "DELETE FROM deks WHERE tid = ? AND sid = ? AND generation = ?",
            [(tid, sid, number) for _, sid, number in held],
        )
        gone = len(held)
        if gone:
            keyless = [
                (tid, sid)
                for (sid,) in database.query(
                    "SELECT s.sid FROM subjects s LEFT JOIN deks d"
                    " ON d.tid = s.tid AND d.sid = s.sid AND d.generation = s.generation"
                    " WHERE s.tid = ? AND d.sid IS NULL",
                    (tid,),
                )
            ]
            database.execute_many("DELETE FROM deks WHERE tid = ? AND sid = ?", keyless)
            database.execute_many("DELETE FROM subjects WHERE tid = ? AND sid = ?", keyless)
            aliases.drop(database, tid, [sid for _, sid in keyless])
            cases.forget(database, tid, [sid for _, sid in keyless])
            keystore.touch()
    if gone:
        database.truncate_wal()
    return gone


def forget_checkpoint(keystore: Keystore, tid: TenantId, checkpoint: StoredCheckpoint | None) -> None:
    """Put an older head in the place of the newest: an operator accepted that the entries between them are lost."""
    with keystore.database.transaction():
        keystore.database.execute("DELETE FROM checkpoints WHERE tid = ?", (tid,))
        if checkpoint is None:
            return
        keystore.database.execute(
            "INSERT INTO checkpoints(tid, size, root, note, at_ms) VALUES(?, ?, ?, ?, ?)",
            (tid, checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.at_ms),
        )
