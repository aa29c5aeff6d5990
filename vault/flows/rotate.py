"""Rotation of every level, online: each unit holds the vault alone for as long as it takes, and is logged.

root      a new epoch at the provider, a new keystore file; no data is touched
tenant    a new KEK; every key of the tenant is wrapped again
subject   a new data key generation; the subject's rows are sealed again, the old generation is dropped
records   a new key for the records file; every page is encrypted again
index     new keys for scope tags (rows are tagged again) and for finding subjects
log       a new key for the log's chain values;  audit  a new signing key, the old one stays a verifier
ids       a new key for new memory ids;          detail a new key for entries without a subject
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from vault.audit.log import Event, TenantLog, chain
from vault.crypto.record import read_stub
from vault.errors import InvalidInputError, NotFoundError, VaultError
from vault.flows import ids, validate
from vault.flows.bodies import open_body, open_value, record_id, seal_value
from vault.flows.context import SYSTEM_TENANT, Caller, Stages, calling
from vault.flows.holds import RUNNING
from vault.flows.points import seal_blocks
from vault.flows.reconcile import settle
from vault.flows.sign import sign
from vault.flows.stores import OpenStore
from vault.flows.tokens import TokenMap
from vault.index.points import pack_point, unpack_point
from vault.keys import cases, rotation
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.records.interface import MemoryRow, SubjectRow

TENANT_LEVELS: Final = ("tenant", "subject", "records", "index", "log", "audit", "ids", "detail")
LEVELS: Final = ("root", *TENANT_LEVELS)
Progress = Callable[[int, int], None]


def backup_folder(stages: Stages, folder: Path) -> Path | None:
    """Where keystore backups go, or None where the configuration says that none is wanted."""
    named = stages.config.keys.backup
    if named == "none":
        return None
    place = Path(named).expanduser()
    return place if place.is_absolute() else folder / place


def rotate(
    stages: Stages,
    folder: Path,
    caller: Caller,
    level: object,
    *,
    keep_old: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Replace the keys of one level; `caller` names the tenant for all levels but the root."""
    if level not in LEVELS:
        raise InvalidInputError("keys.level", f"level must be one of {', '.join(LEVELS)}")
    validate.flag("keep_old", keep_old)
    validate.callback("progress", progress)
    with calling(stages, caller, "keys.rotate") as call:
        tenant = call.tenant
    if level == "root":
        outcome = _root(stages, folder, keep_old=keep_old)
    else:
        outcome = _PARTS[str(level)](stages, tenant.name, progress or (lambda done, total: None))
    with calling(stages, caller, "keys.rotate") as call, call.records.transaction():
        call.store.log.append(call.event(count=1, level=level, **outcome))
    return {"level": level, **outcome}


def _root(stages: Stages, folder: Path, *, keep_old: bool) -> dict[str, Any]:
    with stages.lease.alone():
        stages.keystore.refresh()
        stages.stores.close()
        epoch, destroyed = rotation.roll(
            stages.keystore, folder / "keystore", backup_folder(stages, folder), keep_old=keep_old
        )
    return {"epoch": epoch, "old_epoch": destroyed.state if destroyed else "kept"}


def _tenant(stages: Stages, name: str, _progress: Progress) -> dict[str, Any]:
    with stages.lease.alone():
        tenant = fresh_tenant(stages, name)
        rotation.rotate_kek(stages.keystore, tenant)
    return {"kek": tenant.kek_no + 1}


def fresh_tenant(stages: Stages, name: str) -> TenantKeys:
    stages.keystore.refresh()
    tenant = stages.keystore.tenant(name)
    if tenant is None:
        raise NotFoundError("tenant.unknown", "there is no such tenant")
    return tenant


