"""Restore of a data backup: the log is brought forward, what was erased since stays erased, and only then is it served.

Per tenant, the vault held alone: the backup is verified -> backup, log archive and keystore are proven to be of one log
-> a copy beside the live file is given the archived entries, rid of every row whose key was destroyed, and logs that ->
the copy takes the live file's place -> it is opened as any store is, and signed. A key that is missing without having
been destroyed, or entries that nobody has, refuse the restore unless that loss is accepted.

From the first change to the last a note in the vault's folder keeps everybody else out. Cut off, the same restore run
again goes on where it was.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vault.audit.log import Event
from vault.errors import (
    ConfigError,
    HeldError,
    IntegrityViolationError,
    InvalidInputError,
    NotFoundError,
    RollbackError,
    StorageError,
)
from vault.files import FILE_MODE, convert_os, private_folder, sync_file
from vault.flows import removals, tenants
from vault.flows.backups import backup, graft, manifest
from vault.flows.backups.manifest import Manifest, Part
from vault.flows.backups.plan import TenantPlan, give_up, log_restore, make_plan, refuse
from vault.flows.backups.restoring import Note
from vault.flows.context import SYSTEM_TENANT, Caller, Stages, calling, milliseconds
from vault.flows.merging import rows_again
from vault.flows.naming import MERGE
from vault.flows.outbox import begin_again
from vault.flows.reconcile import do_again, merge_rows_again, purge, settle, survey
from vault.flows.rotate import fresh_tenant, retag
from vault.flows.sign import sign
from vault.flows.stores import OpenStore
from vault.keys import cases
from vault.keys.keyring import TenantKeys
from vault.keys.repair import DataKeys, forget_checkpoint
from vault.records.interface import RecordStore
from vault.storage import put_in_place
from vault.types import TenantId

PREPARED: Final = "records.db.restored"
Progress = Callable[[int, int], None]


# --- the whole restore -----------------------------------------------------------------------------------------------


def restore_data(
    stages: Stages,
    folder: Path,
    caller: Caller,
    place: Path,
    *,
    tenant: str | None = None,
    execute: bool = False,
    accept_loss: bool = False,
    progress: Progress,
) -> dict[str, Any]:
    """Put the data of a backup back; without `execute` only say what would happen. `stages` are open for restoring."""
    with stages.lease.alone() if execute else stages.lease.shared():
        stages.keystore.refresh()
        note = Note.read(folder)
        note.require("data", place.name)
        said = manifest.read_signed(place, stages.tenant(SYSTEM_TENANT))
        chosen, sealed = _chosen(stages, said, tenant)
        todo = [one for one in chosen if one.tid.hex() not in note.done]
        backup.verify_data(stages, place, progress, only={one.tid.hex() for one in todo})
        in_place = {one.tid: _save_tail(stages, one) for one in todo} if execute else {}
        plans = [_planned(stages, place, said.part(one.tid), one) for one in todo]
        answer = {
            "kind": "data", "backup": place.name, "created": said.created, "executed": execute,
            "accepted_loss": accept_loss, "sealed": sealed, "done_before": len(note.done),
            "tenants": [plan.facts() for plan in plans],
        }  # fmt: skip
        if not execute:
            return answer
        refuse(plans, accept_loss=accept_loss)
        for plan in plans:
            if in_place[plan.tenant.tid]:
                _refuse_held(stages, caller, place, plan)
        note = Note(folder, "data", place.name, note.done)
        for done, plan in enumerate(plans):
            note.write()
            _restore_tenant(stages, caller, place, plan, accept_loss=accept_loss)
            note.done.append(plan.tenant.tid.hex())
            progress(done + 1, len(plans))
        with calling(stages, caller, "backup.restore") as call, call.records.transaction():
            event = call.event(
                count=len(note.done), kind="data", backup=place.name, accepted_loss=accept_loss or None
            )
            call.store.log.append(event)
        stages.stores.close()
        note.remove()
    return answer


def _chosen(stages: Stages, said: Manifest, name: str | None) -> tuple[list[TenantKeys], int]:
    """The tenants to restore, and how many of the backup are of no use because their keys were destroyed."""
    if name is not None:
        keys = stages.keystore.tenant(tenants.check_name(name))
        if keys is None:
            raise NotFoundError("tenant.unknown", "there is no such tenant")
        if said.part(keys.tid) is None:
            raise InvalidInputError("backup.tenant", "the backup holds nothing of that tenant")
        return [keys], 0
    known = {tid: stages.tenant(found) for found, tid, _ in stages.keystore.tenant_names()}
    sealed = {part.tid for part in said.tenants} - {tid.hex() for tid in known}
    for tid in sealed:
        if not stages.keystore.tombstones(TenantId(bytes.fromhex(tid))):
            raise RollbackError(
                "keystore.older",
                f"the backup holds tenant {tid}, which this keystore does not know: restore the newest keystore"
                " backup first, or name one tenant (--tenant)",
            )
    missing = [keys for keys in known.values() if not stages.stores.path(keys).is_file()]
    chosen = [keys for tid, keys in known.items() if said.part(tid) is not None]
    return [*chosen, *(keys for keys in missing if keys not in chosen)], len(sealed)


def _save_tail(stages: Stages, tenant: TenantKeys) -> bool:
    """Whether the file in place opens; then what nobody signed yet is signed, so that its log is archived whole."""
    try:
        with stages.stores.use(tenant) as store:
            if store.log.unsigned():
                sign(stages.keystore, store)
    except (IntegrityViolationError, ConfigError):
        return False  # damaged, older or missing: the reason to restore
    except StorageError as error:
        if error.code != "storage.io":  # how the driver reports a page that was changed
            raise
        return False
    return True


def _planned(stages: Stages, place: Path, part: Part | None, tenant: TenantKeys) -> TenantPlan:
    if part is not None:
        store = stages.stores.connect(place / part.file, tenant, at_rest=True)
        try:
            return make_plan(stages, tenant, part, store)
        finally:
            store.records.close()
    prepared = _prepare(stages, place, None, tenant)
    store = stages.stores.connect(prepared, tenant)
    try:
        plan = make_plan(stages, tenant, None, store)
    finally:
        store.records.close()
        _remove(prepared)
    lost = "no backup at hand holds this tenant, and no file of it is in place: nothing but its log would be there"
    plan.problems.insert(0, RollbackError("records.missing", lost))
    return plan


# --- one tenant ------------------------------------------------------------------------------------------------------


def _restore_tenant(
    stages: Stages, caller: Caller, place: Path, plan: TenantPlan, *, accept_loss: bool
) -> None:
    keystore, tid = stages.keystore, plan.tenant.tid
    stages.stores.discard(plan.tenant)
    do_again(keystore, plan.tenant, plan.log.replays)
    if accept_loss:
        give_up(stages, plan)
    tenant = fresh_tenant(stages, plan.tenant.name)
    prepared = _prepare(stages, place, plan.part, tenant)
    store = stages.stores.connect(prepared, tenant)
    try:
        _bring_in_line(stages, caller, place, store, plan)
        merge_rows_again(keystore, store, plan.log.replays)
        store.records.purge_free_space()
        head = graft.head_of(store.log, store.records, time.time_ns() // 1_000_000)
    finally:
        store.records.close()
    if plan.log.lost:
        forget_checkpoint(keystore, tid, head)
    put_in_place(prepared, stages.stores.path(tenant))
    stages.index.forget(tid)
    with stages.stores.use(tenant) as opened:
        sign(keystore, opened)


def _bring_in_line(stages: Stages, caller: Caller, place: Path, store: OpenStore, plan: TenantPlan) -> None:
    """One transaction: log, rows, tags and what is logged about it."""
    keystore, tenant = stages.keystore, store.tenant
    keys = DataKeys.of(keystore, tenant.tid)
    store.log.pack = stages.policy.digest[:16]
    with store.records.transaction():
        found = survey(store.records, lambda: keys)
        graft.bring_forward(keystore, store, plan.log, keys, found)
        done = purge(keystore, store, found)
        for action, detail in plan.log.replays:
            if action == MERGE:  # first: what was removed since is named by ids of after the merge
                rows_again(keystore, store, detail)
        done += removals.remove_again(keystore, store, plan.log.base)
        done += removals.remove_expired(keystore, store, milliseconds(stages.now()))
        if plan.log.lost:
            done += removals.remove_stale(keystore, store)
        if store.records.setting("tags") not in tenant.versions["tags"]:
            retag(keystore, tenant, store, lambda _done, _total: None)
        settle(keystore, store)
        if stages.outside is not None:  # it has the points of now, or of no time
            begin_again(store.records)
        log_restore(store, caller, "data", place.name, plan.facts(), done.total())


def _prepare(stages: Stages, place: Path, part: Part | None, tenant: TenantKeys) -> Path:
    """A copy of the backup's file beside the live one, checked again; an empty file where the backup has none."""
    prepared = stages.stores.path(tenant).with_name(PREPARED)
    private_folder(prepared.parent.parent)
    private_folder(prepared.parent)
    _remove(prepared)
    if part is None:
        stages.stores.create(prepared, tenant)
        return prepared
    try:
        shutil.copyfile(place / part.file, prepared)
        prepared.chmod(FILE_MODE)
        sync_file(prepared)
    except OSError as error:
        raise convert_os(error) from None
    if manifest.digest(prepared) != part.sha256:
        raise manifest.damaged()
    return prepared


