"""What is inside the sealed blobs of a row, and how a row becomes a `Memory`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from vault.crypto.primitives import SecretKey, hmac_sha256_each
from vault.crypto.record import HEADER_BYTES, Header, Opener, RecordContext, open_, read_header, seal
from vault.errors import DecryptionError
from vault.flows import ids
from vault.flows.context import moment
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.records.interface import MemoryRow
from vault.types import Memory, Metadata

_SCHEMA: Final = 1
_DECODER: Final = json.JSONDecoder()
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@dataclass(slots=True)
class Body:
    """The plaintext of a memory version: redacted text and metadata, scope ids, who wrote it under which policy."""

    text: str
    scope: dict[str, str]
    metadata: Metadata
    actor: str
    pack: str
    detector: str
    event: str = "ADD"
    reason: str | None = None
    role: str | None = None
    name: str | None = None
    tokens: list[str] = field(default_factory=list)
    embedder: str = ""  # of bodies written before points named their model; no longer set
    shifted: bool | None = None  # dates of it were moved; not again when it is examined again


_FIELDS: Final = tuple(part.name for part in fields(Body))


def record_id(s: int, n: int, nonce: bytes) -> bytes:
    return ids.place(s, n) + nonce


def seal_value(
    tenant: TenantKeys, subject: SubjectKeys, use: str, identity: bytes, version: int, data: bytes
) -> bytes:
    """PMV1 under the subject's current generation, for one use, bound to tenant, subject, record and version."""
    key = subject.key(use)
    if key is None:
        raise DecryptionError("record.unreadable", "a sealed record does not open")
    context = RecordContext(tenant.tid, subject.sid, identity, version, use, _SCHEMA)
    return seal(key, subject.kid, subject.generation, context, data)


def open_value(
    tenant: TenantKeys, subject: SubjectKeys, use: str, identity: bytes, version: int, blob: bytes
) -> bytes:
    """The reverse; the header names the generation, no other key is tried."""
    key = _key(subject, use, read_header(blob))
    return open_(key, blob, RecordContext(tenant.tid, subject.sid, identity, version, use, _SCHEMA))


def _key(subject: SubjectKeys, use: str, header: Header) -> SecretKey:
    key = subject.key(use, header.generation) if header.kid == subject.kid else None
    if key is None:
        raise DecryptionError("record.unreadable", "a sealed record does not open")
    return key


def open_values(
    tenant: TenantKeys, subject: SubjectKeys, use: str, items: Sequence[tuple[bytes, int, bytes]]
) -> list[bytes]:
    """`open_value` for many of one subject and use, as (identity, version, blob)."""
    openers: dict[bytes, Opener] = {}
    found = []
    for identity, version, blob in items:
        opener = openers.get(blob[:HEADER_BYTES])
        if opener is None:
            header = read_header(blob)
            context = RecordContext(tenant.tid, subject.sid, b"", 0, use, _SCHEMA)
            opener = openers[blob[:HEADER_BYTES]] = Opener(_key(subject, use, header), header, context)
        found.append(opener.open(blob, identity, version))
    return found


def encode(body: Body) -> bytes:
    data = {name: value for name in _FIELDS if (value := getattr(body, name)) not in (None, "", [], {})}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def decode(data: bytes) -> Body:
    parsed, _ = _DECODER.raw_decode(data.decode())  # written by `encode`: nothing stands around it
    return Body(**{"metadata": {}, "scope": {}, "pack": "", "detector": "", **parsed})


def open_bodies(tenant: TenantKeys, subject: SubjectKeys, rows: Sequence[MemoryRow]) -> list[Body]:
    """The bodies of many rows of one subject, in order."""
    sealed = [(record_id(row.s, row.n, row.nonce), row.version, row.body) for row in rows]
    return [decode(data) for data in open_values(tenant, subject, "record", sealed)]


def open_body(tenant: TenantKeys, subject: SubjectKeys, row: MemoryRow) -> Body:
    return decode(
        open_value(tenant, subject, "record", record_id(row.s, row.n, row.nonce), row.version, row.body)
    )


def seal_actor(
    tenant: TenantKeys, subject: SubjectKeys, identity: bytes, version: int, actor: str, reason: str | None
) -> bytes:
    """Who and why of a revision: outlives the value, dies with the subject."""
    data = json.dumps({"actor": actor, "reason": reason}, ensure_ascii=False).encode()
    return seal_value(tenant, subject, "actor", identity, version, data)


def open_actor(
    tenant: TenantKeys, subject: SubjectKeys, identity: bytes, version: int, blob: bytes
) -> tuple[str, str | None]:
    parsed = json.loads(open_value(tenant, subject, "actor", identity, version, blob))
    return parsed["actor"], parsed["reason"]


def said(body: Body, created_ms: int) -> str:
    """The words by which a memory is found: its redacted text, who said it, and the day it was stored (UTC)."""
    day = moment(created_ms)
    return f"{body.name or ''} {body.text} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def value_terms(subject: SubjectKeys, forms: Sequence[str]) -> list[int]:
    """The lexical terms under which redacted values are found again, by their canonical forms, in order.

    Keyed, 32 bits each, inside the sealed point only.
    """
    tags = hmac_sha256_each(subject.secret, b"term", map(str.encode, forms))
    return [int.from_bytes(tag[:4], "big") for tag in tags]


def to_memory(tenant: TenantKeys, row: MemoryRow, body: Body) -> Memory:
    created = moment(row.created_ms)
    return Memory(
        id=ids.encode(tenant, row),
        text=body.text,
        user_id=body.scope.get("user"),
        agent_id=body.scope.get("agent"),
        app_id=body.scope.get("app"),
        run_id=body.scope.get("run"),
        metadata=body.metadata,
        created_at=created,
        updated_at=moment(row.updated_ms) if row.updated_ms != row.created_ms else created,
        expires_at=moment(row.expires_ms) if row.expires_ms is not None else None,
        version=row.version,
        role=body.role,
        name=body.name,
    )
