"""The roll: what was erased becomes unreadable in every backup too.

Subjects of which something was removed are sealed under a new generation and the old one destroyed, tombstone first;
the tenants concerned get a new KEK; then a new epoch at the provider, a new keystore, its backup verified, and the old
epochs destroyed. The vault is held alone for as long as it takes. Interrupted anywhere, the next roll goes on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vault.audit import certified
from vault.errors import KeyProviderError
from vault.flows.context import Stages, milliseconds
from vault.flows.reconcile import settle
from vault.flows.rotate import backup_folder, being_erased, fresh_tenant, reseal_rows
from vault.flows.stores import OpenStore
from vault.keys import cases, rotation
from vault.keys.cases import Case
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.types import Destruction, TenantId

WAITING = "erased"  # state of a request whose live erasure is done


@dataclass(frozen=True, slots=True)
class Rolled:
    """What a roll did; `held` subjects wait for the end of a legal hold, or of an erasure that was cut off."""

    epoch: int
    resealed: int
    held: int
    destroyed: tuple[Destruction, ...]


def due(stages: Stages, within_ms: int | None, now_ms: int) -> bool:
    """Whether something erased has waited for a roll for as long as the pack allows; with None, for any time."""
    oldest = [since for name, _, _ in stages.keystore.tenant_names() for since in _since(stages, name)]
    return bool(oldest) and (within_ms is None or now_ms - min(oldest) >= within_ms)


def _since(stages: Stages, name: str) -> list[int]:
    """When each thing was erased that the next roll would make unreadable in backups; held ones it passes over."""
    keystore, tenant = stages.keystore, fresh_tenant(stages, name)
    requests = cases.every(keystore, tenant, "request", WAITING)
    unfinished = being_erased(keystore, tenant)
    since = [case.body["erased_ms"] for case in requests if keystore.epoch <= case.body["until"]]
    return since + [
        at
        for sid, at in cases.stale(keystore, tenant.tid)
        if sid not in unfinished and not cases.held(keystore, tenant, sid)
    ]


def waits(keystore: Keystore, tenant: TenantKeys, case: Case) -> bool:
    """Whether backups still open what a request erased: no roll since, or one that passed over a part of it."""
    if case.state != WAITING or keystore.epoch <= case.body["until"]:
        return case.state == WAITING
    sids = {bytes.fromhex(target["sid"]) for target in case.body["targets"]}
    return any(sid in sids for sid, _ in cases.stale(keystore, tenant.tid))


def waiting(stages: Stages, tenant: TenantKeys) -> dict[str, int]:
    """Of one tenant: erasures that wait for a roll, those whose time is over, and holds in force."""
    keystore = stages.keystore
    since = _since(stages, tenant.name)
    within_ms = stages.policy.rights.erasure.roll_within_hours * 3_600_000
    now_ms = milliseconds(stages.now())
    return {
        "requests_waiting": sum(
            waits(keystore, tenant, case) for case in cases.every(keystore, tenant, "request", WAITING)
        ),
        "rolls_overdue": sum(now_ms - at > within_ms for at in since),
        "holds": len(cases.every(keystore, tenant, "hold", cases.PLACED)),
    }


def roll(stages: Stages, folder: Path) -> Rolled:
    """Do it now; raises what the provider or a store raises, with nothing lost and nothing destroyed too early."""
    resealed: list[tuple[TenantId, bytes]] = []
    held = 0
    with stages.lease.alone():
        stages.keystore.refresh()
        for name, tid, _ in stages.keystore.tenant_names():
            stale = cases.stale(stages.keystore, tid)
            tenant = fresh_tenant(stages, name)
            requests = cases.every(stages.keystore, tenant, "request", WAITING)
            unfinished = being_erased(stages.keystore, tenant)
            for sid, _ in stale:
                if sid in unfinished or cases.held(stages.keystore, tenant, sid):
                    held += 1
                    continue
                _reseal(stages, name, sid, requests)
                resealed.append((tid, sid))
            if stale or requests:
                rotation.rotate_kek(stages.keystore, fresh_tenant(stages, name))
        stages.stores.close()
        epoch, last = rotation.roll(
            stages.keystore, folder / "keystore", backup_folder(stages, folder), keep_old=False
        )
        older = sorted(number for number in stages.provider.live_epochs() if number < epoch)
        destroyed = [stages.provider.destroy_epoch(number) for number in older]
        destroyed += [last] if last is not None else []
        for tid, sid in resealed:  # not before: until here a backup of the keystore has what was dropped
            cases.unmark_stale(stages.keystore, tid, sid)
    return Rolled(epoch, len(resealed), held, tuple(destroyed))


def _reseal(stages: Stages, name: str, sid: bytes, requests: list[Case]) -> None:
    """One subject under a new generation; the requests that removed something of it get their tombstones."""
    tenant = fresh_tenant(stages, name)
    with stages.stores.use(tenant) as store:
        store.log.pack = stages.policy.digest[:16]
        row = store.records.subject(sid)
        subject = stages.keystore.subject_by_sid(tenant, sid)
        if row is not None and subject is not None:
            rotation.add_generation(stages.keystore, tenant, subject)
            subject = stages.keystore.subject_by_sid(tenant, sid)
            if subject is None:
                return
            with store.records.transaction():
                reseal_rows(tenant, subject, store, row.s)
            store.records.purge_free_space()
            _bury(stages, tenant, subject, store, requests)
            stages.index.forget(tenant.tid, sid)


def _bury(
    stages: Stages, tenant: TenantKeys, subject: SubjectKeys, store: OpenStore, requests: list[Case]
) -> None:
    """Tombstones in the log, then the old generations go: every request names those that were live when it ran."""
    gone = [(subject.kid, number) for number in subject.deks if number != subject.generation]
    erasure = os.urandom(16)
    with store.records.transaction():
        for case in requests:
            named = [t for t in case.body["targets"] if t["sid"] == subject.sid.hex() and not t["whole"]]
            keys = [(subject.kid, number) for target in named for number in target["generations"]]
            if keys:
                event = certified.tombstone(
                    case.id.hex(), case.body["erasure"], keys, purpose=case.body["purpose"]
                )
                case.body["log"]["tombstones"].append(store.log.append(event) - 1)
        event = certified.tombstone("roll", erasure.hex(), gone, purpose="system")
        store.log.append(event)
    for case in requests:
        cases.put(stages.keystore, tenant, case)
    rotation.drop_generations(stages.keystore, tenant, subject, erase_id=erasure)
    with store.records.transaction():
        settle(stages.keystore, store)


def account(stages: Stages, store: OpenStore, first: int, purpose: str) -> list[int]:
    """Log what became of every epoch since `first`, and of any that still lived before; returns the entries' numbers.

    Asks the provider again: an epoch that a crash or `--keep-old` left undestroyed is destroyed here.
    """
    present = stages.keystore.epoch
    entries = []
    older = {number for number in stages.provider.live_epochs() if number < present}
    for number in sorted({*range(first, present), *older}):
        destruction = stages.provider.destroy_epoch(number)
        live = stages.provider.live_epochs()
        if destruction.state != "scheduled" and number in live:
            raise KeyProviderError(
                "keys.not_destroyed", "the key provider still holds an epoch it was told to destroy"
            )
        event = certified.epoch_destroyed(destruction, stages.provider.name, live, purpose=purpose)
        with store.records.transaction():
            entries.append(store.log.append(event) - 1)
    return entries
