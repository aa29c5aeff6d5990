"""What the tests of calls share: a clock that is set, what a vault holds, and everything an exception would tell."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.audit.events import ACTIONS
from vault.audit.jcs import strict_loads
from vault.flows.context import Stages

_KEYSTORE_TABLES = ("tenants", "tenant_keys", "subjects", "deks", "tombstones")
_RECORD_TABLES = ("subjects", "memories", "points", "blocks", "revisions", "tokens", "replays")


def stages_of(vault: Vault) -> Stages:
    return vault._opened()


class Clock:
    """Replaces a vault's clock; stands still until told to move."""

    def __init__(self, vault: Vault, start: datetime | None = None) -> None:
        self.now = start or datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        stages_of(vault).now = lambda: self.now

    def move(self, **span: float) -> datetime:
        """Let time pass; the same names as `timedelta`."""
        self.now += timedelta(**span)
        return self.now


def held(vault: Vault) -> dict[str, Any]:
    """All that a call may have stored: rows of every table, the hash over every record, the writes in each log."""
    stages = stages_of(vault)
    found: dict[str, Any] = {f"keystore {t}": _count(stages.keystore.database, t) for t in _KEYSTORE_TABLES}
    for name, _, _ in stages.keystore.tenant_names():
        tenant = stages.keystore.tenant(name)
        assert tenant is not None
        with stages.stores.use(tenant) as store:
            database = store.records.database  # type: ignore[attr-defined]
            found |= {f"{name} {table}": _count(database, table) for table in _RECORD_TABLES}
            found[f"{name} digest"] = store.records.digest()
            entries = (strict_loads(row.entry) for row in store.records.log())
            found[f"{name} writes"] = sum(_wrote(entry) for entry in entries)
    return found


def _wrote(entry: dict[str, Any]) -> bool:
    """Writes that were denied, refused or found repeated are in the log too; they stored nothing."""
    if entry["act"] in ("tenant.create", "subject.create"):
        return bool(entry["res"] == "ok")
    return bool(ACTIONS[entry["act"]].kind == "write" and entry["res"] == "ok" and entry["n"] > 0)


def rows(vault: Vault, table: str, tenant: str = "clinic") -> int:
    """How many rows a table of one tenant's records file has."""
    stages = stages_of(vault)
    keys = stages.keystore.tenant(tenant)
    assert keys is not None
    with stages.stores.use(keys) as store:
        return _count(store.records.database, table)  # type: ignore[attr-defined]


def entries(vault: Vault, tenant: str = "clinic") -> list[dict[str, Any]]:
    """The entries of one tenant's log, oldest first."""
    stages = stages_of(vault)
    keys = stages.keystore.tenant(tenant)
    assert keys is not None
    with stages.stores.use(keys) as store:
        return [strict_loads(row.entry) for row in store.records.log()]


def _count(database: Any, table: str) -> int:
    return int(database.one(f"SELECT count(*) FROM {table}")[0])  # noqa: S608 - names from this module and its callers


def told(error: BaseException) -> str:
    """Everything that a log, a debugger's last line or an error page would show of an exception and its causes."""
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), repr(seen), repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join([*parts, *traceback.format_exception(error)])


def session_of(
    vault: Vault,
    tenant: str = "clinic",
    *,
    roles: tuple[str, ...] = ("app",),
    purpose: str = "service",
    user_id: str | None = None,
    name: str = "intake-bot",
) -> Session:
    return vault.session(Principal(tenant=tenant, id=name, roles=roles), purpose=purpose, user_id=user_id)


def staff(vault: Vault, tenant: str = "clinic") -> Session:
    """A session that may see names and contacts."""
    return session_of(vault, tenant, roles=("staff",), name="kim")


def operator(vault: Vault, tenant: str = "clinic") -> Admin:
    return vault.admin(Principal(tenant, "op", ("operator",)))


def auditor(vault: Vault, tenant: str = "clinic") -> Admin:
    return vault.admin(Principal(tenant, "aud", ("auditor",)), purpose="audit")