def _records(stages: Stages, name: str, _progress: Progress) -> dict[str, Any]:
    with stages.lease.alone():
        tenant = fresh_tenant(stages, name)
        if len(tenant.versions["records"]) > 1:  # a change was cut off: settle on the key that opens the file
            with stages.stores.use(tenant) as store:
                number = store.records_no
            rotation.set_current(stages.keystore, tenant, "records", number, drop_others=True)
            tenant = fresh_tenant(stages, name)
        number = rotation.add_tenant_key(stages.keystore, tenant, "records", current=False)
        tenant = fresh_tenant(stages, name)
        try:
            with stages.stores.use(tenant) as store:
                store.records.rekey(tenant.versions["records"][number])
                store.records_no = number
        except VaultError:  # nothing changed, but the handle cannot be used again
            stages.stores.discard(tenant)
            raise
        rotation.set_current(stages.keystore, tenant, "records", number, drop_others=True)
    return {"file_key": number}


def _log(stages: Stages, name: str, _progress: Progress) -> dict[str, Any]:
    with stages.lease.alone():
        tenant = fresh_tenant(stages, name)
        number = rotation.add_tenant_key(stages.keystore, tenant, "log", current=False)
        tenant = fresh_tenant(stages, name)
        with stages.stores.use(tenant) as store, store.records.transaction():
            previous, rows = bytes(16), []
            for row in store.records.log():
                previous = chain(tenant.versions["log"][number], previous, row.seq, row.entry, row.s)
                rows.append((row.seq, previous))
            store.records.rechain_log(rows)
            store.records.set_setting("log", number)
        rotation.set_current(stages.keystore, tenant, "log", number, drop_others=True)
    return {"chain_key": number}


def _audit(stages: Stages, name: str, _progress: Progress) -> dict[str, Any]:
    with stages.lease.alone():
        tenant = fresh_tenant(stages, name)
        with stages.stores.use(tenant) as store:
            sign(stages.keystore, store)  # the last head under the old key alone
        number = rotation.add_tenant_key(stages.keystore, tenant, "audit", current=True)
        tenant = fresh_tenant(stages, name)
        with stages.stores.use(tenant) as store:
            sign(stages.keystore, store)
            keys = TenantLog(store.records, tenant).vkeys()
    return {"signing_key": number, "vkey": keys[0]}


def _append_version(use: str) -> Callable[[Stages, str, Progress], dict[str, Any]]:
    def rotate_one(stages: Stages, name: str, _progress: Progress) -> dict[str, Any]:
        with stages.lease.alone():
            number = rotation.add_tenant_key(stages.keystore, fresh_tenant(stages, name), use, current=True)
        return {f"{use}_key": number}

    return rotate_one


def _index(stages: Stages, name: str, progress: Progress) -> dict[str, Any]:
    with stages.lease.alone():
        tenant = fresh_tenant(stages, name)
        number = rotation.add_tenant_key(stages.keystore, tenant, "tags", current=False)
        tenant = fresh_tenant(stages, name)
        try:
            with stages.stores.use(tenant) as store, store.records.transaction():
                tenant.current["tags"] = number
                retag(stages.keystore, tenant, store, progress)
        finally:
            stages.cache.flush()
        rotation.set_current(stages.keystore, tenant, "tags", number, drop_others=True)
        rotation.rotate_refs(stages.keystore, fresh_tenant(stages, name))
        stages.index.forget(tenant.tid)
    return {"tag_key": number}


def retag(keystore: Keystore, tenant: TenantKeys, store: OpenStore, progress: Progress) -> None:
    """Inside a transaction: tag every row anew, under the tag key in force."""
    subjects = store.records.subjects()
    for done, row in enumerate(subjects):
        subject = keystore.subject_by_sid(tenant, row.sid)
        if subject is not None:
            for memory in store.records.memories(row.s):
                store.records.replace(memory, resealed(tenant, subject, memory, tags=True))
            seal_blocks(tenant, subject, store.records, row.s)
        progress(done + 1, len(subjects))
    store.records.set_setting("tags", tenant.current["tags"])


