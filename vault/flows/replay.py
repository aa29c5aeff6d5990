"""Repeated writes: an idempotency key answers, for a day, what the first call stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from vault.crypto.primitives import hmac_sha256
from vault.errors import ConflictError
from vault.flows import ids
from vault.flows.additions import Addition, Prepared
from vault.flows.bodies import open_body, open_value, seal_value, to_memory
from vault.flows.context import Call, milliseconds
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.records.interface import ReplayRow
from vault.types import Memory

REPLAY_MS: Final = 24 * 3600 * 1000  # a repeated write is recognised for a day


def request_digest(additions: Sequence[Addition]) -> bytes:
    parts: list[Any] = [
        [
            *(v for _, v in a.scope.items()),
            a.text,
            a.role,
            a.name,
            a.metadata,
            a.expires_at.isoformat() if a.expires_at else None,
        ]
        for a in additions
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def _replay_mac(call: Call, key: str, number: int | None = None) -> bytes:
    """Where a remembered write is found; by an earlier version of the key too, since old versions stay readable."""
    secret = call.tenant.versions["detail"][call.tenant.current["detail"] if number is None else number]
    return hmac_sha256(secret, b"replay", call.caller.principal.id.encode(), key.encode())


def repeated(replays: Sequence[tuple[str | None, bytes]]) -> dict[int, int]:
    """Positions whose key came before in this batch, with the first such position; ConflictError where they differ."""
    first: dict[str, int] = {}
    found: dict[int, int] = {}
    for position, (key, request) in enumerate(replays):
        if key is None:
            continue
        earlier = first.setdefault(key, position)
        if replays[earlier][1] != request:
            raise _mismatch()
        if earlier != position:
            found[position] = earlier
    return found


def refuse_used(call: Call, replays: Sequence[tuple[str | None, bytes]]) -> None:
    """For a subject without keys: a key that is remembered belongs to somebody else's request. Raises ConflictError."""
    if any(_remembered(call, key) is not None for key, _ in replays if key is not None):
        raise _mismatch()


def _mismatch() -> ConflictError:
    return ConflictError("idempotency.mismatch", "this idempotency_key was used with another request")


def without_replayed(
    call: Call,
    subject: SubjectKeys,
    members: list[tuple[int, Prepared]],
    replays: list[tuple[str | None, bytes]],
    memories: dict[int, Memory],
) -> list[tuple[int, Prepared]]:
    """Answer remembered writes from what they stored; raises ConflictError for the same key with another request."""
    if not replays:
        return members
    if len(replays) == 1 and len(members) >= 1:  # one key covers the whole add
        stored = _replayed(call, subject, *replays[0])
        if stored is None:
            return members
        memories.update(enumerate(stored))
        return []
    fresh = []
    for position, item in members:
        stored = _replayed(call, subject, *replays[position])
        if stored is None:
            fresh.append((position, item))
        elif stored:
            memories[position] = stored[0]
    return fresh


def _replayed(call: Call, subject: SubjectKeys, key: str | None, request: bytes) -> list[Memory] | None:
    row = _remembered(call, key) if key is not None else None
    if row is None:
        return None
    if row.digest != _replay_digest(subject, request):
        raise _mismatch()
    stored = _stored(open_value(call.tenant, subject, "replay", row.mac, 1, row.result))
    found: list[Memory] = []
    for text in stored["ids"]:
        memory = ids.find(call.tenant, call.records, text)
        if memory is not None:
            found.append(to_memory(call.tenant, memory, open_body(call.tenant, subject, memory)))
    return found


def _stored(data: bytes) -> dict[str, Any]:
    """What is sealed of a remembered write: ids, and the request's digest. Of an older write it is the ids alone."""
    parsed = json.loads(data)
    return parsed if isinstance(parsed, dict) else {"ids": parsed}


def taken_over(
    tenant: TenantKeys, source: SubjectKeys, into: SubjectKeys, row: ReplayRow, s: int
) -> ReplayRow:
    """A remembered write of one subject as one of another, whose number is `s`.

    An older one has no digest to be made anew: repeated within its day, it is refused as another request.
    """
    data = open_value(tenant, source, "replay", row.mac, 1, row.result)
    request = _stored(data).get("request")
    digest = row.digest if request is None else _replay_digest(into, bytes.fromhex(request))
    return ReplayRow(row.mac, digest, s, seal_value(tenant, into, "replay", row.mac, 1, data), row.at_ms)


def _remembered(call: Call, key: str) -> ReplayRow | None:
    macs = [_replay_mac(call, key, number) for number in call.tenant.versions["detail"]]
    row = next((known for mac in macs if (known := call.records.replay(mac)) is not None), None)
    if row is None or row.at_ms < milliseconds(call.stages.now()) - REPLAY_MS:
        return None
    return row


def _replay_digest(subject: SubjectKeys, request: bytes) -> bytes:
    return hmac_sha256(subject.secret, b"replay", request)


def remember(
    call: Call,
    subject: SubjectKeys,
    s: int,
    members: list[tuple[int, Prepared]],
    replays: list[tuple[str | None, bytes]],
    memories: dict[int, Memory],
) -> None:
    if not replays:
        return
    now = milliseconds(call.stages.now())
    call.records.forget_replays(now - REPLAY_MS)
    whole = len(replays) == 1
    groups = [(replays[0], [p for p, _ in members])] if whole else [(replays[p], [p]) for p, _ in members]
    for (key, request), positions in groups:
        if key is None:
            continue
        mac = _replay_mac(call, key)
        told = {"ids": [memories[position].id for position in positions], "request": request.hex()}
        stored = json.dumps(told).encode()
        sealed = seal_value(call.tenant, subject, "replay", mac, 1, stored)
        call.records.remember(ReplayRow(mac, _replay_digest(subject, request), s, sealed, now))
