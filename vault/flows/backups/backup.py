"""Backups: made online while others write, listed, verified, and removed when they are old.

The data (records files: ciphertext) and the keystore are backed up apart and kept for different times: who holds a data
backup alone holds nothing readable, and keys that an erasure destroyed are in no keystore backup of a living epoch. A
backup gets its name last, when every file in it was copied, opened again by a handle of its own, and verified.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from vault.audit.merkle import Frontier
from vault.copies import PARTIAL, new_name
from vault.errors import (
    IntegrityViolationError,
    InvalidInputError,
    KeyProviderError,
    NotFoundError,
    VaultError,
)
from vault.files import convert_os, private_folder, sync_folder
from vault.flows import validate
from vault.flows.backups import manifest, shelf
from vault.flows.backups.manifest import Manifest, Part
from vault.flows.backups.plan import of_tenant
from vault.flows.backups.shelf import Backup, Keep
from vault.flows.context import SYSTEM_TENANT, Caller, Stages, calling
from vault.flows.rotate import fresh_tenant
from vault.flows.sign import sign
from vault.flows.stores import OpenStore
from vault.keys import rotation
from vault.keys.keyring import TenantKeys
from vault.types import TenantId

Progress = Callable[[int, int], None]
_MOST: Final = 100_000


def create(
    stages: Stages,
    folder: Path,
    caller: Caller,
    kind: object,
    *,
    to: object = None,
    keep: object = None,
    keep_days: object = None,
    dry_run: object = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Back up the data or the keystore and verify the copy, then remove older backups where told to.

    With `dry_run` only what would be copied and removed is answered.
    """
    validate.callback("progress", progress)
    rehearsal = validate.flag("dry_run", dry_run)
    place = shelf.place(stages, folder, kind, to)
    wanted = shelf.retention(
        stages.config.backup, str(kind), _number("keep", keep), _number("keep_days", keep_days)
    )
    with calling(stages, caller, "backup.create") as call:
        if rehearsal:
            answer = _rehearsed(stages, folder, str(kind), place, wanted)
            call.log_read(call.event(count=0, dry_run=True, kind=kind))
            return answer
    report = progress or (lambda done, total: None)
    with shelf.writing(place):
        made = _copy_data(stages, place, report) if kind == "data" else _copy_keystore(stages, folder, place)
        removed = shelf.prune(stages.provider.live_epochs(), str(kind), place, wanted, datetime.now(UTC))
    with calling(stages, caller, "backup.create") as call, call.records.transaction():
        call.store.log.append(
            call.event(
                count=made["tenants"], kind=kind, backup=Path(made["folder"]).name, removed=len(removed)
            )
        )
    return {"kind": kind, **made, "removed": removed}


def _number(name: str, value: object) -> int | None:
    return None if value is None else validate.limit(value, _MOST, name)


def _rehearsed(stages: Stages, folder: Path, kind: str, place: Path, wanted: Keep) -> dict[str, Any]:
    names = stages.keystore.tenant_names()
    paths = [stages.stores.path(stages.tenant(name)) for name, _, _ in names]
    if kind == "keystore":
        paths = sorted((folder / "keystore").glob(f"keystore-{stages.keystore.epoch}.*"))
    try:
        size = sum(path.stat().st_size for path in paths if path.is_file())
    except OSError as error:
        raise convert_os(error) from None
    found = shelf.found(stages.provider.live_epochs(), kind, place)
    return {
        "kind": kind, "folder": str(place), "tenants": len(names), "bytes": size, "dry_run": True,
        "would_remove": [one.name for one in shelf.surplus(found, wanted, datetime.now(UTC), coming=1)],
    }  # fmt: skip


# --- the data --------------------------------------------------------------------------------------------------------


