"""Restoring: what a vault that may not open needs to be put back. Stands beside `compose`, below `Vault.restore`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from vault import compose
from vault.config import VaultConfig
from vault.errors import DeniedError, InvalidInputError, VaultError
from vault.flows import tenants, validate
from vault.flows.backups import shelf
from vault.flows.backups.restore import restore_data
from vault.flows.backups.restore_keys import restore_keystore
from vault.flows.backups.restoring import decide
from vault.flows.backups.shelf import Backup
from vault.flows.context import Caller
from vault.locks import Lease
from vault.policy.decide import Request
from vault.types import Principal

Progress = Callable[[int, int], None]


def restore(
    folder: Path,
    place: Path,
    principal: Principal,
    *,
    kind: object,
    purpose: object,
    tenant: object,
    execute: bool,
    accept_loss: bool,
    progress: Progress | None,
) -> dict[str, Any]:
    """Decide, find the backup, and put it back; see `Vault.restore`."""
    validate.callback("progress", progress)
    if kind not in shelf.KINDS:
        raise InvalidInputError("backup.kind", "say what to restore: data or keystore")
    named = tenants.check_name(tenant) if tenant is not None else None
    if kind == "keystore" and named is not None:
        raise InvalidInputError("backup.tenant", "a keystore is restored whole: name no tenant")
    config = VaultConfig.load(folder)
    lease = Lease(folder / compose.LOCK_NAME, config.limits.lock_timeout_s)
    try:
        caller = _decided(folder, config, lease, principal, purpose)
        backup = _found(folder, config, place, str(kind))
        if kind == "keystore":
            opened = partial(compose.restoring_on, folder, lease)
            return restore_keystore(
                opened, lease, folder, caller, backup, execute=execute, accept_loss=accept_loss
            )
        with compose.restoring_on(folder, lease, folder / compose.KEYSTORE_FOLDER) as stages:
            return restore_data(
                stages,
                folder,
                caller,
                backup.folder,
                tenant=named,
                execute=execute,
                accept_loss=accept_loss,
                progress=progress or (lambda done, total: None),
            )
    finally:
        lease.close()


def _decided(
    folder: Path, config: VaultConfig, lease: Lease, principal: Principal, purpose: object
) -> Caller:
    """Who restores, and whether the pack lets them; a denial is logged if the vault opens."""
    checked = tenants.check_principal(principal)
    policy, _ = compose.policy(config, folder)
    caller = tenants.system_caller(checked, tenants.known_purpose(policy, purpose))
    request = Request(action="backup.restore", purpose=caller.purpose, roles=checked.roles)
    if not policy.decide(request).permit:
        try:
            with compose.restoring_on(folder, lease, folder / compose.KEYSTORE_FOLDER) as stages:
                decide(stages, caller)
        except DeniedError:
            raise
        except VaultError:
            policy.require(request)  # nothing opens, so nothing can be logged, and nothing was done
    return caller


def _found(folder: Path, config: VaultConfig, place: Path, kind: str) -> Backup:
    keys = compose.provider(config.keys, folder)
    try:
        backup = shelf.one(keys.live_epochs(), place)
    finally:
        keys.close()
    if backup.kind != kind:
        raise InvalidInputError(
            "backup.kind", f"that is a backup of the {backup.kind}, which is restored by --{backup.kind}"
        )
    return backup