def _subjects(stages: Stages, name: str, progress: Progress) -> dict[str, Any]:
    with stages.lease.shared(), stages.stores.use(fresh_tenant(stages, name)) as store:
        numbers = [row.s for row in store.records.subjects()]
    dropped = held = 0
    for done, s in enumerate(numbers):
        with stages.lease.alone():
            tenant = fresh_tenant(stages, name)
            with stages.stores.use(tenant) as store:
                gone = _reseal_subject(stages, tenant, store, s)
        dropped, held = dropped + (gone or 0), held + (gone is None)
        progress(done + 1, len(numbers))
    return {"subjects": len(numbers) - held, "generations_dropped": dropped, "held": held}


def being_erased(keystore: Keystore, tenant: TenantKeys) -> set[bytes]:
    """Subjects of erasures that were cut off: their keys stay as the erasure knows them until it is done."""
    running = cases.every(keystore, tenant, "request", RUNNING)
    return {bytes.fromhex(target["sid"]) for case in running for target in case.body["targets"]}


def _stays(stages: Stages, tenant: TenantKeys, store: OpenStore, row: SubjectRow) -> bool:
    """Whether a hold (which is logged), or an erasure that was cut off, wants the keys of a subject as they are."""
    if cases.held(stages.keystore, tenant, row.sid):
        subject = stages.keystore.subject_by_sid(tenant, row.sid)
        with store.records.transaction():
            store.log.pack = stages.policy.digest[:16]
            event = Event(action="keys.rotate", purpose="system", actor="memvault", result="refused", count=1)
            store.log.append(event, subject, row.s)
        return True
    return row.sid in being_erased(stages.keystore, tenant)


def _reseal_subject(stages: Stages, tenant: TenantKeys, store: OpenStore, s: int) -> int | None:
    """One subject, one transaction; a generation left by a crash is finished and dropped with the others.

    None where it has to stay as it is: dropping a generation would make older backups of it unreadable.
    """
    row = store.records.subject_by_number(s)
    subject = stages.keystore.subject_by_sid(tenant, row.sid) if row is not None else None
    if row is None or subject is None:
        return 0
    if _stays(stages, tenant, store, row):
        return None
    rotation.add_generation(stages.keystore, tenant, subject)
    fresh = stages.keystore.subject_by_sid(tenant, row.sid)
    if fresh is None:
        return 0
    with store.records.transaction():
        reseal_rows(tenant, fresh, store, s)
    stages.index.forget(tenant.tid, row.sid)
    dropped = rotation.drop_generations(stages.keystore, tenant, fresh, erase_id=os.urandom(16))
    with store.records.transaction(durable=False):
        settle(stages.keystore, store)
    return dropped


def reseal_rows(tenant: TenantKeys, subject: SubjectKeys, store: OpenStore, s: int) -> None:
    """Inside a transaction: seal everything of a subject under its current generation."""
    records = store.records
    for memory in records.memories(s):
        records.replace(memory, resealed(tenant, subject, memory))
    seal_blocks(tenant, subject, records, s)
    for past in records.all_revisions(s):
        identity = record_id(past.s, past.n, past.nonce)
        actor = _again(tenant, subject, "actor", identity, past.version, past.actor)
        body = _again(tenant, subject, "history", identity, past.version, past.body) if past.body else None
        records.replace_revision(past, replace(past, actor=actor, body=body))
    tokens = TokenMap(tenant, subject, records, s)
    for row in records.tokens(s):
        records.replace_token(row, tokens.resealed(row))
    details = {
        seq: _again(tenant, subject, "detail", b"log" + seq.to_bytes(8, "big"), 1, detail)
        for seq, detail in records.details(s)
        if read_stub(detail) is None
    }
    for seq, detail in details.items():
        records.replace_detail(seq, detail)
    store.archive.refresh(details)
    for replay in records.replays(s):
        result = _again(tenant, subject, "replay", replay.mac, 1, replay.result)
        records.replace_replay(replay, replace(replay, result=result))