def _copy_data(stages: Stages, place: Path, report: Progress) -> dict[str, Any]:
    made = datetime.now(UTC)
    name = new_name("data")
    partial = private_folder(place / f"{PARTIAL}{name}")
    with stages.lease.shared():
        stages.keystore.refresh()
        names = stages.keystore.tenant_names()
    parts = []
    for done, (tenant_name, tid, _) in enumerate(names):
        part = _copy_tenant(stages, tenant_name, tid, partial)
        parts += [part] if part is not None else []
        report(done + 1, len(names))
    with stages.lease.shared():
        stages.keystore.refresh()
        system = stages.tenant(SYSTEM_TENANT)
        found = Manifest(
            created=made, memvault=version("memvault"), vault=system.tid.hex(), epoch=stages.keystore.epoch,
            tenants=tuple(parts),
        )  # fmt: skip
        manifest.write(partial, found, system)
    return {
        "folder": str(shelf.finish(partial, place / name)),
        "tenants": len(parts),
        "memories": sum(part.memories for part in parts),
        "entries": sum(part.entries for part in parts),
        "bytes": sum(part.bytes for part in parts),
    }


def _copy_tenant(stages: Stages, name: str, tid: TenantId, partial: Path) -> Part | None:
    """One tenant's file, signed first, so that the copy ends with a checkpoint; None where the tenant was removed."""
    try:
        with stages.lease.shared():
            try:
                tenant = fresh_tenant(stages, name)
            except NotFoundError:
                return None
            with stages.stores.use(tenant) as store:
                if store.log.unsigned():
                    sign(stages.keystore, store)
                records, key = store.records, tenant.versions["records"][store.records_no]
        path = partial / manifest.file_of(tenant.tid)
        private_folder(path.parent.parent)
        private_folder(path.parent)
        # Without the lease: the copy is a snapshot whatever goes on meanwhile, and a large one takes its time.
        records.copy_to(path, key)
        sync_folder(path.parent.parent)
        return _looked_at(stages, tenant, path)
    except OSError as error:
        raise convert_os(error) from None
    except VaultError as error:
        raise of_tenant(error, tid) from None


def _looked_at(stages: Stages, tenant: TenantKeys, path: Path) -> Part:
    """What is in a copied file: opened by itself, every page, the whole log and the rows' hash checked."""
    store = stages.stores.connect(path, tenant, at_rest=True)
    try:
        counts = verify_store(store)
        size, note, peaks = store.records.last_checkpoint() or (0, b"", Frontier().to_bytes())
        return Part(
            tid=tenant.tid.hex(), file=manifest.file_of(tenant.tid), bytes=path.stat().st_size,
            sha256=manifest.digest(path), memories=store.records.count(), subjects=len(store.records.subjects()),
            entries=counts["entries"], size=size, root=Frontier.from_bytes(peaks).root().hex(),
            checkpoint=note.decode(),
        )  # fmt: skip
    finally:
        store.records.close()


def verify_store(store: OpenStore) -> dict[str, int]:
    """Pages, log and rows of a file at rest. Raises IntegrityViolationError."""
    store.records.check_pages()
    if store.records.setting("log") in store.tenant.versions["log"]:
        counts = store.log.verify()
        store.log.verify_records()
    else:  # the chain's key was replaced since: numbering and hashes are checked where the log is brought forward
        counts = {"entries": store.records.log_head()[0]}
    if not store.records.intact():
        raise IntegrityViolationError(
            "records.changed", "the stored records are not the ones the vault wrote"
        )
    return counts


# --- the keystore ----------------------------------------------------------------------------------------------------


def _copy_keystore(stages: Stages, folder: Path, place: Path) -> dict[str, Any]:
    with stages.lease.shared():  # not while a roll replaces the file
        stages.keystore.refresh()
        epoch = stages.keystore.epoch
        copy = rotation.back_up(folder / "keystore", stages.provider, epoch, place)
        counts = rotation.verify_copy(copy, stages.provider, epoch)
    size = sum(path.stat().st_size for path in copy.iterdir())
    return {"folder": str(copy), "epoch": epoch, "bytes": size, **counts}


# --- the log archive -------------------------------------------------------------------------------------------------


def copy_archive(
    stages: Stages, folder: Path, caller: Caller, *, to: object, progress: Progress | None = None
) -> dict[str, Any]:
    """Bring a copy of the log archive up to date, tenant by tenant, while others write; only what is new is copied."""
    validate.callback("progress", progress)
    place = shelf.archive_place(stages, folder, to)
    with calling(stages, caller, "backup.create") as call, call.records.transaction():
        call.store.log.append(call.event(count=1, kind="archive"))
    report = progress or (lambda done, total: None)
    names = stages.keystore.tenant_names()
    written = 0
    for done, (name, tid, _) in enumerate(names):
        try:
            with stages.lease.shared():
                written += stages.stores.archive(fresh_tenant(stages, name)).copy_to(place)
        except NotFoundError:
            continue  # removed meanwhile
        except VaultError as error:
            raise of_tenant(error, tid) from None
        report(done + 1, len(names))
    return {"kind": "archive", "folder": str(place), "tenants": len(names), "written": written}


