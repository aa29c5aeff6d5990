"""Cases of a tenant, kept in the keystore: rights requests and legal holds; and which subjects a roll must reseal.

They live here and not in the records file, so that restored data brings no older state of them along. A case is sealed
under the tenant's `detail` key: its body may name a person until the person is erased, and its other columns, which are
there to be found by, are sealed beside it, so that nobody with the file's key alone ends a hold.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from vault.crypto.record import RecordContext, open_, read_header, seal
from vault.errors import ConflictError, IntegrityViolationError
from vault.keys.keyring import TenantKeys
from vault.keys.keystore import Keystore
from vault.keys.sealing import ZERO
from vault.storage import Database
from vault.types import TenantId

ID_BYTES: Final = 16
_USE: Final = "case"
Kind = Literal["request", "hold", "tenant", "telemetry"]
PLACED: Final = "placed"  # states of a hold
RELEASED: Final = "released"
CLOSED: Final = bytes(ID_BYTES)  # id of the case that says that a tenant was erased
CONSENT: Final = b"telemetry".ljust(ID_BYTES, b"\x00")  # id of the case that says who agreed to telemetry


@dataclass(slots=True)
class Case:
    """One request, hold or agreement; `sid` is the subject it is about, where it is about one that has keys."""

    id: bytes
    kind: Kind
    state: str
    sid: bytes | None
    at_ms: int
    body: dict[str, Any] = field(repr=False)


def new_id() -> bytes:
    return os.urandom(ID_BYTES)


def put(keystore: Keystore, tenant: TenantKeys, case: Case) -> None:
    """Store a case as it is now; durable, one transaction, idempotent."""
    with keystore.database.transaction():
        _write(keystore, tenant, case)


def _write(keystore: Keystore, tenant: TenantKeys, case: Case) -> None:
    whole = {**_columns(case.kind, case.state, case.sid, case.at_ms), "body": case.body}
    data = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    with tenant.key("detail").derive(_USE) as key:
        sealed = seal(key, tenant.tid, tenant.current["detail"], _context(tenant, case.id), data)
    keystore.database.execute(
        "INSERT OR REPLACE INTO cases(tid, id, kind, state, sid, at_ms, body) VALUES(?, ?, ?, ?, ?, ?, ?)",
        (tenant.tid, case.id, case.kind, case.state, case.sid, case.at_ms, sealed),
    )


def move(keystore: Keystore, tenant: TenantKeys, case: Case, state: str) -> None:
    """Put a case into its next state; raises ConflictError where another process moved it meanwhile."""
    with keystore.database.transaction():
        row = keystore.database.one("SELECT state FROM cases WHERE tid = ? AND id = ?", (tenant.tid, case.id))
        if row != (case.state,):
            raise ConflictError("case.changed", "the case was changed meanwhile; read it and try again")
        case.state = state
        _write(keystore, tenant, case)


def get(keystore: Keystore, tenant: TenantKeys, identity: bytes) -> Case | None:
    """The case with this id, or None."""
    row = keystore.database.one(
        "SELECT id, kind, state, sid, at_ms, body FROM cases WHERE tid = ? AND id = ?",
        (tenant.tid, identity),
    )
    return _opened(tenant, row) if row is not None else None


def every(keystore: Keystore, tenant: TenantKeys, kind: Kind, *states: str) -> list[Case]:
    """The cases of a kind, oldest first; of these states, where any are given."""
    rows = keystore.database.query(
        "SELECT id, kind, state, sid, at_ms, body FROM cases WHERE tid = ? AND kind = ? ORDER BY at_ms, id",
        (tenant.tid, kind),
    )
    return [_opened(tenant, row) for row in rows if not states or row[2] in states]


def remove(keystore: Keystore, tenant: TenantKeys, identity: bytes) -> None:
    """Take a case out; nothing happens where there is none."""
    with keystore.database.transaction():
        keystore.database.execute("DELETE FROM cases WHERE tid = ? AND id = ?", (tenant.tid, identity))


def held(keystore: Keystore, tenant: TenantKeys, sid: bytes | None) -> bool:
    """Whether a hold is in force on a subject, or on the whole tenant; with `sid` None: on anything in the tenant."""
    rows = keystore.database.query(
        "SELECT id, kind, state, sid, at_ms, body FROM cases"
        " WHERE tid = ?1 AND kind = 'hold' AND (?2 IS NULL OR sid IS NULL OR sid = ?2)",
        (tenant.tid, sid),
    )
    return any(_opened(tenant, row).state == PLACED for row in rows)


def verify(keystore: Keystore, tenant: TenantKeys) -> int:
    """Open every case of a tenant; raises IntegrityViolationError or DecryptionError where one was changed."""
    rows = keystore.database.query(
        "SELECT id, kind, state, sid, at_ms, body FROM cases WHERE tid = ?", (tenant.tid,)
    )
    return len([_opened(tenant, row) for row in rows])


def give(keystore: Keystore, tenant: TenantKeys, source: bytes, into: bytes) -> None:
    """Inside a transaction: the cases about one subject are about another from now on."""
    rows = keystore.database.query(
        "SELECT id, kind, state, sid, at_ms, body FROM cases WHERE tid = ? AND sid = ?", (tenant.tid, source)
    )
    for row in rows:
        _write(keystore, tenant, replace(_opened(tenant, row), sid=into))


def _opened(tenant: TenantKeys, row: tuple[Any, ...]) -> Case:
    identity, kind, state, sid, at_ms, sealed = row
    master = tenant.versions["detail"].get(read_header(sealed).generation)
    if master is None:
        raise IntegrityViolationError(
            "keystore.damaged", "a case in the keystore names a key that is not there"
        )
    with master.derive(_USE) as key:
        whole: dict[str, Any] = json.loads(open_(key, sealed, _context(tenant, identity)))
    body = whole.pop("body")
    if sid == ZERO and state == RELEASED:
        whole["sid"] = sid.hex()  # `forget` was here, and holds no key to seal it anew
    if whole != _columns(kind, state, sid, at_ms):
        raise IntegrityViolationError(
            "keystore.damaged", "a case in the keystore is not as the vault wrote it"
        )
    return Case(identity, kind, state, sid, at_ms, body)


def _columns(kind: str, state: str, sid: bytes | None, at_ms: int) -> dict[str, Any]:
    return {"kind": kind, "state": state, "sid": sid.hex() if sid is not None else None, "at_ms": at_ms}


def _context(tenant: TenantKeys, identity: bytes) -> RecordContext:
    return RecordContext(tenant=tenant.tid, sid=ZERO, record_id=b"case" + identity, version=1, use=_USE)


def close(keystore: Keystore, tenant: TenantKeys) -> None:
    """The tenant was erased as a whole: from now on nothing is stored or found in it; idempotent."""
    if not closed(keystore, tenant.tid):
        put(keystore, tenant, Case(CLOSED, "tenant", "closed", None, time.time_ns() // 1_000_000, {}))


def closed(keystore: Keystore, tid: TenantId) -> bool:
    """Whether the tenant was erased as a whole."""
    return keystore.database.one("SELECT 1 FROM cases WHERE tid = ? AND id = ?", (tid, CLOSED)) is not None


# --- subjects whose present generation goes with the next roll -----------------------------------------------------


def mark_stale(keystore: Keystore, tid: TenantId, sid: bytes) -> None:
    """Content of this subject was removed: a roll seals the rest anew and destroys its generation."""
    known = keystore.database.one("SELECT 1 FROM stale WHERE tid = ? AND sid = ?", (tid, sid))
    if known is None:
        with keystore.database.transaction():
            keystore.database.execute(
                "INSERT OR IGNORE INTO stale(tid, sid, since_ms) VALUES(?, ?, ?)",
                (tid, sid, time.time_ns() // 1_000_000),
            )


def stale(keystore: Keystore, tid: TenantId) -> list[tuple[bytes, int]]:
    """(sid, since when in ms) of the subjects of a tenant that wait for a roll, longest waiting first."""
    rows = keystore.database.query(
        "SELECT sid, since_ms FROM stale WHERE tid = ? ORDER BY since_ms, sid", (tid,)
    )
    return [(sid, since) for sid, since in rows]


def forget(database: Database, tid: TenantId, sids: Iterable[bytes]) -> None:
    """Inside a transaction: these subjects are gone, and nothing that is over names them any more."""
    for sid in sids:
        database.execute("DELETE FROM stale WHERE tid = ? AND sid = ?", (tid, sid))
        database.execute(
            "UPDATE cases SET sid = ? WHERE tid = ? AND sid = ? AND state = ?", (ZERO, tid, sid, RELEASED)
        )


def unmark_stale(keystore: Keystore, tid: TenantId, sid: bytes) -> None:
    with keystore.database.transaction():
        keystore.database.execute("DELETE FROM stale WHERE tid = ? AND sid = ?", (tid, sid))
