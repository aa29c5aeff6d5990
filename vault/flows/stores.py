"""Open stores: each tenant's records file is opened lazily, verified against the keystore, and kept in an LRU.

Opening fails closed: the log must extend the newest checkpoint the keystore knows, every data key named by the rows
must be live or have a tombstone, and rows of a destroyed key are purged, counted and logged before anything is served.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vault.audit.log import TenantLog
from vault.crypto.primitives import SecretKey
from vault.errors import IntegrityViolationError, RollbackError
from vault.keys.keyring import TenantKeys
from vault.keys.keystore import Keystore
from vault.records.interface import RecordStore


class OpenStore:
    """One tenant's store while it is in use: records, log, and which version of the file's key opened it."""

    __slots__ = ("log", "records", "records_no", "tenant", "users")

    def __init__(self, tenant: TenantKeys, records: RecordStore, records_no: int) -> None:
        self.tenant = tenant
        self.records = records
        self.records_no = records_no
        self.users = 0
        self.log = TenantLog(records, tenant)


class Stores:
    """An LRU of open stores; a store in use is never closed."""

    def __init__(
        self,
        folder: Path,
        keystore: Keystore,
        *,
        open_files: int,
        create: Callable[[Path, SecretKey, TenantKeys], None],
        connect: Callable[[Path, SecretKey, TenantKeys], RecordStore],
    ) -> None:
        self._folder = folder
        self._keystore = keystore
        self._open_files = open_files
        self._create = create
        self._connect = connect
        self._lock = threading.RLock()
        self._open: OrderedDict[bytes, OpenStore] = OrderedDict()
        self.on_close: Callable[[OpenStore], None] = lambda _store: None

    def path(self, tenant: TenantKeys) -> Path:
        return self._folder / tenant.tid.hex() / "records.db"

    @contextmanager
    def use(self, tenant: TenantKeys) -> Iterator[OpenStore]:
        """The tenant's open store; opened and verified first where needed."""
        with self._lock:
            store = self._open.get(tenant.tid)
            if store is not None and store.records_no not in tenant.versions["records"] and store.users == 0:
                del self._open[
                    tenant.tid
                ]  # another process changed the file's key: this handle cannot read it
                store.records.close()
                store = None
            if store is None:
                store = self._open[tenant.tid] = self._open_verified(tenant)
                self._evict()
            elif store.tenant is not tenant:  # keys were reloaded: an epoch moved, or their time was up
                store.tenant = tenant
                store.log = TenantLog(store.records, tenant)
            self._open.move_to_end(tenant.tid)
            store.users += 1
        try:
            yield store
        finally:
            with self._lock:
                store.users -= 1

    def _evict(self) -> None:
        idle = [store for store in self._open.values() if store.users == 0]
        for store in idle[: max(0, len(self._open) - self._open_files)]:
            if store is not next(reversed(self._open.values())):
                self._drop(store)

    def _drop(self, store: OpenStore) -> None:
        del self._open[store.tenant.tid]
        try:
            self.on_close(store)
        finally:
            store.records.close()

    def close(self) -> None:
        """Close every store, signing what is new in each log."""
        with self._lock:
            while self._open:
                self._drop(next(iter(self._open.values())))

    def _open_verified(self, tenant: TenantKeys) -> OpenStore:
        path = self.path(tenant)
        known = self._keystore.checkpoint(tenant.tid)
        if not path.is_file():
            if known is not None or self._keystore.live_kids(tenant.tid):
                raise RollbackError(
                    "records.missing", "a tenant's records file is missing though it was in use; restore it"
                )
            self._create(path, tenant.key("records"), tenant)
        store = self._connect_any(path, tenant)
        try:
            store.log.verify_extends(known.size if known else 0, known.root if known else None)
            self._reconcile(store)
        except BaseException:
            store.records.close()
            raise
        return store

    def _connect_any(self, path: Path, tenant: TenantKeys) -> OpenStore:
        """Open with the key in force, or, where a change of the file's key was cut off, with the other one."""
        numbers = sorted(tenant.versions["records"], key=lambda no: no != tenant.current["records"])
        for position, number in enumerate(numbers):
            try:
                records = self._connect(path, tenant.versions["records"][number], tenant)
            except IntegrityViolationError as error:
                if error.code != "storage.unreadable" or position == len(numbers) - 1:
                    raise
            else:
                return OpenStore(tenant, records, number)
        raise IntegrityViolationError("keystore.damaged", "the keystore lacks an entry every tenant has")

    def _reconcile(self, store: OpenStore) -> None:
        rows = store.records.subjects()
        if not rows:
            return
        live = {kid for kid, _ in self._keystore.live_kids(store.tenant.tid)}
        orphans = [row for row in rows if row.kid not in live]
        if not orphans:
            return
        dead = {kid for kid, _ in self._keystore.tombstones(store.tenant.tid)}
        if any(row.kid not in dead for row in orphans):
            raise RollbackError(
                "keystore.older",
                "the records name data keys this keystore never had or lost without an erasure:"
                " restore the newest keystore backup (or the matching records backup)",
            )
        with store.records.transaction():
            purged = sum(store.records.remove_subject(row.s) for row in orphans)
            store.log.append_system("restore.reconciled", count=purged)
        store.records.purge_free_space()
