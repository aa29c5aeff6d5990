"""What a restore is going to do to a tenant, found without changing anything, and the reasons not to do it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vault.audit.log import Event
from vault.errors import RollbackError, VaultError
from vault.flows.backups import graft
from vault.flows.backups.graft import Graft
from vault.flows.backups.manifest import Part
from vault.flows.context import Caller, Stages
from vault.flows.reconcile import Survey, survey
from vault.flows.stores import OpenStore
from vault.keys.keyring import TenantKeys
from vault.keys.repair import DataKeys, bury
from vault.types import TenantId

Keys = set[tuple[bytes, int]]


@dataclass(slots=True)
class TenantPlan:
    """What a restore does to one tenant; `problems` are reasons not to, which only an accepted loss overrules."""

    tenant: TenantKeys
    part: Part | None  # None: no backup has it, and nothing but the log is put back
    log: Graft
    rows: Survey
    strangers: Keys  # data keys of archived entries that are missing
    problems: list[VaultError]

    @property
    def missing(self) -> Keys:
        """Data keys that are needed, do not exist, and were not destroyed on purpose."""
        return self.rows.wanted | self.strangers

    def facts(self) -> dict[str, Any]:
        """The plan in numbers, for the operator."""
        return {
            "tenant": self.tenant.name,
            "memories": self.rows.memories["kept"],
            "purged": self.rows.memories["erased"],
            "lost": self.rows.memories["lost"],
            "subjects_erased": len(self.rows.erased),
            "subjects_lost": len({kid for kid, _ in self.missing}),
            "entries": self.log.base,
            "entries_from_archive": self.log.tail,
            "entries_lost": self.log.lost,
            "keys_destroyed_again": len(self.log.buried),
            "problems": [str(problem) for problem in self.problems],
        }


def make_plan(stages: Stages, tenant: TenantKeys, part: Part | None, store: OpenStore) -> TenantPlan:
    """Look at a tenant's file, its archive and its keys; changes nothing."""
    log = graft.prepare(store, store.archive, stages.keystore.checkpoint(tenant.tid))
    keys = DataKeys.of(stages.keystore, tenant.tid, log.buried)
    plan = TenantPlan(tenant, part, log, survey(store.records, lambda: keys), set(), [])
    plan.strangers = graft.strangers(store.archive, log, keys)
    plan.problems = _problems(log, plan.missing)
    return plan


def _problems(log: Graft, missing: Keys) -> list[VaultError]:
    """Reasons not to restore, each with what to do at three in the morning."""
    found: list[VaultError] = []
    if missing:
        people = len({kid for kid, _ in missing})
        message = (
            f"the data keys of {people} people are missing, and were not destroyed on purpose: they were made after"
            " this keystore was backed up. Restore the newest keystore backup"
        )
        found.append(RollbackError("keystore.older", message))
    if log.lost:
        message = (
            f"{log.lost} entries of the log are neither in the file nor in the log archive: put the newest copy of the"
            " archive folder in its place first"
        )
        found.append(RollbackError("archive.behind", message))
    if log.bare:
        message = (
            f"the details of {log.bare} archived entries are lost: put the newest archive folder in its place"
        )
        found.append(RollbackError("archive.details", message))
    return found


def refuse(plans: Iterable[TenantPlan], *, accept_loss: bool) -> None:
    """Raise the first problem, naming its tenant, unless the loss is accepted."""
    for plan in plans:
        if plan.problems and not accept_loss:
            error = of_tenant(plan.problems[0], plan.tenant.tid)
            raise type(error)(error.code, f"{error.message}; or accept the loss (--accept-loss)")


def of_tenant(error: VaultError, tid: TenantId) -> VaultError:
    """The same error, naming the tenant by its random id, which is also the name of its folder."""
    return type(error)(error.code, f"{error.message} (tenant {tid.hex()})")


def give_up(stages: Stages, plan: TenantPlan) -> None:
    """An accepted loss: people whose rows need a missing key are erased whole; so is who has no key at all.

    Where only the details of archived log entries need it, the person stays, and those details are dropped.
    """
    tid = plan.tenant.tid
    live = {kid for kid, _ in stages.keystore.live_kids(tid)}
    gone = plan.rows.wanted | {key for key in plan.strangers if key[0] not in live}
    bury(stages.keystore, tid, gone, erase_id=os.urandom(16))


def log_restore(
    store: OpenStore, caller: Caller, kind: str, name: str, facts: Mapping[str, Any], purged: int
) -> None:
    """Inside a transaction: who put what back, and what that took.

    The second entry also tells the log that rows were changed: a data restore changes them whatever was purged.
    """
    numbers = {what: count for what, count in facts.items() if isinstance(count, int)}
    who = {"roles": list(caller.principal.roles), "kind": kind, "backup": name}
    store.log.append(Event("backup.restore", caller.purpose, caller.principal.id, count=1, detail=who))
    changed = max(1, purged) if kind == "data" else purged
    done = {**numbers, "kind": kind, "backup": name}
    store.log.append(Event("restore.reconciled", "system", "memvault", count=changed, detail=done))
