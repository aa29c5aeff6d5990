"""The write path: decide > validate > detect > plan > embed > [ replay? > tokens > seal > rows + log ] > sign.

Everything in brackets is one transaction with `synchronous=FULL`: a write is all or nothing across text, vector,
terms, tokens, history and log. Detection and embedding run before it, on redacted text only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from vault.flows import ids, validate
from vault.flows.additions import Addition, Embedded, Prepared
from vault.flows.bodies import (
    Body,
    encode,
    record_id,
    said,
    seal_value,
    to_memory,
    value_terms,
)
from vault.flows.context import Call, Caller, Stages, calling, milliseconds
from vault.flows.points import seal_blocks
from vault.flows.redact import Draft, Finished, Material, finish, preview, redactor
from vault.flows.replay import refuse_used, remember, repeated, request_digest, without_replayed
from vault.flows.scope import LOGGED_IDS, log_written
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.flows.vectors import embed, still
from vault.index.points import pack_point
from vault.index.terms import canonical, terms
from vault.keys.keyring import SubjectKeys
from vault.observe.calls import leaving, stage
from vault.observe.words import Stage
from vault.records.interface import BLOCK, MemoryRow
from vault.types import AddResult, Content, Memory, Scope


def add(
    stages: Stages,
    caller: Caller,
    content: Content,
    *,
    scope: Scope,
    metadata: object,
    expires_at: object,
    idempotency_key: object,
) -> AddResult:
    """Store one memory per message; returns them as stored."""
    with calling(stages, caller, "memory.add") as call:
        scope = call.confine(scope)
        limits = stages.config.limits
        key = validate.idempotency_key(idempotency_key)
        checked = validate.metadata(metadata, limits.metadata_bytes)
        until = validate.expires_at(expires_at, stages.now())
        parts, skipped = validate.messages(content, limits.text_bytes, limits.messages)
        additions = [
            Addition(scope, part["content"], part.get("role"), part.get("name"), checked, until)
            for part in parts
        ]
        request = request_digest(additions) if key is not None else b""
        prepared = prepare(call, additions)
        memories = _store(call, prepared, [(key, request)] if key is not None else [])
        sign_if_due(call)
    found = sum((item.draft.changes for item in prepared), Counter[str]())
    return AddResult(tuple(memories), dict(found), skipped)


def add_batch(
    stages: Stages,
    caller: Caller,
    additions: Sequence[Addition],
    *,
    action: str = "memory.add",
    keys: Sequence[str | None] = (),
    ready: Callable[[], Sequence[tuple[Draft, Embedded]]] | None = None,
) -> list[Memory]:
    """Store many validated memories, one transaction for all of them; a remembered key skips its memory.

    `ready` hands over what was detected and embedded elsewhere.
    """
    with calling(stages, caller, action) as call:
        bound = [replace(one, scope=call.confine(one.scope)) for one in additions]
        replays = (
            [(key, request_digest([a])) for key, a in zip(keys, bound, strict=True)] if any(keys) else []
        )
        if ready is None:
            prepared = prepare(call, bound)
        else:
            prepared = [Prepared(one, *made) for one, made in zip(bound, ready(), strict=True)]
        memories = _store(call, prepared, replays)
        sign_if_due(call)
    return memories


def materials(additions: Sequence[Addition]) -> list[list[Material]]:
    """What the detector reads together: additions in a row with one `turn` were said together."""
    return [
        [Material(one.text, one.name, one.metadata) for one in turn]
        for _, turn in groupby(additions, key=attrgetter("turn"))
    ]


def prepare(call: Call, additions: Sequence[Addition]) -> list[Prepared]:
    """Detect, plan, embed: outside the transaction, in one batch; any failure refuses the whole batch."""
    drafts = redactor(call.stages).drafts(materials(additions))
    vectors = embed(call, [preview(draft) for draft in drafts])
    return [Prepared(a, d, v) for a, d, v in zip(additions, drafts, vectors, strict=True)]


def _store(call: Call, items: list[Prepared], replays: list[tuple[str | None, bytes]]) -> list[Memory]:
    groups: dict[Scope, list[tuple[int, Prepared]]] = {}
    again = repeated(replays)
    for position, item in enumerate(items):
        if position not in again:
            groups.setdefault(_subject_scope(item.addition.scope), []).append((position, item))
    subjects = {
        scope: _subject_keys(call, scope, replays if len(replays) < 2 else [replays[p] for p, _ in members])
        for scope, members in groups.items()
    }
    memories: dict[int, Memory] = {}
    with leaving(Stage.COMMIT, call.records.transaction()):
        for scope, members in groups.items():
            subject = subjects[scope]
            known = call.records.subject(subject.sid)
            row = known or call.records.ensure_subject(subject.sid, subject.kid)
            if known is None:
                call.store.log.append(
                    call.event(action="subject.create", object_id=subject.kid.hex()), subject, row.s
                )
            fresh = without_replayed(call, subject, members, replays, memories)
            if fresh:
                _insert(call, subject, row.s, fresh, memories)
                remember(call, subject, row.s, fresh, replays, memories)
            if len(fresh) < len(members):
                _note_repeats(call, subject, row.s, members, fresh, memories)
    memories.update({later: memories[first] for later, first in again.items() if first in memories})
    return [memories[position] for position in sorted(memories)]


def _note_repeats(
    call: Call,
    subject: SubjectKeys,
    s: int,
    members: list[tuple[int, Prepared]],
    fresh: list[tuple[int, Prepared]],
    memories: dict[int, Memory],
) -> None:
    """A repeated write stores nothing but answers what is stored: an entry of its own, with count 0."""
    stored = {position for position, _ in fresh}
    shown = [memories[p].id for p, _ in members if p in memories and p not in stored]
    event = call.event(ids=shown[:LOGGED_IDS], repeated=len(members) - len(fresh))
    call.store.log.append(event, subject, s)


def _subject_scope(scope: Scope) -> Scope:
    kind, value = scope.subject() or ("user", "")
    return Scope(**{f"{kind}_id": value})


def _subject_keys(call: Call, scope: Scope, replays: list[tuple[str | None, bytes]]) -> SubjectKeys:
    """The subject's keys; a new subject's are durable before its first row, and not made for a refused request."""
    kind, value = scope.subject() or ("user", "")
    known = call.stages.keystore.subject(call.tenant, kind, value)
    if known is not None:
        return known
    refuse_used(call, replays)
    return call.stages.keystore.create_subject(call.tenant, kind, value)


def _insert(
    call: Call,
    subject: SubjectKeys,
    s: int,
    members: list[tuple[int, Prepared]],
    memories: dict[int, Memory],
) -> None:
    now = milliseconds(call.stages.now())
    first = call.records.allocate(s, len(members))
    tokens = TokenMap(call.tenant, subject, call.records, s)
    named = members[0][1].addition.scope.user_id
    user_id = call.first_id(named) if named is not None else None
    rows = []
    vectors = still(call, [item.vector for _, item in members])
    with stage(Stage.SEAL):
        for offset, ((position, item), vector) in enumerate(zip(members, vectors, strict=True)):
            done = finish(item.draft, tokens)
            tokens.refer(done.tokens)
            body = _body(call, item, done, user_id)
            row = seal_row(
                call,
                subject,
                s=s,
                n=first + offset,
                nonce=ids.new_nonce(),
                id_key=call.tenant.current["ids"],
                version=1,
                created_ms=now,
                updated_ms=now,
                expires_ms=milliseconds(item.addition.expires_at) if item.addition.expires_at else None,
                body=body,
                vector=vector,
            )
            rows.append(row)
            memories[position] = to_memory(call.tenant, row, body)
    call.records.insert(rows)
    if (first + len(rows)) // BLOCK > first // BLOCK:
        with stage(Stage.INDEX):
            seal_blocks(call.tenant, subject, call.records, s, range(first, first + len(rows)))
    log_written(call, subject, s, [memories[position].id for position, _ in members])


def _body(call: Call, item: Prepared, done: Finished, user_id: str | None) -> Body:
    scope: dict[str, str] = {kind: value for kind, value in item.addition.scope.items() if value is not None}
    if user_id is not None:
        scope["user"] = user_id  # the first id of the person, whichever was given
    body = Body("", scope, {}, call.caller.principal.id, "", "", role=item.addition.role)
    fill(call.stages, body, item.draft, done)
    return body


def fill(stages: Stages, body: Body, draft: Draft, done: Finished) -> None:
    """What a body holds once redacted, and what redacted it."""
    body.text, body.name, body.metadata, body.tokens = done.text, done.name, done.metadata, done.tokens
    body.pack, body.detector = stages.policy.digest[:16], stages.detector.version
    body.shifted = body.shifted or draft.shifts or None


def seal_row(
    call: Call,
    subject: SubjectKeys,
    *,
    s: int,
    n: int,
    nonce: bytes,
    id_key: int,
    version: int,
    created_ms: int,
    updated_ms: int,
    expires_ms: int | None,
    body: Body,
    vector: Embedded,
) -> MemoryRow:
    """Seal one version of a memory: body and point, each under its own key and context."""
    agent, app, run = (
        call.tenant.tag(kind, body.scope[kind]) if kind in body.scope else None
        for kind in ("agent", "app", "run")
    )
    counts = point_terms(call, subject, s, body, created_ms)
    point = pack_point([vector.quantised()], counts, (agent, app, run), expires_ms)
    identity = record_id(s, n, nonce)
    return MemoryRow(
        s,
        n,
        nonce,
        id_key,
        version,
        created_ms,
        updated_ms,
        expires_ms,
        agent,
        app,
        run,
        seal_value(call.tenant, subject, "record", identity, version, encode(body)),
        seal_value(call.tenant, subject, "vector", ids.place(s, n), version, point),
    )


def point_terms(call: Call, subject: SubjectKeys, s: int, body: Body, created_ms: int) -> dict[int, int]:
    """Lexical terms of a memory: its words (`said`), and keyed terms of the values its tokens stand for."""
    counts = terms(said(body, created_ms))
    tokens = TokenMap(call.tenant, subject, call.records, s)
    known = [one for token in body.tokens if (one := tokens.value(token)) is not None]
    counts.update(dict.fromkeys(value_terms(subject, [canonical(value) for _, value in known]), 1))
    return counts
