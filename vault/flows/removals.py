"""What was removed since a backup was made, according to the log: it is removed from the restored rows again.

A memory that was deleted, expired, erased or redacted anew is physically gone at once, but its generation dies with the
next roll only. Until then an older file would bring it back. The log's entries name the memories; where one names fewer
than it counts, everything of that subject in the older file goes: the next roll would make it unreadable anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from vault.audit.jcs import strict_loads
from vault.flows import ids, merging
from vault.flows.reconcile import REMOVALS, count_tokens
from vault.flows.stores import OpenStore
from vault.keys import cases, identity
from vault.keys.keyring import SubjectKeys
from vault.keys.keystore import Keystore
from vault.records.interface import LogRow, MemoryRow

_RENAME: Final = "subject.rename"
_ALL: Final = 1_000_000_000
_FOLLOWED: Final = REMOVALS | {_RENAME}


def remove_again(keystore: Keystore, store: OpenStore, start: int) -> Counter[str]:
    """Inside a transaction: what entries from `start` on removed is removed; a person's new id is taken over."""
    done: Counter[str] = Counter()
    touched: dict[int, SubjectKeys] = {}
    for row, entry in _entries(store, start):
        subject = _subject(keystore, store, row)
        if subject is None or row.s is None:
            continue  # nobody's, or a person who is gone with all rows
        if entry["act"] == _RENAME:
            _rename(keystore, store, subject, row.s)
            continue
        touched[row.s] = subject
        detail = store.log.open_detail(row, subject) or {}
        named, history = dict.fromkeys(detail.get("ids", ())), detail.get("record") == "history"
        if len(named) < entry["n"] and not history:
            done += remove_everything(store, row.s)
            continue
        for memory_id in named:
            memory = ids.find(store.tenant, store.records, memory_id)
            if memory is not None and memory.s == row.s:
                done += _remove(store, memory, values_only=history)
    for s, subject in touched.items():
        count_tokens(store.tenant, subject, store.records, s)
    return done


def remove_expired(keystore: Keystore, store: OpenStore, now_ms: int) -> Counter[str]:
    """Inside a transaction: memories past their time, which nobody sees any more, but for those under a legal hold."""
    done: Counter[str] = Counter()
    for memory in store.records.expired(now_ms, _ALL):
        known = store.records.subject_by_number(memory.s)
        subject = keystore.subject_by_sid(store.tenant, known.sid) if known is not None else None
        if subject is not None and not cases.held(keystore, store.tenant, subject.sid):
            done += _remove(store, memory, values_only=False)
            count_tokens(store.tenant, subject, store.records, memory.s)
    return done


def remove_stale(keystore: Keystore, store: OpenStore) -> Counter[str]:
    """Inside a transaction, where entries are lost: of whom something was removed since the last roll, everything."""
    done: Counter[str] = Counter()
    for sid, _ in cases.stale(keystore, store.tenant.tid):
        row = store.records.subject(sid)
        if row is not None:
            done += remove_everything(store, row.s)
    return done


def remove_everything(store: OpenStore, s: int) -> Counter[str]:
    """Inside a transaction: every value of a subject; the subject itself and what the log says of it stay."""
    records = store.records
    done: Counter[str] = Counter()
    for memory in records.memories(s):
        records.discard(memory)
        done["memories"] += 1
    for block in records.blocks(s):
        records.discard(block)
    for past in records.all_revisions(s):
        records.discard(past)
    for token in records.tokens(s):
        records.discard(token)
    for replay in records.replays(s):
        records.discard(replay)
    return done


def _entries(store: OpenStore, start: int) -> Iterator[tuple[LogRow, dict[str, Any]]]:
    for row in list(store.records.log(start)):
        entry = strict_loads(row.entry)
        if entry["act"] in _FOLLOWED and entry["res"] == "ok" and entry["n"]:
            yield row, entry


def _subject(keystore: Keystore, store: OpenStore, row: LogRow) -> SubjectKeys | None:
    known = store.records.subject_by_number(row.s) if row.s is not None else None
    return keystore.subject_by_sid(store.tenant, known.sid) if known is not None else None


def _remove(store: OpenStore, memory: MemoryRow, *, values_only: bool) -> Counter[str]:
    """The memory, and the values of its history, or these alone; when and by whom it was changed stays."""
    done: Counter[str] = Counter()
    for past in store.records.revisions(memory.s, memory.n):
        if past.body is not None:
            store.records.replace_revision(past, replace(past, body=None))
            done["revisions"] += 1
    if not values_only:
        store.records.discard(memory)
        done["memories"] += 1
    return done


def _rename(keystore: Keystore, store: OpenStore, subject: SubjectKeys, s: int) -> None:
    kind, name = identity.names(keystore, store.tenant, subject.sid).primary
    if kind == "user":
        merging.rewrite_user(store, subject, s, name)
