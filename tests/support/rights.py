"""What the tests of erasures and holds share: sessions that may, a person with something in every store, a verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from support.calls import session_of, stages_of
from vault import Session, Vault
from vault.audit import verify
from vault.audit.verify import Verdict
from vault.keys.keyring import TenantKeys
from vault.rights import Request

GROUND = "gdpr.17.1.b"
SECRET = "ana.rivera@example.org"
PHONE = "+44 20 7946 0958"


def privacy(vault: Vault, tenant: str = "clinic", *, name: str = "officer") -> Session:
    return session_of(vault, tenant, roles=("privacy",), purpose="rights-request", name=name)


def running(vault: Vault, tenant: str = "clinic", *, name: str = "op") -> Session:
    """A session of the operator, who asks for the erasure of a tenant."""
    return session_of(vault, tenant, roles=("operator",), purpose="operations", name=name)


def fill(vault: Vault, user: str = "pat-1", tenant: str = "clinic", **scope: str) -> list[str]:
    """Memories of one person with tokens, a history, metadata and a remembered write; their ids."""
    app = session_of(vault, tenant)
    made = [
        app.add(f"Reach her at {SECRET} or {PHONE}", user_id=user, metadata={"room": "blue"}, **scope),
        app.add("Prefers tea in the morning", user_id=user, idempotency_key=f"key-of-{user}", **scope),
        app.add("Had her follow-up moved to Friday", user_id=user, **scope),
    ]
    ids = [one.memories[0].id for one in made]
    app.update(ids[2], f"Had her follow-up moved, ask {SECRET}", reason="correction")
    return ids


def opened(session: Session, **scope: Any) -> Request:
    return session.requests.open(ground=scope.pop("ground", GROUND), **scope)


def erased(session: Session, *, roll: bool | None = None, **scope: Any) -> Request:
    """A request that ran."""
    request = opened(session, **scope)
    request.preview()
    assert request.run(roll=roll).state == "erased"
    return request


def tenant_keys(vault: Vault, tenant: str = "clinic") -> TenantKeys:
    keys = stages_of(vault).keystore.tenant(tenant)
    assert keys is not None
    return keys


def vkeys(vault: Vault, tenant: str = "clinic") -> list[str]:
    stages = stages_of(vault)
    with stages.stores.use(tenant_keys(vault, tenant)) as store:
        return store.log.vkeys()


def verdict(vault: Vault, certificate: bytes, tenant: str = "clinic", **options: Any) -> Verdict:
    """What a stranger with the tenant's verifier keys finds."""
    now = stages_of(vault).now() + timedelta(seconds=5)
    keys = [verify.parse_vkey(key) for key in vkeys(vault, tenant)]
    return verify.verify_certificate(certificate, keys, now=now, **options)


def sid_of(vault: Vault, user: str, tenant: str = "clinic") -> bytes:
    subject = stages_of(vault).keystore.subject(tenant_keys(vault, tenant), "user", user)
    assert subject is not None
    return bytes(subject.sid)


def sealed(vault: Vault, sid: bytes, tenant: str = "clinic") -> dict[str, Any]:
    """Every sealed byte of a person, and the keys that open them: equal before and after, nothing was touched."""
    stages, keys = stages_of(vault), tenant_keys(vault, tenant)
    subject = stages.keystore.subject_by_sid(keys, sid)
    assert subject is not None
    with stages.stores.use(keys) as store:
        row = store.records.subject(sid)
        assert row is not None
        records, s = store.records, row.s
        return {
            "generations": sorted(subject.deks),
            "memories": [(m.n, m.version, m.body, m.point) for m in records.memories(s)],
            "revisions": sorted((r.n, r.version, r.body or b"") for r in records.all_revisions(s)),
            "tokens": [(t.token, t.value, t.refs) for t in records.tokens(s)],
            "replays": [r.result for r in records.replays(s)],
        }
