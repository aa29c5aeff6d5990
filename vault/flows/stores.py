"""Open stores: each tenant's records file is opened lazily, verified against the keystore, and kept in an LRU.

Opening fails closed: the log must extend the newest checkpoint the keystore knows and contain the one that is archived;
what its newest entries did to the keystore is done again where the keystore is older; every data key named by the rows
must be live or have a tombstone, and rows of a destroyed key are purged, counted and logged before anything is served.
A handle whose file was replaced meanwhile, by a restore, is closed and the new file is opened and verified.

While a tenant has two versions of the file's key or of the tag key, a rotation runs or was cut off by a crash. Then
what is in force is asked of the file at every use: another process may have died between the file and the keystore.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.audit.archive import TenantArchive
from vault.audit.log import TenantLog
from vault.crypto.primitives import SecretKey
from vault.errors import IntegrityViolationError, RollbackError, StorageError, UnavailableError, VaultError
from vault.flows.naming import catch_up
from vault.keys.keyring import TenantKeys
from vault.keys.keystore import Keystore, StoredCheckpoint
from vault.records.interface import HERE, INDEX, RecordStore

RESTORING_NAME: Final = (
    "memvault.restoring"  # there while a restore is under way, and after one that was cut off
)


class OpenStore:
    """One tenant's store while it is in use: records, log, archive, and which version of the file's key opened it."""

    __slots__ = ("_archive", "archive", "log", "records", "records_no", "tenant", "users")

    def __init__(
        self,
        tenant: TenantKeys,
        records: RecordStore,
        records_no: int,
        archive: Callable[[TenantKeys], TenantArchive],
    ) -> None:
        self.tenant = tenant
        self.records = records
        self.records_no = records_no
        self.users = 0
        self.log = TenantLog(records, tenant)
        self._archive = archive
        self.archive = archive(tenant)
        records.prove = self._prove

    def _prove(self, digest: bytes, size: int, head: bytes) -> bytes:
        return self.log.prove(digest, size, head)

    def bind(self, tenant: TenantKeys) -> None:
        """Go on with reloaded keys: an epoch moved, another process rotated, or their time was up."""
        if self.tenant is not tenant:
            self.tenant = tenant
            self.log = TenantLog(self.records, tenant)
            self.archive = self._archive(tenant)

    def readable(self, tenant: TenantKeys) -> bool:
        """Whether the handle still is the file's; asked of the file while a change of its key is not settled."""
        if self.records.moved or self.records_no not in tenant.versions["records"]:
            return False
        if len(tenant.versions["records"]) == 1:
            return True
        try:
            self.records.log_head()
        except (IntegrityViolationError, UnavailableError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Adapters:
    """What `compose` gives to open stores with."""

    create: Callable[[Path, SecretKey, TenantKeys], None]
    connect: Callable[[Path, SecretKey, TenantKeys], RecordStore]
    inspect: Callable[[Path, SecretKey, TenantKeys], RecordStore]  # a file at rest, which stays as it is
    archive: Callable[[TenantKeys], TenantArchive]


Reconcile = Callable[[Keystore, OpenStore, StoredCheckpoint | None], None]


class Stores:
    """An LRU of open stores; a store in use is never closed.

    While `barrier` exists, a restore was cut off: nothing opens but for whoever is `restoring`.
    """

    def __init__(
        self,
        folder: Path,
        keystore: Keystore,
        adapters: Adapters,
        *,
        open_files: int,
        reconcile: Reconcile,
        barrier: Path,
    ) -> None:
        self._folder = folder
        self._keystore = keystore
        self._adapters = adapters
        self._open_files = open_files
        self._reconcile = reconcile
        self._barrier = barrier
        self.restoring = False
        self.first_index = HERE  # where a new tenant's index is
        self._lock = threading.RLock()
        self._open: OrderedDict[bytes, OpenStore] = OrderedDict()
        self.on_close: Callable[[OpenStore], None] = lambda _store: None
        self.on_moved: Callable[[TenantKeys], None] = lambda _tenant: None
        _live.add(self)

    def path(self, tenant: TenantKeys) -> Path:
        return self._folder / tenant.tid.hex() / "records.db"

    @contextmanager
    def use(self, tenant: TenantKeys) -> Iterator[OpenStore]:
        """The tenant's open store; opened and verified first where needed."""
        with self._lock:
            refuse_unfinished(self._barrier, restoring=self.restoring)
            store = self._open.get(tenant.tid)
            if store is not None and store.users == 0 and not store.readable(tenant):
                self.discard(tenant)  # another process changed the file's key, or put another file here
                self.on_moved(tenant)
                store = None
            if store is None:
                store = self._open[tenant.tid] = self._open_verified(tenant)
                self._evict()
            store.bind(tenant)
            catch_up(self._keystore, store)
            if len(tenant.versions["tags"]) > 1:
                tenant.current["tags"] = store.records.setting("tags")
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
                # Another tenant's call is under way: what could not be signed now is signed at the next opening.
                with suppress(UnavailableError):
                    self._drop(store)

    def _drop(self, store: OpenStore) -> None:
        del self._open[store.tenant.tid]
        try:
            tenant = self._keystore.tenant(store.tenant.name)
            if tenant is not None and store.readable(
                tenant
            ):  # else another process went on without this handle
                store.bind(tenant)
                self.on_close(store)
        finally:
            store.records.close()

    def discard(self, tenant: TenantKeys) -> None:
        """Close a tenant's store without signing: its handle is of no use any more."""
        with self._lock:
            store = self._open.pop(tenant.tid, None)
            if store is not None:
                store.records.close()

    def close(self) -> None:
        """Close every store, signing what is new in each log; all are closed before the first failure is raised."""
        failure: VaultError | None = None
        with self._lock:
            while self._open:
                try:
                    self._drop(next(iter(self._open.values())))
                except VaultError as error:
                    failure = failure or error
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """Close what is still open without signing."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].records.close()

    def wipe(self) -> None:
        """In a child made by fork: forget the keys of every open store."""
        for store in self._open.values():
            store.tenant.wipe()

    def _open_verified(self, tenant: TenantKeys) -> OpenStore:
        path = self.path(tenant)
        known = self._keystore.checkpoint(tenant.tid)
        archived = self._adapters.archive(
            tenant
        ).head()  # first: it is never ahead of what the records hold then
        if not path.is_file():
            if known is not None or archived is not None or self._keystore.live_kids(tenant.tid):
                raise RollbackError(
                    "records.missing",
                    "a tenant's records file is missing though it was in use; restore it (memvault backup restore)",
                )
            self.create(path, tenant)
        store = self.connect(path, tenant)
        try:
            store.log.verify_extends(known.size if known else 0, known.root if known else None)
            store.archive.check(archived, store.records)
            store.log.verify_records()
            self._begin_log(store)
            self._reconcile(self._keystore, store, known)
        except BaseException:
            store.records.close()
            raise
        return store

    def _begin_log(self, store: OpenStore) -> None:
        """A tenant's log begins with its creation, whoever opens it first."""
        if store.records.log_head()[0] == 0:
            with store.records.transaction():
                if store.records.log_head()[0] == 0:
                    store.log.append_system("tenant.create", count=1)
                    if self.first_index != HERE:
                        store.records.set_setting(INDEX, self.first_index)

    def archive(self, tenant: TenantKeys) -> TenantArchive:
        """The tenant's log archive, which needs no open store."""
        return self._adapters.archive(tenant)

    def create(self, path: Path, tenant: TenantKeys) -> None:
        """Write an empty records file under the key in force."""
        self._adapters.create(path, tenant.key("records"), tenant)

    def connect(self, path: Path, tenant: TenantKeys, *, at_rest: bool = False) -> OpenStore:
        """Open a records file, unverified: with the key in force or, where a change was cut off, with the other one.

        `at_rest` for a backup's file, in which nothing is written.
        """
        opened = self._adapters.inspect if at_rest else self._adapters.connect
        numbers = sorted(tenant.versions["records"], key=lambda no: no != tenant.current["records"])
        for position, number in enumerate(numbers):
            try:
                records = opened(path, tenant.versions["records"][number], tenant)
            except IntegrityViolationError as error:
                if error.code != "storage.unreadable" or position == len(numbers) - 1:
                    raise
            else:
                return OpenStore(tenant, records, number, self._adapters.archive)
        raise IntegrityViolationError("keystore.damaged", "the keystore lacks an entry every tenant has")


def refuse_unfinished(barrier: Path, *, restoring: bool) -> None:
    """Raise StorageError while the note of a restore that did not reach its end is there."""
    if not restoring and barrier.exists():
        raise StorageError(
            "restore.unfinished",
            "a restore was cut off before its end, and nothing is served: run the same memvault backup restore again",
        )


_live: weakref.WeakSet[Stores] = weakref.WeakSet()


def _wipe_in_child() -> None:
    for stores in list(_live):
        stores.wipe()


os.register_at_fork(after_in_child=_wipe_in_child)
