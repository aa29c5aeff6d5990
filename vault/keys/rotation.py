"""Replacing keys inside the keystore. Each function is one transaction, or resumes where a crash left it.

Callers hold the vault alone (`Lease.alone`), so no process seals under a key that is about to go.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

from vault.copies import PARTIAL, new_name
from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext, unwrap, wrap
from vault.errors import IntegrityViolationError
from vault.files import convert_os, private_folder, sync_folder, write_private
from vault.keys import aliases, cases
from vault.keys.interface import KeyProvider
from vault.keys.keyring import KeyCache, SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.keys.layout import SCHEMA, keystore_epochs, read_file_key, write_keystore_file
from vault.keys.sealing import (
    ZERO,
    kek_context,
    name_ref,
    open_ident,
    open_name,
    seal_ident,
    seal_name,
    subject_context,
    subject_ref,
    tenant_key_context,
)
from vault.storage import Database
from vault.types import Destruction

_KEYSTORE_FILE: Final = re.compile(r"keystore-(\d{1,9})\.")
_COPIED: Final = {
    "tenant_keys": 5,
    "subjects": 7,
    "deks": 4,
    "tombstones": 5,
    "checkpoints": 5,
    "cases": 7,
    "aliases": 4,
    "stale": 3,
}
_SINCE_2: Final = ("cases", "aliases", "stale")


def add_tenant_key(keystore: Keystore, tenant: TenantKeys, use: str, *, current: bool) -> int:
    """A new version of one of the tenant's keys; returns its number. Old versions stay until `drop_tenant_keys`."""
    number = max(tenant.versions[use]) + 1
    with keystore.database.transaction(), SecretKey.random() as key:
        keystore.database.execute(
            "INSERT INTO tenant_keys(tid, use, no, current, wrapped) VALUES(?, ?, ?, 0, ?)",
            (
                tenant.tid,
                use,
                number,
                wrap(tenant.kek, key, tenant_key_context(tenant.tid, use, number, tenant.kek_no)),
            ),
        )
        if current:
            _set_current(keystore, tenant, use, number)
        keystore.touch()
    return number


def set_current(keystore: Keystore, tenant: TenantKeys, use: str, number: int, *, drop_others: bool) -> None:
    """Put a version in force; with `drop_others` every other version is gone."""
    with keystore.database.transaction():
        _set_current(keystore, tenant, use, number)
        if drop_others:
            keystore.database.execute(
                "DELETE FROM tenant_keys WHERE tid = ? AND use = ? AND no <> ?", (tenant.tid, use, number)
            )
        keystore.touch()


def _set_current(keystore: Keystore, tenant: TenantKeys, use: str, number: int) -> None:
    keystore.database.execute(
        "UPDATE tenant_keys SET current = (no = ?) WHERE tid = ? AND use = ?", (number, tenant.tid, use)
    )


def rotate_refs(keystore: Keystore, tenant: TenantKeys) -> None:
    """A new key for finding subjects: every reference and sealed identity is rewritten in one transaction."""
    number = max(tenant.versions["refs"]) + 1
    database = keystore.database
    with database.transaction(), SecretKey.random() as key:
        rows = database.query("SELECT sid, ident FROM subjects WHERE tid = ?", (tenant.tid,))
        identities = [(sid, open_ident(tenant, sid, ident)) for sid, ident in rows]
        others = aliases.every(database, tenant)
        wrapped = wrap(tenant.kek, key, tenant_key_context(tenant.tid, "refs", number, tenant.kek_no))
        tenant.versions["refs"][number] = key
        previous, tenant.current["refs"] = tenant.current["refs"], number
        try:
            database.execute_many(
                "UPDATE subjects SET ref = ?, ident = ? WHERE tid = ? AND sid = ?",
                [
                    (subject_ref(tenant, kind, value), seal_ident(tenant, sid, kind, value), tenant.tid, sid)
                    for sid, (kind, value) in identities
                ],
            )
            aliases.rewrite(database, tenant, others)
        finally:
            tenant.current["refs"] = previous
            del tenant.versions["refs"][number]
        database.execute("DELETE FROM tenant_keys WHERE tid = ? AND use = 'refs'", (tenant.tid,))
        database.execute(
            "INSERT INTO tenant_keys(tid, use, no, current, wrapped) VALUES(?, 'refs', ?, 1, ?)",
            (tenant.tid, number, wrapped),
        )
        keystore.touch()


