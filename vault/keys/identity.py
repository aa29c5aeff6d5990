"""Who a data subject is: its first id, its aliases, and two subjects that become one. All of it is in the keystore.

`set_names` puts a whole state in place rather than a step, so that the log can say it again to a restored keystore: in
order and as often as it likes, the end is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vault.crypto.record import RecordContext, open_, seal
from vault.errors import ConflictError, NotFoundError
from vault.keys import aliases as table
from vault.keys import cases
from vault.keys.aliases import Name
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.keys.repair import bury
from vault.keys.sealing import seal_ident, subject_ref
from vault.types import SubjectKind

_USE: Final = "names"


@dataclass(frozen=True, slots=True)
class Names:
    """The first id of a subject, and its aliases in order."""

    primary: Name
    aliases: tuple[Name, ...] = ()

    def all(self) -> tuple[Name, ...]:
        return (self.primary, *self.aliases)

    def without(self, *gone: Name) -> Names:
        return Names(self.primary, tuple(name for name in self.aliases if name not in gone))

    def plus(self, *more: Name) -> Names:
        """With more aliases; the first id is never one of them."""
        return Names(self.primary, tuple(sorted({*self.aliases, *more} - {self.primary})))


def names(keystore: Keystore, tenant: TenantKeys, sid: bytes) -> Names:
    """The ids of a subject; raises NotFoundError once erased."""
    return Names(keystore.identity(tenant, sid), tuple(aliases(keystore, tenant, sid)))


def aliases(keystore: Keystore, tenant: TenantKeys, sid: bytes) -> list[Name]:
    """The aliases of a subject, in order."""
    return table.of(keystore.database, tenant, sid)


def primary(keystore: Keystore, tenant: TenantKeys, kind: SubjectKind, value: str) -> str:
    """The first id of whom this id is an alias of, else the id itself, whoever it names."""
    sid = table.owner(keystore.database, tenant, kind, value, subject_ref(tenant, kind, value))
    return value if sid is None else keystore.identity(tenant, sid)[1]


def owner(keystore: Keystore, tenant: TenantKeys, name: Name) -> bytes | None:
    """The sid of the subject that has this id, as its first or as an alias, or None."""
    ref = subject_ref(tenant, *name)
    row = keystore.database.one("SELECT sid FROM subjects WHERE tid = ? AND ref = ?", (tenant.tid, ref))
    return row[0] if row is not None else table.owner(keystore.database, tenant, *name, ref)


def add_alias(keystore: Keystore, tenant: TenantKeys, sid: bytes, name: Name) -> None:
    """One more id for a subject; raises ConflictError where another subject has it."""
    refuse_taken(keystore, tenant, sid, name)
    set_names(keystore, tenant, sid, names(keystore, tenant, sid).plus(name))


def rename(keystore: Keystore, tenant: TenantKeys, sid: bytes, name: Name, *, keep_old: bool) -> Names:
    """Another first id; with `keep_old` the one before becomes an alias. Raises ConflictError where it is taken."""
    refuse_taken(keystore, tenant, sid, name)
    changed = renamed(names(keystore, tenant, sid), name, keep_old=keep_old)
    set_names(keystore, tenant, sid, changed)
    return changed


def renamed(known: Names, name: Name, *, keep_old: bool) -> Names:
    """The ids of a subject after a rename."""
    after = Names(name, known.aliases).without(name)
    return after.plus(known.primary) if keep_old else after


def refuse_taken(keystore: Keystore, tenant: TenantKeys, sid: bytes, name: Name) -> None:
    """Raises ConflictError where another subject has this id."""
    if owner(keystore, tenant, name) not in (None, sid):
        raise ConflictError(
            "subject.taken", "this id belongs to another person; merge the two, or take another id"
        )


def set_names(keystore: Keystore, tenant: TenantKeys, sid: bytes, wanted: Names) -> int:
    """Give a subject exactly these ids; answers how many rows that changed. Idempotent, one transaction.

    An id that another subject has stays with that subject: whoever puts an older state back before a newer one must
    not take ids away from those who have them since. A subject that is erased gets none.
    """
    database = keystore.database
    with database.transaction():
        try:
            known = names(keystore, tenant, sid)
        except NotFoundError:
            return 0
        free = [name for name in wanted.all() if owner(keystore, tenant, name) in (None, sid)]
        first = wanted.primary if wanted.primary in free else known.primary
        gone = {*known.aliases} - ({*wanted.aliases} - {first})
        table.remove(database, tenant, sid, gone)
        done = len(gone)
        if first != known.primary:
            database.execute(
                "UPDATE subjects SET ref = ?, ident = ? WHERE tid = ? AND sid = ?",
                (subject_ref(tenant, *first), seal_ident(tenant, sid, *first), tenant.tid, sid),
            )
            done += 1
        for name in wanted.aliases:
            if name in free and name not in known.aliases and name != first:
                table.put(database, tenant, sid, name)
                done += 1
        if done:
            keystore.touch()
    return done


def merge(
    keystore: Keystore,
    tenant: TenantKeys,
    source: bytes,
    into: bytes,
    keys: Iterable[tuple[bytes, int]],
    *,
    erase_id: bytes,
) -> int:
    """Destroy the keys of `source`, with tombstones; its ids are free then, its cases are those of `into`. Idempotent.

    Answers how many keys there still were.
    """
    database = keystore.database
    with database.transaction():
        cases.give(keystore, tenant, source, into)
        database.execute(
            "INSERT OR IGNORE INTO stale(tid, sid, since_ms)"
            " SELECT tid, ?, since_ms FROM stale WHERE tid = ? AND sid = ?",
            (into, tenant.tid, source),
        )
        database.execute("DELETE FROM stale WHERE tid = ? AND sid = ?", (tenant.tid, source))
    return bury(keystore, tenant.tid, keys, erase_id=erase_id)


# --- what the log remembers ------------------------------------------------------------------------------------------


def seal_names(tenant: TenantKeys, subject: SubjectKeys, told: Names) -> bytes:
    """The ids of a subject for an entry of the log about the tenant: readable as long as the subject has keys."""
    data = json.dumps([list(name) for name in told.all()], ensure_ascii=False, separators=(",", ":")).encode()
    with subject.secret.derive(_USE) as key:
        return seal(key, subject.kid, 0, _context(tenant, subject), data)


def open_names(tenant: TenantKeys, subject: SubjectKeys, blob: bytes) -> Names:
    """The reverse; raises DecryptionError where it is another subject's."""
    with subject.secret.derive(_USE) as key:
        first, *others = json.loads(open_(key, blob, _context(tenant, subject)))
    return Names((first[0], first[1]), tuple((kind, value) for kind, value in others))


def _context(tenant: TenantKeys, subject: SubjectKeys) -> RecordContext:
    return RecordContext(tenant=tenant.tid, sid=subject.sid, record_id=_USE.encode(), version=1, use=_USE)
