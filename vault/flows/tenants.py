"""Tenants: who may enter, and how a tenant comes to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vault.errors import InvalidInputError, NotFoundError, PurposeDeniedError
from vault.flows import validate
from vault.flows.context import SYSTEM_TENANT, Call, Caller, Stages, calling, moment
from vault.flows.reconcile import REPLAYS
from vault.keys import cases
from vault.keys.keyring import TenantKeys
from vault.keys.keystore import Keystore
from vault.policy.decide import Policy
from vault.types import Principal

_RESERVED = "memvault:"
_ERASED = "tenant.erase"


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """A tenant as an operator sees it."""

    name: str
    created_at: datetime
    erased: bool = False


def check_name(name: object) -> str:
    """A tenant's name: the rules of a scope id, and not one of memvault's own."""
    checked = validate.identifier("tenant", name)
    if checked is None:
        raise InvalidInputError("tenant.missing", "name a tenant")
    if checked.casefold().startswith(_RESERVED):
        raise InvalidInputError("tenant.reserved", "tenant names must not begin with memvault:")
    return checked


def check_principal(principal: object) -> Principal:
    """A principal whose parts are plain ids; roles are words."""
    if not isinstance(principal, Principal):
        raise InvalidInputError("principal.type", "principal must be a vault.Principal")
    identity = validate.identifier("principal.id", principal.id)
    if identity is None:
        raise InvalidInputError("principal.missing", "a principal needs an id")
    roles = principal.roles
    if not isinstance(roles, tuple) or not all(
        isinstance(role, str) and 0 < len(role) <= 64 and role.isascii() and role.isprintable()
        for role in roles
    ):
        raise InvalidInputError("principal.roles", "roles must be a tuple of short ASCII words")
    return Principal(check_name(principal.tenant), identity, roles)


def check_purpose(stages: Stages, purpose: object) -> None:
    """A purpose of the pack's vocabulary; raises PurposeDeniedError."""
    known_purpose(stages.policy, purpose)


def known_purpose(policy: Policy, purpose: object) -> str:
    """The purpose, if it is in the pack's vocabulary; raises PurposeDeniedError."""
    if not isinstance(purpose, str):
        raise InvalidInputError("purpose.type", "purpose must be a word of the policy pack's vocabulary")
    if purpose not in policy.purposes:
        raise PurposeDeniedError("policy.purpose", "the purpose is not in the policy pack's vocabulary")
    return purpose


def enter(stages: Stages, principal: Principal) -> None:
    """Make sure the session's tenant exists; creates it where the configuration allows."""
    with stages.lease.shared():
        stages.keystore.refresh()
        if stages.keystore.tenant(principal.tenant) is not None:
            return
        if stages.config.tenants.create == "explicit":
            raise NotFoundError("tenant.unknown", "there is no such tenant")
        _log_vault(stages, "tenant.create")  # first: what cannot be logged does not happen
        with stages.stores.use(stages.keystore.create_tenant(principal.tenant)):
            pass  # opening it for the first time begins its own log


def note_pack(stages: Stages) -> None:
    """When a vault opens: a policy pack that was not in force before is written to the vault's own log."""
    with stages.lease.shared():
        stages.keystore.refresh()
        if stages.keystore.pack() != stages.policy.digest:
            _log_vault(stages, "policy.activate")
            stages.keystore.put_pack(stages.policy.digest)


def _log_vault(stages: Stages, action: str) -> None:
    """An entry about the vault itself, in its own log."""
    with stages.stores.use(stages.tenant(SYSTEM_TENANT)) as store, store.records.transaction():
        store.log.pack = stages.policy.digest[:16]
        store.log.append_system(action, count=1)


def create(stages: Stages, principal: Principal, purpose: str, name: object) -> TenantInfo:
    """Create a tenant on purpose; InvalidInputError when it exists."""
    checked = check_name(name)
    with calling(stages, system_caller(principal, purpose), "tenant.create") as call:
        if stages.keystore.tenant(checked) is not None:
            raise InvalidInputError("tenant.exists", "there is a tenant of that name already")
        with call.records.transaction():
            call.store.log.append(call.event(count=1, tenant=checked))
        tenant = stages.keystore.create_tenant(checked)
        return TenantInfo(checked, moment(tenant.created_ms))


def close_tenant(call: Call) -> None:
    """The caller's tenant was erased as a whole: to new sessions it is not there any more, its log and name stay."""
    with call.records.transaction():
        call.store.log.append(call.event(action=_ERASED, count=1, closed=True))
        cases.close(call.stages.keystore, call.tenant)


def _close_again(keystore: Keystore, tenant: TenantKeys, detail: Mapping[str, Any]) -> int:
    """A restored keystore learns of a closed tenant that the log knows."""
    if detail.get("closed") is not True or cases.closed(keystore, tenant.tid):
        return 0
    cases.close(keystore, tenant)
    return 1


REPLAYS[_ERASED] = _close_again


def names(stages: Stages, principal: Principal, purpose: str) -> list[TenantInfo]:
    """Every tenant, by name."""
    with calling(stages, system_caller(principal, purpose), "tenant.list") as call:
        found = [
            TenantInfo(name, moment(created), cases.closed(stages.keystore, tid))
            for name, tid, created in stages.keystore.tenant_names()
            if not name.startswith(_RESERVED)
        ]
        call.log_read(call.event(count=len(found)))
    return found


def system_caller(principal: Principal, purpose: str) -> Caller:
    """The same person, acting on the vault itself: its log is the system tenant's."""
    return Caller(Principal(SYSTEM_TENANT, principal.id, principal.roles), purpose)


def only(stages: Stages) -> str | None:
    """The one tenant's name, or None where there are none or several."""
    with stages.lease.shared():
        stages.keystore.refresh()
        found = [name for name, _, _ in stages.keystore.tenant_names() if not name.startswith(_RESERVED)]
    return found[0] if len(found) == 1 else None
