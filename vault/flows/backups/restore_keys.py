"""Restore of a keystore backup: only of an epoch that is still alive, and never back to keys that were destroyed since.

A copy is looked at first: which people in the records have no key in it, and what the log did to the keystore since it
was made. Then it takes the place of the keystore, what the log did is done again, the records of every tenant are
brought in line with it, and that is logged. Records that are missing or do not open are left to their own restore.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vault.errors import ConfigError, IntegrityViolationError, KeyProviderError, RollbackError, VaultError
from vault.flows import telemetry
from vault.flows.backups.plan import TenantPlan, give_up, log_restore, make_plan, of_tenant, refuse
from vault.flows.backups.restoring import Note
from vault.flows.backups.shelf import Backup
from vault.flows.context import Caller, Stages, calling
from vault.flows.reconcile import do_again, mark_again, merge_rows_again, purge, settle, survey
from vault.flows.rotate import fresh_tenant
from vault.flows.sign import sign
from vault.keys import putback, rotation
from vault.keys.keyring import TenantKeys
from vault.keys.repair import DataKeys, bury
from vault.locks import Lease
from vault.types import TenantId

Keys = set[tuple[bytes, int]]
OpenOn = Callable[[Path], AbstractContextManager[Stages]]
"""The vault opened on a keystore folder, for restoring: nothing is signed when it closes."""


@dataclass(slots=True)
class InPlace:
    """The keystore that is there now: what it destroyed, and what it has that the backup lacks."""

    opens: bool = False
    dead: dict[TenantId, Keys] = field(default_factory=dict)
    lacking: int = 0


def restore_keystore(
    opened: OpenOn,
    lease: Lease,
    folder: Path,
    caller: Caller,
    backup: Backup,
    *,
    execute: bool = False,
    accept_loss: bool = False,
) -> dict[str, Any]:
    """Put a keystore backup in the place of the keystore; without `execute` only say what would happen."""
    if not backup.usable:
        raise KeyProviderError(
            "keys.epoch_missing",
            f"this keystore backup is of epoch {backup.epoch}, which the key provider does not hold (any more):"
            " nobody can open it. Take the newest one (memvault backup list)",
        )
    keystore = folder / "keystore"
    with lease.alone():
        note = Note.read(folder)
        note.require("keystore", backup.name)
        trial = putback.lay_out(backup.folder, backup.epoch, folder)
        try:
            with opened(trial) as stages:
                counts = rotation.verify_copy(trial, stages.provider, backup.epoch)
                plans, pending = _plans(stages)
                live = {tid: stages.keystore.live_kids(tid) for _, tid, _ in stages.keystore.tenant_names()}
            there = _in_place(opened, keystore, live)
            answer = {
                "kind": "keystore", "backup": backup.name, "created": backup.created, "epoch": backup.epoch,
                "executed": execute, "accepted_loss": accept_loss, **counts, "in_place_opens": there.opens,
                "in_place_only": there.lacking, "tenants_in_line": [plan.facts() for plan in plans],
                "tenants_pending": pending,
            }  # fmt: skip
            if not execute:
                return answer
            _refuse_newer(there, accept_loss=accept_loss)
            refuse(plans, accept_loss=accept_loss)
            Note(folder, "keystore", backup.name).write()
            putback.move_in(trial, backup.epoch, keystore)
        finally:
            putback.clear(folder)
        with opened(keystore) as stages:
            telemetry.forget(stages)  # who agreed then did not agree to what a restored vault sends
            for tid, keys in there.dead.items():
                bury(stages.keystore, tid, keys, erase_id=bytes(16))
            for plan in plans:
                _bring_in_line(stages, caller, backup.name, plan, accept_loss=accept_loss)
            answer["logged"] = _log(stages, caller, backup.name, pending)
            stages.stores.close()
        note.remove()
    return answer


def _refuse_newer(there: InPlace, *, accept_loss: bool) -> None:
    if there.lacking and not accept_loss:
        raise RollbackError(
            "keystore.newer",
            f"the keystore in place opens, and holds {there.lacking} data keys that the backup lacks: leave it there,"
            " or accept the loss (--accept-loss)",
        )


def _plans(stages: Stages) -> tuple[list[TenantPlan], dict[str, str]]:
    """What the keystore at hand means for each tenant whose records open; the others, with the reason."""
    plans, pending = [], {}
    for name, tid, _ in stages.keystore.tenant_names():
        tenant = stages.tenant(name)
        try:
            plans.append(_plan(stages, tenant))
        except (IntegrityViolationError, ConfigError) as error:
            pending[tid.hex()] = str(error)
    return plans, pending


def _plan(stages: Stages, tenant: TenantKeys) -> TenantPlan:
    path = stages.stores.path(tenant)
    known = stages.keystore.checkpoint(tenant.tid)
    archived = stages.stores.archive(tenant).head()
    if not path.is_file():
        raise RollbackError("records.missing", "its records file is missing: restore the data too")
    store = stages.stores.connect(path, tenant)
    try:
        store.log.verify_extends(known.size if known else 0, known.root if known else None)
        store.archive.check(archived, store.records)
        store.log.verify_records()
        return make_plan(stages, tenant, None, store)
    finally:
        store.records.close()


def _in_place(opened: OpenOn, keystore: Path, live: dict[TenantId, set[tuple[bytes, int]]]) -> InPlace:
    """The keystore that is there, if it opens: a restore is for one that does not, or that is older still."""
    there = InPlace()
    try:
        with opened(keystore) as stages:
            for _, tid, _ in stages.keystore.tenant_names():
                there.dead[tid] = stages.keystore.tombstones(tid)
                there.lacking += len(stages.keystore.live_kids(tid) - live.get(tid, set()))
            there.opens = True
    except (ConfigError, IntegrityViolationError, KeyProviderError):
        return InPlace()
    return there


def _bring_in_line(stages: Stages, caller: Caller, name: str, plan: TenantPlan, *, accept_loss: bool) -> None:
    """What the log did to the keystore, once more; then the rows, as for any store that opens."""
    keystore = stages.keystore
    tenant = fresh_tenant(stages, plan.tenant.name)
    do_again(keystore, tenant, plan.log.replays)
    if accept_loss:
        give_up(stages, plan)
    tenant = fresh_tenant(stages, plan.tenant.name)
    store = stages.stores.connect(stages.stores.path(tenant), tenant)
    try:
        store.log.pack = stages.policy.digest[:16]
        merge_rows_again(keystore, store, plan.log.replays)
        mark_again(keystore, store, plan.log.known.size if plan.log.known is not None else 0)
        with store.records.transaction():
            done = purge(keystore, store, survey(store.records, lambda: DataKeys.of(keystore, tenant.tid)))
            settle(keystore, store)
            log_restore(store, caller, "keystore", name, plan.facts(), done.total())
        store.records.purge_free_space()
        sign(keystore, store)
    except VaultError as error:
        raise of_tenant(error, tenant.tid) from None
    finally:
        store.records.close()


def _log(stages: Stages, caller: Caller, name: str, pending: dict[str, str]) -> bool:
    """In the vault's own log, unless that is what still has to be restored."""
    if stages.tenant(caller.principal.tenant).tid.hex() in pending:
        return False
    with calling(stages, caller, "backup.restore") as call, call.records.transaction():
        call.store.log.append(call.event(count=1, kind="keystore", backup=name))
    return True