def rotate_kek(keystore: Keystore, tenant: TenantKeys) -> None:
    """A new KEK: every key of the tenant is wrapped again in one transaction; no data is touched."""
    database = keystore.database
    number = tenant.kek_no + 1
    with database.transaction(), SecretKey.random() as kek:
        _rewrap(database, tenant, kek, number)
        database.execute(
            "UPDATE tenants SET kek = ?, kek_no = ? WHERE tid = ?",
            (
                keystore.provider.wrap(keystore.epoch, kek, kek_context(tenant.tid, number, keystore.epoch)),
                number,
                tenant.tid,
            ),
        )
        keystore.touch()


def _rewrap(database: Database, tenant: TenantKeys, kek: SecretKey, number: int) -> None:
    for use, no, wrapped in database.query(
        "SELECT use, no, wrapped FROM tenant_keys WHERE tid = ?", (tenant.tid,)
    ):
        with unwrap(tenant.kek, wrapped, tenant_key_context(tenant.tid, use, no, tenant.kek_no)) as key:
            database.execute(
                "UPDATE tenant_keys SET wrapped = ? WHERE tid = ? AND use = ? AND no = ?",
                (wrap(kek, key, tenant_key_context(tenant.tid, use, no, number)), tenant.tid, use, no),
            )
    for sid, wrapped in database.query("SELECT sid, secret FROM subjects WHERE tid = ?", (tenant.tid,)):
        with unwrap(tenant.kek, wrapped, subject_context(tenant, "secret", sid, 0)) as key:
            database.execute(
                "UPDATE subjects SET secret = ? WHERE tid = ? AND sid = ?",
                (wrap(kek, key, subject_context(tenant, "secret", sid, 0, number)), tenant.tid, sid),
            )
    for sid, generation, wrapped in database.query(
        "SELECT sid, generation, wrapped FROM deks WHERE tid = ?", (tenant.tid,)
    ):
        with unwrap(tenant.kek, wrapped, subject_context(tenant, "dek", sid, generation)) as key:
            database.execute(
                "UPDATE deks SET wrapped = ? WHERE tid = ? AND sid = ? AND generation = ?",
                (
                    wrap(kek, key, subject_context(tenant, "dek", sid, generation, number)),
                    tenant.tid,
                    sid,
                    generation,
                ),
            )


def add_generation(keystore: Keystore, tenant: TenantKeys, subject: SubjectKeys) -> int:
    """A new data key for one subject, durable before anything is sealed under it; new writes use it at once."""
    number = max(subject.deks) + 1
    with keystore.database.transaction(), SecretKey.random() as dek:
        keystore.database.execute(
            "INSERT INTO deks(tid, sid, generation, wrapped) VALUES(?, ?, ?, ?)",
            (
                tenant.tid,
                subject.sid,
                number,
                wrap(tenant.kek, dek, subject_context(tenant, "dek", subject.sid, number)),
            ),
        )
        keystore.database.execute(
            "UPDATE subjects SET generation = ? WHERE tid = ? AND sid = ?", (number, tenant.tid, subject.sid)
        )
        keystore.touch()
    return number


def drop_generations(keystore: Keystore, tenant: TenantKeys, subject: SubjectKeys, *, erase_id: bytes) -> int:
    """Forget every generation but the current one, leaving tombstones; returns how many went."""
    gone = [number for number in subject.deks if number != subject.generation]
    now = time.time_ns() // 1_000_000
    with keystore.database.transaction():
        for number in gone:
            keystore.database.execute(
                "INSERT OR IGNORE INTO tombstones(tid, kid, generation, erase_id, at_ms) VALUES(?, ?, ?, ?, ?)",
                (tenant.tid, subject.kid, number, erase_id, now),
            )
            keystore.database.execute(
                "DELETE FROM deks WHERE tid = ? AND sid = ? AND generation = ?",
                (tenant.tid, subject.sid, number),
            )
        keystore.touch()
    return len(gone)


# --- the root: a new epoch ---------------------------------------------------------------------------------------


