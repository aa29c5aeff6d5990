"""The read path: decide > validate > embed > find > open > filter > mask or reveal > log > answer.

The log entry of a read is committed before its answer leaves. A hit whose row is gone is dropped; a row that does not
open is an integrity violation, never a shorter answer.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from vault.crypto.primitives import hmac_sha256
from vault.errors import DeniedError, InvalidInputError, NotFoundError
from vault.filters import Filter
from vault.filters import parse as parse_filter
from vault.flows import ids, validate
from vault.flows.bodies import (
    Body,
    StoredPoints,
    decode,
    open_actor,
    open_body,
    open_value,
    record_id,
    to_memory,
    value_term,
)
from vault.flows.change import find_visible, subject_of, visible
from vault.flows.context import Call, Caller, Stages, calling, milliseconds, moment
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.index.interface import TAG_BYTES, Query
from vault.index.terms import canonical, terms, value_ngrams
from vault.keys.keyring import SubjectKeys
from vault.policy.decide import Request
from vault.records.interface import MemoryRow
from vault.redaction.operators import find_tokens, unescape_tokens
from vault.types import Memory, Metadata, MetadataValue, Page, Revision, Scope, SearchHit

Order = Literal["created_at", "-created_at", "updated_at", "-updated_at"]
_ORDERS: Final = ("created_at", "-created_at", "updated_at", "-updated_at")
_CURSOR_MAC: Final = 16
_LOGGED_IDS: Final = 100  # a read's sealed detail names at most so many memories; the count is always exact


@dataclass(slots=True)
class Found:
    """Where a scoped read looks: the subject's keys, its local number, and the tags that rows must carry."""

    subject: SubjectKeys
    s: int
    wanted: dict[str, bytes]


def locate(call: Call, scope: Scope) -> Found | None:
    """The subject a scope names, or None: unknown, erased and never seen are one answer."""
    kind, value = scope.subject() or ("user", "")
    subject = call.stages.keystore.subject(call.tenant, kind, value)
    row = call.records.subject(subject.sid) if subject is not None else None
    if subject is None or row is None:
        return None
    wanted: dict[str, bytes] = {
        k: call.tenant.tag(k, v) for k, v in scope.items() if v is not None and k not in ("user", kind)
    }
    return Found(subject, row.s, wanted)


# --- search ----------------------------------------------------------------------------------------------------


def search(
    stages: Stages,
    caller: Caller,
    query: object,
    *,
    scope: Scope,
    filters: object,
    limit: object,
    threshold: object,
    explain: object,
    reveal: object,
) -> list[SearchHit]:
    """The best memories of one scope for a question, best first."""
    with calling(stages, caller, "memory.search") as call:
        limits = stages.config.limits
        scope = call.confine(scope)
        question = validate.text("query", query, limits.text_bytes)
        count = validate.limit(limit, limits.results)
        least = validate.threshold(threshold)
        parts = validate.flag("explain", explain)
        tree = parse_filter(filters)  # type: ignore[arg-type]
        why = _reveal_reason(call, reveal)
        found = locate(call, scope)
        hits: list[SearchHit] = []
        if found is not None:
            with call.records.reading():
                hits = _ranked(call, found, question, tree, count, least, with_parts=parts)
            hits = [
                replace(hit, memory=shown)
                for hit, shown in zip(hits, _shown(call, found, hits, why), strict=True)
            ]
        _log(call, found, [hit.memory.id for hit in hits], why)
    return hits


