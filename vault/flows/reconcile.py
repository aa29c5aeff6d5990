"""Bringing records in line with the keystore, and the keystore with the log, before anything is served.

A keystore that was put back from a backup may be older than the log: what entries since its newest checkpoint did to
it (`REPLAYS`) is done again. Records that were put back may hold rows under keys that are destroyed: with a tombstone
they are purged, without one the key is missing, and the tenant does not open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from vault.audit.jcs import strict_loads
from vault.audit.log import LogRowLike, TenantLog
from vault.crypto.record import read_header, read_stub, stub
from vault.errors import DecryptionError, IntegrityViolationError, RollbackError
from vault.flows.bodies import decode, open_bodies, open_value, record_id
from vault.flows.merging import merge_again
from vault.flows.naming import ALIAS, MERGE, RENAME, follow
from vault.flows.stores import OpenStore
from vault.keys import cases
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore, StoredCheckpoint
from vault.keys.repair import DataKeys, bury
from vault.records.interface import RecordStore, SubjectRow

TOMBSTONES: Final = (
    "tombstones"  # setting of a records file: how many of them it is known to be in line with, plus 1
)

Replay = Callable[[Keystore, TenantKeys, Mapping[str, Any]], int]
"""Does again what an entry's sealed detail says was done to the keystore, where it is not done; answers how often."""


def named_keys(detail: Mapping[str, Any]) -> list[tuple[bytes, int]]:
    """The data keys that a tombstone entry gives up."""
    return [(bytes.fromhex(key["kid"]), int(key["generation"])) for key in detail["keys"]]


def _bury_again(keystore: Keystore, tenant: TenantKeys, detail: Mapping[str, Any]) -> int:
    erase_id = sha256(str(detail["erasure"]).encode()).digest()[:16]
    return bury(keystore, tenant.tid, named_keys(detail), erase_id=erase_id)


TOMBSTONE: Final = "erasure.tombstone"
REPLAYS: Final[dict[str, Replay]] = {
    TOMBSTONE: _bury_again,
    RENAME: follow,
    ALIAS: follow,
    MERGE: lambda _keystore, _tenant, _detail: 0,  # at opening, with the rows
}


REMOVALS: Final = frozenset(  # what leaves a generation to be destroyed by the next roll
    {
        "memory.delete", "memory.delete_all", "memory.expire", "memory.rescan", "retention.run", "subject.erase",
        "subject.redact_mentions",
    }
)  # fmt: skip


def replayable(log: TenantLog, rows: Iterable[LogRowLike]) -> list[tuple[str, dict[str, Any]]]:
    """The entries among `rows` that changed the keystore, with their details, in order.

    Raises IntegrityViolationError where a detail cannot be read: what was done to the keystore is not known then.
    """
    found = []
    for row in rows:
        entry = strict_loads(row.entry)
        if entry["act"] not in REPLAYS or entry["res"] != "ok" or entry["subj"]:
            continue  # what is told to a person has its twin that is told to nobody
        detail = log.open_detail(row, None)
        if detail is None:
            raise IntegrityViolationError(
                "restore.detail",
                "the log says that keys were destroyed, but not which: its details are missing. Restore the newest"
                " keystore backup",
            )
        found.append((str(entry["act"]), detail))
    return found


# --- what the keystore says of the rows ----------------------------------------------------------------------------


@dataclass(slots=True)
class Survey:
    """What of a records file opens under the keystore: subjects, and generations of subjects that are there."""

    erased: list[SubjectRow] = field(default_factory=list)
    partly: dict[int, frozenset[int]] = field(default_factory=dict)  # s: destroyed generations
    lost: list[SubjectRow] = field(default_factory=list)
    partly_lost: dict[int, frozenset[int]] = field(default_factory=dict)
    memories: Counter[str] = field(default_factory=Counter)  # erased, lost, kept
    wanted: set[tuple[bytes, int]] = field(default_factory=set)  # the data keys that are missing

    @property
    def missing(self) -> bool:
        """Whether a key is needed that neither exists nor was destroyed on purpose."""
        return bool(self.lost or self.partly_lost)

    @property
    def clean(self) -> bool:
        return not (self.missing or self.erased or self.partly)