def _remove(prepared: Path) -> None:
    """What an attempt left: the copy and what the driver wrote beside it."""
    try:
        for leftover in prepared.parent.glob(prepared.name + "*"):
            leftover.unlink()
    except OSError as error:
        raise convert_os(error) from None


# --- holds -----------------------------------------------------------------------------------------------------------


def _refuse_held(stages: Stages, caller: Caller, place: Path, plan: TenantPlan) -> None:
    """A legal hold wins over an older state: what is in place of somebody held must be in the backup too."""
    tenant = plan.tenant
    holds = cases.every(stages.keystore, tenant, "hold", cases.PLACED)
    if not holds:
        return
    sids = {case.sid for case in holds}
    older = _states(stages, place, plan)
    with stages.stores.use(tenant) as store:
        rows = [row for row in store.records.subjects() if None in sids or row.sid in sids]
        if all(_state(store.records, row.s) == older.get(row.sid) for row in rows):
            return
        who = {"roles": list(caller.principal.roles), "kind": "data", "backup": place.name}
        with store.records.transaction():
            store.log.append(
                Event("backup.restore", caller.purpose, caller.principal.id, result="refused", detail=who)
            )
    raise HeldError(
        "hold.in_force",
        f"a legal hold forbids to put back an older state of somebody in tenant {tenant.tid.hex()}: see"
        " `memvault hold list`; release it first, or name other tenants (--tenant)",
    )


def _states(stages: Stages, place: Path, plan: TenantPlan) -> dict[bytes, Any]:
    if plan.part is None:
        return {}
    store = stages.stores.connect(place / plan.part.file, plan.tenant, at_rest=True)
    try:
        return {row.sid: _state(store.records, row.s) for row in store.records.subjects()}
    finally:
        store.records.close()


def _state(records: RecordStore, s: int) -> Any:
    """Changes with every memory that comes, changes or goes."""
    row = records.subject_by_number(s)
    return None if row is None else (row.next_n, row.changes, records.order(s))
