"""Further ids of a data subject: each finds the subject as its first id does, and goes with it."""

from __future__ import annotations

from collections.abc import Iterable

from vault.keys.keyring import TenantKeys
from vault.keys.sealing import damaged, open_ident, seal_ident, subject_ref
from vault.storage import Database

Name = tuple[str, str]
"""The kind and the value of an id: `("user", "pat-42")`."""


def owner(database: Database, tenant: TenantKeys, kind: str, value: str, ref: bytes) -> bytes | None:
    """The sid of the subject that has this id as an alias, or None; raises where the row says another id."""
    row = database.one("SELECT sid, ident FROM aliases WHERE tid = ? AND ref = ?", (tenant.tid, ref))
    if row is None:
        return None
    if open_ident(tenant, row[0], row[1]) != (kind, value):
        raise damaged()
    sid: bytes = row[0]
    return sid


def of(database: Database, tenant: TenantKeys, sid: bytes) -> list[Name]:
    """The aliases of a subject, in order."""
    rows = database.query("SELECT ident FROM aliases WHERE tid = ? AND sid = ?", (tenant.tid, sid))
    return sorted(open_ident(tenant, sid, ident) for (ident,) in rows)


def put(database: Database, tenant: TenantKeys, sid: bytes, name: Name) -> None:
    """Inside a transaction: one more alias; an id that somebody has already stays with them."""
    database.execute(
        "INSERT OR IGNORE INTO aliases(tid, ref, sid, ident) VALUES(?, ?, ?, ?)",
        (tenant.tid, subject_ref(tenant, *name), sid, seal_ident(tenant, sid, *name)),
    )


def remove(database: Database, tenant: TenantKeys, sid: bytes, names: Iterable[Name]) -> None:
    """Inside a transaction: these aliases of a subject, where it has them."""
    database.execute_many(
        "DELETE FROM aliases WHERE tid = ? AND sid = ? AND ref = ?",
        [(tenant.tid, sid, subject_ref(tenant, *name)) for name in names],
    )


def drop(database: Database, tid: bytes, sids: Iterable[bytes]) -> None:
    """Inside a transaction: every alias of subjects that go."""
    database.execute_many("DELETE FROM aliases WHERE tid = ? AND sid = ?", [(tid, sid) for sid in sids])


def every(database: Database, tenant: TenantKeys) -> list[tuple[bytes, Name]]:
    """(sid, alias) of all subjects of a tenant."""
    rows = database.query("SELECT sid, ident FROM aliases WHERE tid = ?", (tenant.tid,))
    return [(sid, open_ident(tenant, sid, ident)) for sid, ident in rows]


def rewrite(database: Database, tenant: TenantKeys, found: Iterable[tuple[bytes, Name]]) -> None:
    """Inside a transaction: what `every` found, under the key for finding subjects that is in force now."""
    database.execute("DELETE FROM aliases WHERE tid = ?", (tenant.tid,))
    for sid, name in found:
        put(database, tenant, sid, name)


def verify(database: Database, tenant: TenantKeys, sids: set[bytes]) -> None:
    """Each alias is found by its own id, belongs to a subject that is there, and is nobody's first id.

    Raises IntegrityViolationError.
    """
    refs = {ref for (ref,) in database.query("SELECT ref FROM subjects WHERE tid = ?", (tenant.tid,))}
    for ref, sid, ident in database.query("SELECT ref, sid, ident FROM aliases WHERE tid = ?", (tenant.tid,)):
        if sid not in sids or ref in refs or ref != subject_ref(tenant, *open_ident(tenant, sid, ident)):
            raise damaged()