def survey(records: RecordStore, read_keys: Callable[[], DataKeys]) -> Survey:
    """Every subject, and every generation that rows are sealed under, against the keys there are and were."""
    found = Survey()
    with records.reading():
        sealed, subjects = records.sealed_under(), records.subjects()
    keys = read_keys()  # after the rows: a new subject's key is durable before its first row
    with_keys = {kid for kid, _ in keys.live}
    for row in subjects:
        used = sealed.get(row.s, {})
        gone = frozenset(g for g in used if (row.kid, g) not in keys.live)
        missing = frozenset(g for g in gone if not keys.destroyed(row.kid, g))
        found.memories["kept"] += sum(count for g, count in used.items() if g not in gone)
        found.memories["lost"] += sum(used[g] for g in missing)
        found.memories["erased"] += sum(used[g] for g in gone - missing)
        found.wanted |= {(row.kid, g) for g in missing}
        if row.kid in with_keys:
            if missing:
                found.partly_lost[row.s] = missing
            if gone - missing:
                found.partly[row.s] = gone - missing
        elif missing or row.kid not in keys.dead:
            found.lost.append(row)
            found.wanted.add((row.kid, max(missing, default=1)))
        else:
            found.erased.append(row)
    return found


def missing_keys() -> RollbackError:
    """The records know keys that the keystore never had, or lost without an erasure."""
    return RollbackError(
        "keystore.older",
        "the records name data keys this keystore never had or lost without an erasure:"
        " restore the newest keystore backup (or the matching records backup)",
    )


# --- purging -------------------------------------------------------------------------------------------------------


def purge(keystore: Keystore, store: OpenStore, found: Survey) -> Counter[str]:
    """Inside a transaction: take out what no key opens; counts by kind. Raises RollbackError where a key is missing."""
    if found.missing:
        raise missing_keys()
    done: Counter[str] = Counter()
    for row in found.erased:
        done["memories"] += store.records.remove_subject(row.s)
        done["subjects"] += 1
    for s, generations in found.partly.items():
        subject_row = store.records.subject_by_number(s)
        subject = keystore.subject_by_sid(store.tenant, subject_row.sid) if subject_row is not None else None
        if subject is not None:
            done += _purge_generations(store, subject, s, generations)
    return done + _purge_details(store.records, found.partly) if found.partly else done


def _purge_details(records: RecordStore, gone: Mapping[int, frozenset[int]]) -> Counter[str]:
    """Of log details that nobody opens any more the header stays: it says which key they had. One pass for all."""
    done: Counter[str] = Counter()
    places = {number: generations for s, generations in gone.items() for number in records.numbers(s)}
    for row in records.log():
        generations = places.get(row.s) if row.s is not None else None
        if generations is None or row.detail is None or read_stub(row.detail) is not None:
            continue
        if _under(row.detail, generations):
            records.replace_detail(row.seq, stub(row.detail))
            done["details"] += 1
    return done


def _purge_generations(store: OpenStore, subject: SubjectKeys, s: int, gone: frozenset[int]) -> Counter[str]:
    """Everything of one subject that is sealed under destroyed generations; the rest stays, with its tokens counted."""
    records = store.records
    done: Counter[str] = Counter()
    removed = set()
    for memory in records.memories(s):
        if _under(memory.body, gone) or _under(memory.point, gone):
            records.discard(memory)
            removed.add(memory.n)
            done["memories"] += 1
    for block in records.blocks(s):
        if _under(block.body, gone):
            records.discard(block)
    for past in records.all_revisions(s):
        if (
            past.n in removed
            or _under(past.actor, gone)
            or (past.body is not None and _under(past.body, gone))
        ):
            records.discard(past)
            done["revisions"] += 1
    for token in records.tokens(s):
        if _under(token.value, gone):
            records.discard(token)
            done["tokens"] += 1
    for replay in records.replays(s):
        if _under(replay.result, gone):
            records.discard(replay)
            done["replays"] += 1
    count_tokens(store.tenant, subject, records, s)
    return done


