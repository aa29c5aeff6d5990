"""Changing and removing memories: every version is kept until the memory goes, and then no value stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vault.errors import ConflictError, InvalidInputError, NotFoundError
from vault.flows import ids, validate
from vault.flows.additions import Embedded
from vault.flows.bodies import (
    Body,
    decode,
    encode,
    open_body,
    open_value,
    record_id,
    seal_actor,
    seal_value,
    to_memory,
)
from vault.flows.context import Call, Caller, Stages, calling, milliseconds
from vault.flows.holds import refuse_held
from vault.flows.points import seal_blocks
from vault.flows.redact import Finished, Material, finish, preview, redactor, settled
from vault.flows.scope import LOGGED_IDS, locate
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.flows.vectors import embed, still
from vault.flows.write import fill, seal_row
from vault.keys.cases import mark_stale
from vault.keys.keyring import SubjectKeys
from vault.observe.calls import leaving, stage
from vault.observe.words import Stage
from vault.records.interface import MemoryRow, RevisionRow
from vault.types import Memory, Scope

# --- update ----------------------------------------------------------------------------------------------------


def update(
    stages: Stages, caller: Caller, memory_id: object, text: object, *, metadata: object, reason: object
) -> Memory:
    """Store a new version; the old one moves to the history. The subject's own tokens in the new text stay tokens."""
    with calling(stages, caller, "memory.update") as call:
        limits = stages.config.limits
        why = validate.reason(reason)
        if text is None and metadata is None:
            raise InvalidInputError("update.empty", "give a text or metadata; there is nothing to change")
        row, subject = find_visible(call, memory_id)
        with stage(Stage.OPEN):
            old = open_body(call.tenant, subject, row)
        tokens = TokenMap(call.tenant, subject, call.records, row.s)
        new_text = old.text if text is None else validate.text("text", text, limits.text_bytes)
        changed = old.metadata if metadata is None else validate.metadata(metadata, limits.metadata_bytes)
        stored = settled(old.text, old.metadata) if old.shifted else None
        draft = redactor(stages).draft(Material(new_text, None, changed, tokens.known, stored))
        vectors = embed(call, [preview(draft)])
        with leaving(Stage.COMMIT, call.records.transaction()):
            current = call.records.memory(row.s, row.n)
            if current is None or current.version != row.version:
                raise ConflictError(
                    "memory.changed", "the memory was changed meanwhile; read it and try again"
                )
            done = finish(draft, tokens)
            if draft.name is None and old.name is not None:
                done = Finished(done.text, old.name, done.metadata, _with_name(done.tokens, old))
            tokens.refer(done.tokens)
            body = replace(old, actor=caller.principal.id, event="UPDATE", reason=why)
            fill(stages, body, draft, done)
            vector = still(call, vectors)
            with stage(Stage.SEAL):
                new = put_version(call, subject, current, old, body, *vector)
            with stage(Stage.INDEX):
                seal_blocks(call.tenant, subject, call.records, row.s, [row.n])
            event = call.event(count=1, object_id=str(memory_id), ids=[memory_id], reason=why)
            call.store.log.append(event, subject, row.s)
        sign_if_due(call)
        return to_memory(call.tenant, new, body)


def _with_name(tokens: list[str], old: Body) -> list[str]:
    """A name that stays keeps its tokens alive."""
    return list(dict.fromkeys([*tokens, *(t for t in old.tokens if old.name and f"[{t}]" in old.name)]))


def put_version(
    call: Call, subject: SubjectKeys, current: MemoryRow, old: Body, new: Body, vector: Embedded
) -> MemoryRow:
    """Inside a transaction: `new` becomes the current version, `old` goes into the history; their block is dropped."""
    fresh = seal_row(
        call,
        subject,
        s=current.s,
        n=current.n,
        nonce=current.nonce,
        id_key=current.id_key,
        version=current.version + 1,
        created_ms=current.created_ms,
        updated_ms=milliseconds(call.stages.now()),
        expires_ms=current.expires_ms,
        body=new,
        vector=vector,
    )
    call.records.add_revision(_superseded(call, subject, current, old))
    call.records.replace(current, fresh)
    return fresh


def _superseded(call: Call, subject: SubjectKeys, row: MemoryRow, body: Body) -> RevisionRow:
    """A version on its way into the history: its value sealed under `history`, its author apart."""
    identity = record_id(row.s, row.n, row.nonce)
    return RevisionRow(
        row.s,
        row.n,
        row.version,
        row.nonce,
        body.event,
        row.updated_ms,
        seal_actor(call.tenant, subject, identity, row.version, body.actor, body.reason),
        seal_value(call.tenant, subject, "history", identity, row.version, encode(body)),
    )


def find_visible(call: Call, memory_id: object) -> tuple[MemoryRow, SubjectKeys]:
    """The live row an id names and its subject's keys; absent, expired, foreign and erased are one NotFoundError."""
    row = ids.find(call.tenant, call.records, memory_id) if isinstance(memory_id, str) else None
    subject = subject_of(call, row.s) if row is not None else None
    expired = row is not None and row.expired(milliseconds(call.stages.now()))
    if row is None or subject is None or expired or not visible(call, subject):
        call.log_read(call.event(result="not_found"))
        raise NotFoundError("memory.unknown", "there is no such memory")
    return row, subject