# --- looking ---------------------------------------------------------------------------------------------------------


def listing(stages: Stages, folder: Path, caller: Caller, *, to: object = None) -> list[Backup]:
    """Every complete backup, of data and of the keystore, in the configured folders or in `to`; newest first."""
    with calling(stages, caller, "backup.verify") as call:
        places = {Path(validate.path("to", to)).expanduser().absolute()} if to is not None else set[Path]()
        if to is None:
            places = shelf.configured(stages, folder)
        live = stages.provider.live_epochs()
        found = [one for kind in shelf.KINDS for place in places for one in shelf.found(live, kind, place)]
        call.log_read(call.event(count=len(found)))
    return sorted(found, key=lambda one: one.created, reverse=True)


def verify(
    stages: Stages, folder: Path, caller: Caller, path: object, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Every file of a backup: digests, pages, log, rows; of a keystore every key. Counts, or raises."""
    validate.callback("progress", progress)
    named = Path(validate.path("path", path)).expanduser().absolute()
    with calling(stages, caller, "backup.verify") as call:
        call.log_read(call.event(count=1))
    backup = shelf.one(stages.provider.live_epochs(), named)
    if backup.kind == "keystore":
        if not backup.usable:
            raise KeyProviderError(
                "keys.epoch_missing",
                "this keystore backup is of an epoch that was destroyed: nobody can open it; remove it",
            )
        counts = rotation.verify_copy(backup.folder, stages.provider, backup.epoch)
        return {**_facts(backup), **counts}
    with stages.lease.shared():
        stages.keystore.refresh()
        return {
            **_facts(backup),
            **verify_data(stages, backup.folder, progress or (lambda done, total: None)),
        }


def _facts(backup: Backup) -> dict[str, Any]:
    return {
        "kind": backup.kind,
        "folder": str(backup.folder),
        "created": backup.created,
        "epoch": backup.epoch,
    }


def verify_data(
    stages: Stages, place: Path, report: Progress, *, only: set[str] | None = None
) -> dict[str, Any]:
    """A data backup against its manifest, signature first; `sealed` are tenants whose keys are gone since.

    With `only` (hex ids) just these tenants.
    """
    found = manifest.read_signed(place, stages.tenant(SYSTEM_TENANT))
    parts = [part for part in found.tenants if only is None or part.tid in only]
    names = {tid.hex(): name for name, tid, _ in stages.keystore.tenant_names()}
    totals = dict.fromkeys(("tenants", "memories", "subjects", "entries", "bytes", "sealed"), 0)
    for done, part in enumerate(parts):
        path = place / part.file
        if not hmac.compare_digest(manifest.digest(path), part.sha256):
            raise manifest.damaged()
        totals["bytes"] += part.bytes
        name = names.get(part.tid)
        tenant = stages.keystore.tenant(name) if name is not None else None
        if tenant is None:
            totals["sealed"] += 1
        else:
            _check_part(stages, tenant, path, part)
            for what in ("memories", "subjects", "entries"):
                totals[what] += getattr(part, what)
        totals["tenants"] += 1
        report(done + 1, len(parts))
    return totals


def _check_part(stages: Stages, tenant: TenantKeys, path: Path, part: Part) -> None:
    try:
        looked = _looked_at(stages, tenant, path)
    except IntegrityViolationError as error:
        if error.code != "storage.unreadable":
            raise
        raise IntegrityViolationError(
            "backup.sealed",
            f"the records file of tenant {part.tid} does not open: its file key was replaced after this backup"
            " (keys rotate records), or the file was changed",
        ) from None
    if looked != part:
        raise manifest.damaged()


__all__ = ["Backup", "InvalidInputError", "create", "listing", "verify", "verify_data", "verify_store"]