def _under(blob: bytes, generations: frozenset[int]) -> bool:
    try:
        return read_header(blob).generation in generations
    except DecryptionError:
        raise IntegrityViolationError(
            "storage.unreadable", "a store does not open: wrong key, foreign file, or changed bytes"
        ) from None


def count_tokens(tenant: TenantKeys, subject: SubjectKeys, records: RecordStore, s: int) -> None:
    """Count the references to tokens anew; a token that nothing names any more goes, with its value."""
    used: Counter[str] = Counter()
    for body in open_bodies(tenant, subject, records.memories(s)):
        used.update(body.tokens)
    for past in records.all_revisions(s):
        if past.body is not None:
            identity = record_id(past.s, past.n, past.nonce)
            used.update(
                decode(open_value(tenant, subject, "history", identity, past.version, past.body)).tokens
            )
    for token in records.tokens(s):
        records.refer_token(s, token.token, used[token.token] - token.refs)


# --- the keystore follows the log ----------------------------------------------------------------------------------


def do_again(keystore: Keystore, tenant: TenantKeys, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Do what entries did to the keystore, where it is not done; first who was erased, who gets nothing back."""
    for action, detail in sorted(entries, key=lambda one: one[0] != TOMBSTONE):
        REPLAYS[action](keystore, tenant, detail)


def merge_rows_again(
    keystore: Keystore, store: OpenStore, entries: Iterable[tuple[str, dict[str, Any]]]
) -> None:
    """After `do_again`: two people who became one since become one in keystore and rows; ids given since stay last."""
    for action, detail in entries:
        if action == MERGE:
            merge_again(keystore, store, detail)
        elif action in (RENAME, ALIAS):
            follow(keystore, store.tenant, detail)


def mark_again(keystore: Keystore, store: OpenStore, start: int) -> None:
    """Subjects of which something was removed since wait for a roll, which an older keystore does not know."""
    for row in store.records.log(start):
        entry = strict_loads(row.entry)
        if row.s is None or entry["act"] not in REMOVALS or entry["res"] != "ok" or not entry["n"]:
            continue
        subject = store.records.subject_by_number(row.s)
        if subject is not None:
            cases.mark_stale(keystore, store.tenant.tid, subject.sid)


# --- at opening ----------------------------------------------------------------------------------------------------


def reconcile(keystore: Keystore, store: OpenStore, known: StoredCheckpoint | None) -> None:
    """When a store opens, its log verified: the keystore is brought up to the log, then the rows to the keystore."""
    tid = store.tenant.tid
    start = known.size if known is not None else 0
    entries = replayable(store.log, store.records.log(start))
    do_again(keystore, store.tenant, entries)
    merge_rows_again(keystore, store, entries)
    last = store.records.last_checkpoint()
    graves = len(keystore.tombstones(tid))
    settled = store.records.setting(TOMBSTONES) == graves + 1
    if (
        last is not None and start < last[0]
    ):  # never so but after a crash, or when an older keystore was put back
        mark_again(keystore, store, start)
    rows = store.records.subjects()
    live = {kid for kid, _ in keystore.live_kids(tid)}
    orphans = any(row.kid not in live for row in rows)
    if settled and not orphans and (last is None or last[0] == start):
        return
    found = survey(store.records, lambda: DataKeys.of(keystore, tid))
    if found.missing:
        raise missing_keys()
    if settled and found.clean:
        return
    with store.records.transaction():
        done = purge(keystore, store, found)
        store.records.set_setting(TOMBSTONES, graves + 1)
        if done:
            store.log.append_system("restore.reconciled", count=done.total())
    if done:
        store.records.purge_free_space()
    if found.erased:
        store.archive.forget(*(row.sid for row in found.erased))


def settle(keystore: Keystore, store: OpenStore) -> None:
    """Inside a transaction that resealed or removed all rows of the keys destroyed so far: openings need not look."""
    store.records.set_setting(TOMBSTONES, len(keystore.tombstones(store.tenant.tid)) + 1)