def roll(
    keystore: Keystore, folder: Path, backup: Path | None, *, keep_old: bool
) -> tuple[int, Destruction | None]:
    """A new epoch: complete new keystore, backup verified, old one retired (the commit point), old secret destroyed.

    Interrupted before the commit point nothing changed but leftovers, which the next roll removes; after it, the next
    opening uses the new keystore and the next roll finishes the clean-up. Never destroys before the new keystore and
    its backup are durable and verified.
    """
    provider, old = keystore.provider, keystore.epoch
    finish_roll(folder, provider, old, keep_old=keep_old)
    _clear_unfinished(folder, provider, old, backup, keep_old=keep_old)
    new = provider.new_epoch()
    write_keystore_file(folder, provider, new, _rows(keystore, new))
    if backup is not None:
        verify_copy(back_up(folder, provider, new, backup), provider, new)
    with keystore.database.transaction():
        keystore.database.execute("UPDATE meta SET value = 'retired' WHERE key = 'state'")
    keystore.refresh(force=True)
    return new, finish_roll(folder, provider, new, keep_old=keep_old)


def finish_roll(folder: Path, provider: KeyProvider, active: int, *, keep_old: bool) -> Destruction | None:
    """Destroy and unlink what a roll left behind the active epoch."""
    destroyed: Destruction | None = None
    for number in sorted(n for n in keystore_epochs(folder) if n < active):
        if not keep_old:
            destroyed = provider.destroy_epoch(number)
        _unlink_keystore(folder, number)
    return destroyed


def _clear_unfinished(
    folder: Path, provider: KeyProvider, active: int, backup: Path | None, *, keep_old: bool
) -> None:
    """Remove what a roll that never reached its commit point left: files, half a backup, and its epoch's secret.

    That epoch wraps a copy of every key, so it must not outlive an erasure.
    """
    unfinished = {int(name[1]) for path in folder.iterdir() if (name := _KEYSTORE_FILE.match(path.name))}
    if not keep_old:
        for number in sorted(n for n in provider.live_epochs() if n > active):
            provider.destroy_epoch(number)
    for number in sorted(n for n in unfinished if n > active):
        _unlink_keystore(folder, number)
    for place in backup.glob(f"{PARTIAL}keystore-*") if backup is not None and backup.is_dir() else ():
        for path in place.iterdir():
            path.unlink()
        place.rmdir()


def _unlink_keystore(folder: Path, epoch: int) -> None:
    # The database last: while it is there, the next roll knows that something is left to do.
    for path in sorted(folder.glob(f"keystore-{epoch}.*"), key=lambda path: path.suffix == ".db"):
        path.unlink()
    sync_folder(folder)


def _rows(keystore: Keystore, new: int) -> list[tuple[str, list[tuple[object, ...]]]]:
    """Every row of the new keystore: what the provider wraps is wrapped under the new epoch, names are sealed anew."""
    database, provider, old = keystore.database, keystore.provider, keystore.epoch
    rows: list[tuple[str, list[tuple[object, ...]]]] = []
    with keystore.names_key() as names, SecretKey.random() as fresh:
        wrapped = provider.wrap(new, fresh, WrapContext(ZERO, "names", b"", new))
        kept = database.query("SELECT key, value FROM meta WHERE key = 'pack'")
        meta = [
            *kept,
            ("schema", SCHEMA),
            ("epoch", new),
            ("state", "active"),
            ("changes", 0),
            ("names", wrapped),
        ]
        rows.append(("INSERT INTO meta(key, value) VALUES(?, ?)", meta))
        tenants: list[tuple[object, ...]] = []
        for tid, blob, kek_no, kek, created in database.query(
            "SELECT tid, name, kek_no, kek, created_ms FROM tenants"
        ):
            name = open_name(names, tid, blob)
            with provider.unwrap(old, kek, kek_context(tid, kek_no, old)) as key:
                again = provider.wrap(new, key, kek_context(tid, kek_no, new))
            tenants.append((tid, name_ref(fresh, name), seal_name(fresh, tid, name), kek_no, again, created))
        rows.append(("INSERT INTO tenants VALUES(?, ?, ?, ?, ?, ?)", tenants))
    for table, width in _COPIED.items():
        marks = ", ".join("?" * width)
        values = database.query(f"SELECT * FROM {table}")  # noqa: S608 - names from the table above
        rows.append((f"INSERT INTO {table} VALUES({marks})", values))
    return rows