def _ranked(
    call: Call,
    found: Found,
    question: str,
    tree: Filter | None,
    limit: int,
    threshold: float,
    *,
    with_parts: bool,
) -> list[SearchHit]:
    reader = StoredPoints(call.tenant, found.subject, call.records)
    query = _query(call, found, question)
    tree = _translate(call, found, tree)
    hits: list[SearchHit] = []
    wanted = limit if tree is None else 4 * limit
    seen: set[int] = set()
    while True:
        ranked = call.stages.index.search(reader, query, wanted)
        for hit in ranked:
            if hit.n in seen or hit.score < threshold:
                continue
            seen.add(hit.n)
            opened = _open(call, found, hit.n)
            if opened is None or (tree is not None and not tree.matches(view(*opened))):
                continue
            memory = to_memory(call.tenant, *opened)
            hits.append(SearchHit(memory, hit.score, dict(hit.explain) if with_parts else None))
            if len(hits) == limit:
                return hits
        if len(ranked) < wanted:
            return hits
        wanted *= 4


def _query(call: Call, found: Found, question: str) -> Query:
    weights = {term: float(count) for term, count in terms(question).items()}
    weights.update((value_term(found.subject, form), 1.0) for form in value_ngrams(question))
    tags = {k: v[:TAG_BYTES] for k, v in found.wanted.items()}
    return Query(
        vector=call.stages.embedder().embed([question])[0],
        terms=weights,
        agent=tags.get("agent"),
        app=tags.get("app"),
        run=tags.get("run"),
        now_ms=milliseconds(call.stages.now()),
    )


def _open(call: Call, found: Found, n: int) -> tuple[MemoryRow, Body] | None:
    row = call.records.memory(found.s, n)
    return (row, open_body(call.tenant, found.subject, row)) if row is not None else None


def view(row: MemoryRow, body: Body) -> dict[str, object]:
    """What a caller's filter may look at."""
    return {
        **body.metadata,
        "role": body.role,
        "created_at": moment(row.created_ms),
        "updated_at": moment(row.updated_ms),
        "expires_at": moment(row.expires_ms) if row.expires_ms is not None else None,
    }


def _translate(call: Call, found: Found, tree: Filter | None) -> Filter | None:
    """A filter value that was redacted on its way in is compared as its token; asking never makes a token."""
    if tree is None:
        return None
    tokens = TokenMap(call.tenant, found.subject, call.records, found.s)
    by_value = {
        canonical(known[1]): row.token
        for row in call.records.tokens(found.s)
        if (known := tokens.value(row.token))
    }

    def alternatives(value: str) -> list[str]:
        token = by_value.get(canonical(value))
        return [value] if token is None else [value, f"[{token}]"]

    return tree.map_values(alternatives)


# --- list ------------------------------------------------------------------------------------------------------


def list_page(
    stages: Stages,
    caller: Caller,
    *,
    scope: Scope,
    filters: object,
    limit: object,
    order: object,
    cursor: object,
    reveal: object,
) -> Page:
    """One page of a scope's memories in a stable order."""
    with calling(stages, caller, "memory.list") as call:
        scope = call.confine(scope)
        count = validate.limit(limit, stages.config.limits.results)
        if order not in _ORDERS:
            raise InvalidInputError(
                "order.value", "order must be created_at or updated_at, with - for newest first"
            )
        tree = parse_filter(filters)  # type: ignore[arg-type]
        why = _reveal_reason(call, reveal)
        question = _question(call, scope, tree, str(order))
        after = _read_cursor(call, cursor, question)
        found = locate(call, scope)
        memories: list[Memory] = []
        following: str | None = None
        if found is not None:
            with call.records.reading():
                memories, last, more = _page(call, found, tree, count, str(order), after)
            following = _write_cursor(call, last, question) if more and last is not None else None
            memories = _revealed(call, found, memories, why)
        _log(call, found, [memory.id for memory in memories], why)
    return Page(tuple(memories), following)


def _page(
    call: Call, found: Found, tree: Filter | None, limit: int, order: str, after: tuple[int, int] | None
) -> tuple[list[Memory], tuple[int, int] | None, bool]:
    column = 1 if order.endswith("created_at") else 2
    keys = sorted(
        ((row[column], row[0]) for row in call.records.order(found.s)), reverse=order.startswith("-")
    )
    now = milliseconds(call.stages.now())
    tree = _translate(call, found, tree)
    memories: list[Memory] = []
    last: tuple[int, int] | None = None
    for key in keys:
        if after is not None and (key >= after if order.startswith("-") else key <= after):
            continue
        opened = _open(call, found, key[1])
        if opened is None or not _admitted(opened[0], found, now):
            continue
        if tree is not None and not tree.matches(view(*opened)):
            continue
        if len(memories) == limit:
            return memories, last, True
        memories.append(to_memory(call.tenant, *opened))
        last = key
    return memories, last, False