def subject_of(call: Call, s: int) -> SubjectKeys | None:
    row = call.records.subject_by_number(s)
    return call.stages.keystore.subject_by_sid(call.tenant, row.sid) if row is not None else None


def known_subject(call: Call, s: int) -> SubjectKeys:
    """The keys of a subject that has rows; raises NotFoundError where they are gone."""
    subject = subject_of(call, s)
    if subject is None:
        raise NotFoundError("subject.unknown", "there is no such subject")
    return subject


def visible(call: Call, subject: SubjectKeys) -> bool:
    if call.caller.user_id is None:
        return True
    return call.may_see(*call.stages.keystore.identity(call.tenant, subject.sid))


# --- removal ---------------------------------------------------------------------------------------------------


def delete(stages: Stages, caller: Caller, memory_id: object, *, reason: object) -> int:
    """Remove a memory: text, vector and the values of its revisions; times and actors stay in the history."""
    with calling(stages, caller, "memory.delete") as call:
        why = validate.reason(reason)
        row, subject = find_visible(call, memory_id)
        with leaving(Stage.COMMIT, call.records.transaction()):
            current = call.records.memory(row.s, row.n)
            if current is None:
                raise NotFoundError("memory.unknown", "there is no such memory")
            remove_rows(call, subject, [current], "DELETE", why)
            event = call.event(count=1, object_id=str(memory_id), ids=[memory_id], reason=why)
            call.store.log.append(event, subject, row.s)
        _forget(call, subject)
        sign_if_due(call)
    return 1


def delete_all(stages: Stages, caller: Caller, scope: Scope) -> int:
    """Remove every memory of the subject that carries all the given scope ids; one transaction."""
    with calling(stages, caller, "memory.delete_all") as call:
        found = locate(call, call.confine(scope))
        if found is None:
            call.log_read(call.event(count=0))
            return 0
        with leaving(Stage.COMMIT, call.records.transaction()):
            rows = [
                row
                for row in call.records.memories(found.s)
                if all(getattr(row, tag) == value for tag, value in found.wanted.items())
            ]
            remove_rows(call, found.subject, rows, "DELETE", None)
            named = [ids.encode(call.tenant, row) for row in rows[:LOGGED_IDS]]
            call.store.log.append(call.event(count=len(rows), ids=named), found.subject, found.s)
        _forget(call, found.subject)
        sign_if_due(call)
    return len(rows)


def remove_rows(
    call: Call, subject: SubjectKeys, rows: Sequence[MemoryRow], event: str, reason: str | None
) -> None:
    """Inside a transaction: take memories of one subject out, empty their history, leave valueless marks.

    What is left of the subject is sealed anew at the next roll. Raises HeldError under a legal hold.
    """
    refuse_held(call, subject.sid)
    if rows:
        mark_stale(call.stages.keystore, call.tenant.tid, subject.sid)
    for row in rows:
        _remove(call, subject, row, event, reason)
    if rows:
        seal_blocks(call.tenant, subject, call.records, rows[0].s, [row.n for row in rows])


def _remove(call: Call, subject: SubjectKeys, row: MemoryRow, event: str, reason: str | None) -> None:
    identity = record_id(row.s, row.n, row.nonce)
    body = open_body(call.tenant, subject, row)
    tokens = TokenMap(call.tenant, subject, call.records, row.s)
    _empty(call, subject, call.records.revisions(row.s, row.n))
    tokens.refer(body.tokens, -1)
    actor = seal_actor(call.tenant, subject, identity, row.version, body.actor, body.reason)
    last = RevisionRow(row.s, row.n, row.version, row.nonce, body.event, row.updated_ms, actor, None)
    call.records.add_revision(last)
    version, at_ms = row.version + 1, milliseconds(call.stages.now())
    actor = seal_actor(call.tenant, subject, identity, version, call.caller.principal.id, reason)
    call.records.add_revision(RevisionRow(row.s, row.n, version, row.nonce, event, at_ms, actor, None))
    call.records.remove(row)


def empty_revisions(call: Call, subject: SubjectKeys, revisions: Sequence[RevisionRow]) -> None:
    """Inside a transaction: take the values of superseded versions of one subject; times and authors stay.

    Like `remove_rows`, it marks the subject for the next roll, and raises HeldError under a legal hold.
    """
    refuse_held(call, subject.sid)
    if revisions:
        mark_stale(call.stages.keystore, call.tenant.tid, subject.sid)
    _empty(call, subject, revisions)


def _empty(call: Call, subject: SubjectKeys, revisions: Sequence[RevisionRow]) -> None:
    for past in revisions:
        if past.body is not None:
            identity = record_id(past.s, past.n, past.nonce)
            old = decode(open_value(call.tenant, subject, "history", identity, past.version, past.body))
            TokenMap(call.tenant, subject, call.records, past.s).refer(old.tokens, -1)
            call.records.replace_revision(past, replace(past, body=None))


def _forget(call: Call, subject: SubjectKeys) -> None:
    """Caches and the write-ahead log follow a removal at once; a busy reader only delays the latter."""
    call.stages.index.forget(call.tenant.tid, subject.sid)
    call.records.purge_free_space()