# --- backup ------------------------------------------------------------------------------------------------------


def back_up(folder: Path, provider: KeyProvider, epoch: int, target: Path) -> Path:
    """Copy one keystore with its wrapped file key into `target`, consistent and durable; returns the copy's path."""
    private_folder(target)
    name = new_name(f"keystore-{epoch}")
    place = private_folder(target / f"{PARTIAL}{name}")
    key = read_file_key(folder, provider, epoch)
    database = Database(folder / f"keystore-{epoch}.db", key)
    copy = Database(place / f"keystore-{epoch}.db", key, create=True)
    try:
        database.copy_to(copy)
    finally:
        copy.close()
        database.close()
        key.close()
    write_private(place / f"keystore-{epoch}.key", (folder / f"keystore-{epoch}.key").read_bytes())
    try:
        complete = place.replace(target / name)  # only a complete copy bears the name of one
        sync_folder(target)
    except OSError as error:
        raise convert_os(error) from None
    return complete


def verify_copy(place: Path, provider: KeyProvider, epoch: int) -> dict[str, int]:
    """Open a keystore as a vault would, and every name, key and identity in it; counts, or raises."""
    cache = KeyCache(16, 60)
    keystore = Keystore(place, provider, cache=cache, upgrades=False)
    try:
        if keystore.epoch != epoch:
            raise IntegrityViolationError(
                "keystore.epoch", "a keystore copy is of another epoch than its name"
            )
        database = keystore.database
        database.check_pages()
        tenants = keystore.tenant_names()
        subjects = 0
        for name, tid, _ in tenants:
            tenant = keystore.tenant(name)
            if tenant is None or tenant.tid != tid:
                raise _damaged()
            subjects += _verify_tenant(keystore, tenant)
        if any(
            database.one(f"SELECT 1 FROM {table} WHERE tid NOT IN (SELECT tid FROM tenants)")  # noqa: S608 - names
            for table in ("tenant_keys", "subjects", "deks", *(_SINCE_2 if _has_cases(database) else ()))
        ):
            raise _damaged()
        return {"tenants": len(tenants), "subjects": subjects}
    finally:
        keystore.close()
        cache.wipe()


def _has_cases(database: Database) -> bool:
    """Whether a copy is of schema 2 or later."""
    return database.one("SELECT 1 FROM sqlite_master WHERE name = 'cases'") is not None


def _verify_tenant(keystore: Keystore, tenant: TenantKeys) -> int:
    """Every subject is found by its own ids, has the data key in force, and every key and case opens."""
    database = keystore.database
    held: set[tuple[bytes, int]] = set()
    for sid, generation, wrapped in database.query(
        "SELECT sid, generation, wrapped FROM deks WHERE tid = ?", (tenant.tid,)
    ):
        unwrap(tenant.kek, wrapped, subject_context(tenant, "dek", sid, generation)).close()
        held.add((sid, generation))
    rows = database.query(
        "SELECT ref, sid, generation, secret, ident FROM subjects WHERE tid = ?", (tenant.tid,)
    )
    for ref, sid, generation, secret, ident in rows:
        unwrap(tenant.kek, secret, subject_context(tenant, "secret", sid, 0)).close()
        if ref != subject_ref(tenant, *open_ident(tenant, sid, ident)) or (sid, generation) not in held:
            raise _damaged()
    if {sid for sid, _ in held} - {row[1] for row in rows}:
        raise _damaged()
    if _has_cases(database):
        aliases.verify(database, tenant, {row[1] for row in rows})
        cases.verify(keystore, tenant)
    return len(rows)


def _damaged() -> IntegrityViolationError:
    return IntegrityViolationError(
        "keystore.damaged", "a keystore or a copy of one does not pass its integrity check"
    )


def newest_backup(target: Path) -> tuple[Path, int] | None:
    """(folder, epoch) of the newest keystore backup, or None."""
    found = sorted(
        (path for path in target.glob("keystore-*-*Z-*") if path.is_dir()),
        key=lambda path: path.name.split("-", 2)[2],
    )
    if not found:
        return None
    return found[-1], int(found[-1].name.split("-")[1])