def _admitted(row: MemoryRow, found: Found, now_ms: int) -> bool:
    if row.expires_ms is not None and row.expires_ms <= now_ms:
        return False
    return all(hmac.compare_digest(getattr(row, kind) or b"", tag) for kind, tag in found.wanted.items())


def _question(call: Call, scope: Scope, tree: Filter | None, order: str) -> bytes:
    """What a cursor belongs to: another scope, filter or order makes it invalid."""
    parts = [f"{kind}={value}".encode() for kind, value in scope.items()]
    return hmac_sha256(
        call.tenant.key("tags"),
        b"cursor",
        *parts,
        tree.canonical() if tree is not None else b"",
        order.encode(),
    )


def _write_cursor(call: Call, last: tuple[int, int], question: bytes) -> str:
    data = last[0].to_bytes(8, "big") + last[1].to_bytes(8, "big")
    mac = hmac_sha256(call.tenant.key("tags"), question, data)[:_CURSOR_MAC]
    return base64.urlsafe_b64encode(data + mac).decode()


def _read_cursor(call: Call, cursor: object, question: bytes) -> tuple[int, int] | None:
    if cursor is None:
        return None
    try:
        data = base64.b64decode(cursor if isinstance(cursor, str) else "!", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    expected = hmac_sha256(call.tenant.key("tags"), question, data[:16])[:_CURSOR_MAC]
    if len(data) != 16 + _CURSOR_MAC or not hmac.compare_digest(data[16:], expected):
        raise InvalidInputError("cursor.invalid", "the cursor does not belong to this question")
    return int.from_bytes(data[:8], "big"), int.from_bytes(data[8:16], "big")


# --- get, history, reveal --------------------------------------------------------------------------------------


def get(stages: Stages, caller: Caller, memory_id: object, *, reveal: object) -> Memory:
    """One memory by id; raises NotFoundError for absent, expired, erased and foreign ids alike."""
    with calling(stages, caller, "memory.get") as call:
        why = _reveal_reason(call, reveal)
        row, subject = find_visible(call, memory_id)
        memory = to_memory(call.tenant, row, open_body(call.tenant, subject, row))
        found = Found(subject, row.s, {})
        (memory,) = _revealed(call, found, [memory], why)
        _log(call, found, [memory.id], why)
    return memory


def reveal(stages: Stages, caller: Caller, memory_id: object, *, reason: object) -> Memory:
    """One memory with the values the pack lets this role see; every reveal is logged by class and count."""
    with calling(stages, caller, "memory.reveal") as call:
        why = validate.required_reason(reason)
        row, subject = find_visible(call, memory_id)
        memory = to_memory(call.tenant, row, open_body(call.tenant, subject, row))
        (shown,) = _revealed(call, Found(subject, row.s, {}), [memory], why)
    return shown


def history(stages: Stages, caller: Caller, memory_id: object) -> list[Revision]:
    """Every version of a memory, oldest first; after a delete, times and actors without values."""
    with calling(stages, caller, "memory.history") as call:
        text = memory_id if isinstance(memory_id, str) else ""
        row = ids.find(call.tenant, call.records, text)
        rows = (
            call.records.revisions(row.s, row.n)
            if row
            else ids.find_revisions(call.tenant, call.records, text)
        )
        s = row.s if row is not None else rows[0].s if rows else None
        subject = subject_of(call, s) if s is not None else None
        if s is None or subject is None or not visible(call, subject):
            call.log_read(call.event(result="not_found"))
            raise NotFoundError("memory.unknown", "there is no such memory")
        steps = []
        for past in rows:
            identity = record_id(past.s, past.n, past.nonce)
            actor, reason = open_actor(call.tenant, subject, identity, past.version, past.actor)
            body = (
                decode(open_value(call.tenant, subject, "history", identity, past.version, past.body))
                if past.body is not None
                else None
            )
            steps.append(
                Revision(
                    past.version,
                    past.event,
                    moment(past.at_ms),
                    actor,
                    reason,  # type: ignore[arg-type]
                    body.text if body else None,
                    body.metadata if body else None,
                )
            )
        if row is not None:
            body = open_body(call.tenant, subject, row)
            steps.append(
                Revision(
                    row.version,
                    body.event,
                    moment(row.updated_ms),
                    body.actor,
                    body.reason,
                    body.text,  # type: ignore[arg-type]
                    body.metadata,
                )
            )
        call.log_read(call.event(count=len(steps), object_id=text, ids=[text]), subject, s)
        sign_if_due(call)
    return steps


def _reveal_reason(call: Call, value: object) -> str | None:
    """`reveal=` asks for values in bulk: only with a reason, and only where the pack permits `memory.reveal`."""
    if value is None:
        return None
    why = validate.required_reason(value)
    request = Request(action="memory.reveal", purpose=call.caller.purpose, roles=call.caller.principal.roles)
    decision = call.stages.policy.decide(request)
    if not decision.permit:
        call.log_read(call.event(action="memory.reveal", result="denied", reason=why))
        raise DeniedError(
            "policy.denied", f"the policy pack does not permit revealing values ({decision.rule})"
        )
    return why


def _shown(call: Call, found: Found, hits: list[SearchHit], why: str | None) -> list[Memory]:
    return _revealed(call, found, [hit.memory for hit in hits], why)


def _revealed(call: Call, found: Found, memories: list[Memory], why: str | None) -> list[Memory]:
    """Put values back for the classes this role may see; others stay tokens. Logged before it is answered."""
    if why is None or not memories:
        return memories
    allowed = call.stages.policy.reveal_classes(call.caller.principal.roles, call.caller.purpose)
    tokens = TokenMap(call.tenant, found.subject, call.records, found.s)
    counts: Counter[str] = Counter()

    def put_back(text: str) -> str:
        pieces, position = [], 0
        for start, end, token in find_tokens(text):
            known = tokens.value(token)
            if known is None or known[0] not in allowed:
                continue
            counts[known[0]] += 1
            pieces += [unescape_tokens(text[position:start]), known[1]]
            position = end
        return "".join([*pieces, unescape_tokens(text[position:])])

    shown = [
        replace(
            m,
            text=put_back(m.text),
            name=put_back(m.name) if m.name else m.name,
            metadata=_map_metadata(m.metadata, put_back),
        )
        for m in memories
    ]
    ids_shown = [m.id for m in memories]
    event = call.event(
        action="memory.reveal",
        count=sum(counts.values()),
        object_id=ids_shown[0] if len(ids_shown) == 1 else "",
        ids=ids_shown[:_LOGGED_IDS],
        reason=why,
        classes=dict(counts),
    )
    call.log_read(event, found.subject, found.s)
    sign_if_due(call)
    return shown


def _map_metadata(metadata: Metadata, change: Any) -> Metadata:
    def walk(value: MetadataValue) -> MetadataValue:
        if isinstance(value, str):
            return str(change(value))
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, dict):
            return {str(change(key)): walk(item) for key, item in value.items()}
        return value

    changed = walk(metadata)
    return changed if isinstance(changed, dict) else metadata


def _log(call: Call, found: Found | None, shown: list[str], why: str | None) -> None:
    event = call.event(
        count=len(shown), object_id=shown[0] if len(shown) == 1 else "", ids=shown[:_LOGGED_IDS], reason=why
    )
    call.log_read(event, found.subject if found else None, found.s if found else None)
    sign_if_due(call)
