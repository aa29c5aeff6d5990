"""The keystore: one SQLCipher file per epoch with everything wrapped below the provider.

Only it knows which person a `sid` is: the user id is stored sealed, and found by a tenant-keyed HMAC. It is
never in a data backup. A roll writes `keystore-<n+1>.db` completely, then marks the old file `retired` inside
itself (the commit point; open handles move over), and unlinks last. Never rename over an open keystore.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext, unwrap, wrap
from vault.errors import (
    ConfigError,
    IntegrityViolationError,
    KeyProviderError,
    NotFoundError,
)
from vault.files import private_folder
from vault.keys import aliases
from vault.keys.interface import KeyProvider
from vault.keys.keyring import TENANT_USES, KeyCache, SubjectKeys, TenantKeys
from vault.keys.layout import (
    SCHEMA,
    key_path,
    keystore_epochs,
    read_file_key,
    upgrade,
    write_keystore_file,
)
from vault.keys.sealing import (
    ZERO,
    damaged,
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
from vault.types import Kid, Sid, SubjectKind, TenantId


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """The newest signed head of one tenant's log, as the keystore knows it."""

    size: int
    root: bytes
    note: bytes
    at_ms: int


class Keystore:
    """Everything wrapped: tenants, their keys, subjects, their data keys, tombstones, newest checkpoints."""

    def __init__(
        self,
        folder: Path,
        provider: KeyProvider,
        *,
        cache: KeyCache,
        timeout_s: float = 10.0,
        upgrades: bool = True,
    ) -> None:
        """`upgrades` brings a keystore of an older schema up to date; a backup is left as it is."""
        self._folder = folder
        self.provider = provider
        self._cache = cache
        self._timeout_s = timeout_s
        self._upgrades = upgrades
        self._seen_version = -1
        self._seen_changes = -1
        self._refreshing = threading.Lock()
        self.epoch, self.database = self._open_active()

    # --- files -------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: Path, provider: KeyProvider, *, epoch: int) -> None:
        """Write an empty keystore for `epoch`; raises ConfigError when one is there already."""
        private_folder(folder)
        if any(folder.glob("keystore-*.db")):
            raise ConfigError("keystore.exists", "there is a keystore in this folder already")
        write_keystore_file(folder, provider, epoch, [])
        database = Database(folder / f"keystore-{epoch}.db", read_file_key(folder, provider, epoch))
        try:
            with database.transaction():
                names = SecretKey.random()
                wrapped = provider.wrap(epoch, names, WrapContext(ZERO, "names", b"", epoch))
                database.execute_many(
                    "INSERT INTO meta(key, value) VALUES(?, ?)",
                    [
                        ("schema", SCHEMA),
                        ("epoch", epoch),
                        ("state", "active"),
                        ("changes", 0),
                        ("names", wrapped),
                    ],
                )
        finally:
            database.close()

    def _open_active(self) -> tuple[int, Database]:
        epochs = sorted(keystore_epochs(self._folder))
        if not epochs:
            raise ConfigError("keystore.missing", "the keystore is missing; restore it from its own backup")
        live = self.provider.live_epochs()
        if not live & set(epochs):
            raise KeyProviderError(
                "keys.epoch_missing", "the key provider does not hold the epoch this vault needs"
            )
        for epoch in epochs:
            if epoch not in live or (epoch != epochs[-1] and not key_path(self._folder, epoch).exists()):
                continue  # rolled: its secret is destroyed, the file is waiting to be unlinked
            database = Database(
                self._folder / f"keystore-{epoch}.db",
                read_file_key(self._folder, self.provider, epoch),
                timeout_s=self._timeout_s,
            )
            meta: dict[str, Any] = dict(database.query("SELECT key, value FROM meta"))
            schema = meta.get("schema")
            if schema == 1 and meta.get("state") == "active" and self._upgrades:
                upgrade(database)
                schema = SCHEMA
            if schema in (1, SCHEMA) and meta.get("state") == "active" and meta.get("epoch") == epoch:
                return epoch, database
            database.close()
            if isinstance(schema, int) and schema > SCHEMA:
                raise ConfigError(
                    "keystore.newer", "this keystore was written by a newer memvault; upgrade to open it"
                )
            if schema not in (1, SCHEMA):
                raise damaged()
        raise IntegrityViolationError(
            "keystore.retired", "every keystore here is retired: an older copy was restored"
        )

    def refresh(self, *, force: bool = False) -> None:
        """Once per operation: follow a roll, and forget cached keys when another process erased or rotated."""
        self._cache.expire()
        with self._refreshing:  # one thread moves over to the new file, the others wait for it
            self._refresh(force=force)

    def _refresh(self, *, force: bool) -> None:
        if self.database.moved:  # a restore put another file here; this handle has the old one
            self._reopen()
            return
        version = self.database.data_version
        if version == self._seen_version and not force:
            return
        meta: dict[str, Any] = dict(
            self.database.query("SELECT key, value FROM meta WHERE key IN ('state', 'changes')")
        )
        if meta.get("state") != "active":
            self._reopen()
            return
        if "changes" not in meta:
            raise IntegrityViolationError(
                "keystore.damaged", "the keystore lacks an entry every keystore has"
            )
        changes = int(meta["changes"])
        if changes != self._seen_changes:
            self._cache.flush()
            self._seen_changes = changes
        self._seen_version = version

    def _reopen(self) -> None:
        self._cache.flush()
        self.database.close()
        self.epoch, self.database = self._open_active()
        self._seen_version, self._seen_changes = -1, -1
        self._refresh(force=True)

    def pack(self) -> str | None:
        """Digest of the policy pack that was in force when the vault was last opened."""
        row = self.database.one("SELECT value FROM meta WHERE key = 'pack'")
        return str(row[0]) if row is not None else None

    def put_pack(self, digest: str) -> None:
        with self.database.transaction():
            self.database.execute("INSERT OR REPLACE INTO meta(key, value) VALUES('pack', ?)", (digest,))

    def touch(self) -> None:
        """Inside a transaction: make every process drop its cached keys at its next operation."""
        self.database.execute("UPDATE meta SET value = value + 1 WHERE key = 'changes'")
        self._cache.flush()

    def close(self) -> None:
        self.database.close()

    # --- tenants -----------------------------------------------------------------------------------------------

    def made_at(self) -> float | None:
        """When this epoch began, by the time of the file that was written then; None where that cannot be told."""
        try:
            return key_path(self._folder, self.epoch).stat().st_mtime
        except OSError:
            return None

    def names_key(self) -> SecretKey:
        row = self.database.one("SELECT value FROM meta WHERE key = 'names'")
        if row is None:
            raise IntegrityViolationError(
                "keystore.damaged", "the keystore lacks an entry every keystore has"
            )
        return self.provider.unwrap(self.epoch, row[0], WrapContext(ZERO, "names", b"", self.epoch))

    def tenant_names(self) -> list[tuple[str, TenantId, int]]:
        """(name, tid, creation time in ms) of every tenant, by name."""
        with self.names_key() as names:
            rows = self.database.query("SELECT tid, name, created_ms FROM tenants")
            return sorted((open_name(names, tid, blob), TenantId(tid), at) for tid, blob, at in rows)

    def tenant_count(self) -> int:
        """How many tenants there are, the vault's own among them."""
        row = self.database.one("SELECT count(*) FROM tenants")
        return int(row[0]) if row is not None else 0

    def tenant(self, name: str) -> TenantKeys | None:
        """The keys of a tenant, or None where there is no such tenant."""
        cached = self._cache.tenant(name)
        if cached is not None:
            return cached
        with self.names_key() as names:
            row = self.database.one(
                "SELECT tid, name, kek_no, kek, created_ms FROM tenants WHERE ref = ?",
                (name_ref(names, name),),
            )
            if row is None:
                return None
            tid, blob, kek_no, wrapped_kek, created = row
            if open_name(names, tid, blob) != name:
                raise IntegrityViolationError("keystore.damaged", "a tenant's row does not hold its own name")
        kek = self.provider.unwrap(self.epoch, wrapped_kek, kek_context(tid, kek_no, self.epoch))
        versions: dict[str, dict[int, SecretKey]] = {use: {} for use in TENANT_USES}
        current: dict[str, int] = {}
        for use, number, in_force, wrapped in self.database.query(
            "SELECT use, no, current, wrapped FROM tenant_keys WHERE tid = ?", (tid,)
        ):
            versions.setdefault(use, {})[number] = unwrap(
                kek, wrapped, tenant_key_context(tid, use, number, kek_no)
            )
            if in_force:
                current[use] = number
        if set(current) != set(TENANT_USES):
            raise IntegrityViolationError("keystore.damaged", "the keystore lacks an entry every tenant has")
        keys = TenantKeys(TenantId(tid), name, kek, kek_no, versions, current, created)
        self._cache.put_tenant(keys)
        return keys

    def create_tenant(self, name: str) -> TenantKeys:
        """Create a tenant with fresh keys, durably; returns the existing one when another process was faster."""
        tid = os.urandom(16)
        with self.database.transaction(), self.names_key() as names:
            ref = name_ref(names, name)
            if self.database.one("SELECT 1 FROM tenants WHERE ref = ?", (ref,)) is None:
                kek = SecretKey.random()
                self.database.execute(
                    "INSERT INTO tenants(tid, ref, name, kek_no, kek, created_ms) VALUES(?, ?, ?, 1, ?, ?)",
                    (
                        tid,
                        ref,
                        seal_name(names, tid, name),
                        self.provider.wrap(self.epoch, kek, kek_context(tid, 1, self.epoch)),
                        _now_ms(),
                    ),
                )
                for use in TENANT_USES:
                    with SecretKey.random() as key:
                        self.database.execute(
                            "INSERT INTO tenant_keys(tid, use, no, current, wrapped) VALUES(?, ?, 1, 1, ?)",
                            (tid, use, wrap(kek, key, tenant_key_context(tid, use, 1, 1))),
                        )
                kek.close()
        keys = self.tenant(name)
        if keys is None:
            raise IntegrityViolationError("keystore.damaged", "a tenant just created cannot be found")
        return keys

    # --- subjects ----------------------------------------------------------------------------------------------

    def subject(self, tenant: TenantKeys, kind: SubjectKind, value: str) -> SubjectKeys | None:
        """The keys of a data subject by its id or an alias, or None: absent and erased look the same."""
        ref = subject_ref(tenant, kind, value)
        cached = self._cache.subject(tenant.tid, ref)
        if cached is not None:
            return cached
        row = self.database.one(
            "SELECT sid, kid, generation, secret, ident FROM subjects WHERE tid = ? AND ref = ?",
            (tenant.tid, ref),
        )
        sid = None if row is not None else aliases.owner(self.database, tenant, kind, value, ref)
        if row is not None:
            cached = self._load_subject(tenant, row)
        elif sid is not None:
            cached = self.subject_by_sid(tenant, sid)
        if cached is not None:
            self._cache.put_subject(tenant.tid, ref, cached)
        return cached

    def subject_by_sid(self, tenant: TenantKeys, sid: bytes) -> SubjectKeys | None:
        """The keys of a subject whose rows carry `sid`, or None."""
        cached = self._cache.subject(tenant.tid, sid)
        if cached is not None:
            return cached
        row = self.database.one(
            "SELECT sid, kid, generation, secret, ident FROM subjects WHERE tid = ? AND sid = ?",
            (tenant.tid, sid),
        )
        if row is None:
            return None
        keys = self._load_subject(tenant, row)
        self._cache.put_subject(tenant.tid, sid, keys)
        return keys

    def _load_subject(self, tenant: TenantKeys, row: tuple[bytes, bytes, int, bytes, bytes]) -> SubjectKeys:
        sid, kid, generation, wrapped_secret, ident = row
        secret = unwrap(tenant.kek, wrapped_secret, subject_context(tenant, "secret", sid, 0))
        deks = {
            number: unwrap(tenant.kek, wrapped, subject_context(tenant, "dek", sid, number))
            for number, wrapped in self.database.query(
                "SELECT generation, wrapped FROM deks WHERE tid = ? AND sid = ?", (tenant.tid, sid)
            )
        }
        if generation not in deks:
            raise IntegrityViolationError("keystore.damaged", "a subject lacks its current data key")
        kind = open_ident(tenant, sid, ident)[0]
        return SubjectKeys(Sid(sid), Kid(kid), generation, deks, secret, kind)

    def create_subject(self, tenant: TenantKeys, kind: SubjectKind, value: str) -> SubjectKeys:
        """Fresh random keys for a subject, durable before its first row."""
        ref = subject_ref(tenant, kind, value)
        sid, kid = os.urandom(16), os.urandom(16)
        with self.database.transaction():
            if (
                self.database.one("SELECT 1 FROM subjects WHERE tid = ? AND ref = ?", (tenant.tid, ref))
                is None
            ):
                with SecretKey.random() as dek, SecretKey.random() as secret:
                    self.database.execute(
                        "INSERT INTO subjects(tid, ref, sid, kid, generation, secret, ident)"
                        " VALUES(?, ?, ?, ?, 1, ?, ?)",
                        (
                            tenant.tid,
                            ref,
                            sid,
                            kid,
                            wrap(tenant.kek, secret, subject_context(tenant, "secret", sid, 0)),
                            seal_ident(tenant, sid, kind, value),
                        ),
                    )
                    self.database.execute(
                        "INSERT INTO deks(tid, sid, generation, wrapped) VALUES(?, ?, 1, ?)",
                        (tenant.tid, sid, wrap(tenant.kek, dek, subject_context(tenant, "dek", sid, 1))),
                    )
        keys = self.subject(tenant, kind, value)
        if keys is None:
            raise IntegrityViolationError("keystore.damaged", "a subject just created cannot be found")
        return keys

    def identity(self, tenant: TenantKeys, sid: bytes) -> tuple[str, str]:
        """(kind, id) of a subject; raises NotFoundError once erased."""
        row = self.database.one("SELECT ident FROM subjects WHERE tid = ? AND sid = ?", (tenant.tid, sid))
        if row is None:
            raise NotFoundError("subject.unknown", "there is no such subject")
        return open_ident(tenant, sid, row[0])

    # --- what openers and checkpoints compare ------------------------------------------------------------------

    def live_kids(self, tid: TenantId) -> set[tuple[bytes, int]]:
        """(kid, generation) of every data key of a tenant."""
        return {
            (kid, generation)
            for kid, generation in self.database.query(
                "SELECT s.kid, d.generation FROM deks d JOIN subjects s ON s.tid = d.tid AND s.sid = d.sid"
                " WHERE d.tid = ?",
                (tid,),
            )
        }

    def generations(self, tid: TenantId, sid: bytes) -> set[int]:
        """Every generation of one subject's data key that is there."""
        rows = self.database.query("SELECT generation FROM deks WHERE tid = ? AND sid = ?", (tid, sid))
        return {number for (number,) in rows}

    def sids(self, tid: TenantId) -> list[bytes]:
        """Every subject of a tenant that has keys."""
        return [sid for (sid,) in self.database.query("SELECT sid FROM subjects WHERE tid = ?", (tid,))]

    def tombstones(self, tid: TenantId) -> set[tuple[bytes, int]]:
        """(kid, generation) of every data key that was destroyed on purpose."""
        return {
            (k, g)
            for k, g in self.database.query("SELECT kid, generation FROM tombstones WHERE tid = ?", (tid,))
        }

    def leaves(self, tid: TenantId) -> list[bytes]:
        """Sorted live (kid, generation) between sentinels: an RFC 6962 tree over them proves non-membership."""
        live = sorted(kid + generation.to_bytes(4, "big") for kid, generation in self.live_kids(tid))
        return [b"\x00" * 20, *live, b"\xff" * 20]

    def checkpoint(self, tid: TenantId) -> StoredCheckpoint | None:
        row = self.database.one("SELECT size, root, note, at_ms FROM checkpoints WHERE tid = ?", (tid,))
        return StoredCheckpoint(*row) if row else None

    def put_checkpoint(self, tid: TenantId, checkpoint: StoredCheckpoint) -> None:
        """Remember a newer signed head; an older or equal one is ignored."""
        with self.database.transaction():
            self.database.execute(
                "INSERT INTO checkpoints(tid, size, root, note, at_ms) VALUES(?, ?, ?, ?, ?) ON CONFLICT(tid) DO UPDATE"
                " SET size = excluded.size, root = excluded.root, note = excluded.note, at_ms = excluded.at_ms"
                " WHERE excluded.size > checkpoints.size",
                (tid, checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.at_ms),
            )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