def _again(
    tenant: TenantKeys, subject: SubjectKeys, use: str, identity: bytes, version: int, blob: bytes
) -> bytes:
    return seal_value(
        tenant, subject, use, identity, version, open_value(tenant, subject, use, identity, version, blob)
    )


def resealed(tenant: TenantKeys, subject: SubjectKeys, row: MemoryRow, *, tags: bool = False) -> MemoryRow:
    """The same version of a memory under the keys in force; with `tags`, tagged anew."""
    identity, place = record_id(row.s, row.n, row.nonce), ids.place(row.s, row.n)
    body = _again(tenant, subject, "record", identity, row.version, row.body)
    if not tags:
        return replace(row, body=body, point=_again(tenant, subject, "vector", place, row.version, row.point))
    scope = open_body(tenant, subject, row).scope
    agent, app, run = (tenant.tag(k, scope[k]) if k in scope else None for k in ("agent", "app", "run"))
    plain = open_value(tenant, subject, "vector", place, row.version, row.point)
    point = unpack_point(row.n, row.version, plain)
    packed = pack_point(point.vectors, point.terms, (agent, app, run), point.expires_ms or None)
    sealed = seal_value(tenant, subject, "vector", place, row.version, packed)
    return replace(row, agent=agent, app=app, run=run, body=body, point=sealed)


def back_up(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """Copy the keystore to its backup folder and verify the copy."""
    with calling(stages, caller, "keys.backup") as call:
        target = backup_folder(stages, folder)
        if target is None:
            raise InvalidInputError("keys.backup_none", 'the configuration says keys.backup = "none"')
        place = rotation.back_up(folder / "keystore", stages.provider, stages.keystore.epoch, target)
        counts = rotation.verify_copy(place, stages.provider, stages.keystore.epoch)
        with call.records.transaction():
            call.store.log.append(call.event(count=1))
    return {"folder": str(place), **counts}


def verify(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """Unwrap every key of the live keystore and of its newest backup."""
    with calling(stages, caller, "keys.verify") as call:
        live = rotation.verify_copy(folder / "keystore", stages.provider, stages.keystore.epoch)
        target = backup_folder(stages, folder)
        newest = rotation.newest_backup(target) if target is not None else None
        backup: dict[str, Any] = {"found": newest is not None}
        if newest is not None:
            backup |= {"epoch": newest[1], "current": newest[1] == stages.keystore.epoch}
            if newest[1] in stages.provider.live_epochs():
                backup |= rotation.verify_copy(newest[0], stages.provider, newest[1])
        call.log_read(call.event(count=1))
    return {"keystore": live, "backup": backup}


def status(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """What wraps what, in which version; no key material."""
    with calling(stages, caller, "keys.status") as call:
        target = backup_folder(stages, folder)
        newest = rotation.newest_backup(target) if target is not None else None
        facts: dict[str, Any] = {
            **stages.provider.describe(),
            "epoch": stages.keystore.epoch,
            "backup": "none wanted" if target is None else str(newest[0]) if newest else "no backup yet",
        }
        if call.tenant.name != SYSTEM_TENANT:
            live = stages.keystore.live_kids(call.tenant.tid)
            facts |= {
                "tenant": call.tenant.name,
                "kek": call.tenant.kek_no,
                "keys": {use: call.tenant.current[use] for use in sorted(call.tenant.current)},
                "subjects": len({kid for kid, _ in live}),
                "data_keys": len(live),
                "tombstones": len(stages.keystore.tombstones(call.tenant.tid)),
            }
        call.log_read(call.event(count=1))
    return facts


_PARTS: Final[dict[str, Callable[[Stages, str, Progress], dict[str, Any]]]] = {
    "tenant": _tenant,
    "subject": _subjects,
    "records": _records,
    "index": _index,
    "log": _log,
    "audit": _audit,
    "ids": _append_version("ids"),
    "detail": _append_version("detail"),
}
