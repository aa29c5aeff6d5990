"""Redacting again what an older detector or pack let through: detect > embed > [ tokens > seal > rows + log ].

A memory in which today's detector finds more gets a new version, REDACT in its history, and every older value of it
is redacted too, where it lies: no stored form keeps what was found. The answer names classes and counts, never values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vault.flows import ids, validate
from vault.flows.bodies import Body, decode, encode, open_bodies, open_value, record_id, seal_value
from vault.flows.change import known_subject, put_version
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.holds import is_held
from vault.flows.points import seal_blocks
from vault.flows.redact import Draft, Material, Redactor, finish, preview, redactor, settled
from vault.flows.scope import log_written
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.flows.vectors import embed, still
from vault.flows.write import fill
from vault.keys.cases import mark_stale
from vault.keys.keyring import SubjectKeys
from vault.records.interface import MemoryRow, RevisionRow

Progress = Callable[[int, int], None]
_BATCH: Final = 200  # memories in one transaction


@dataclass(slots=True)
class Rescan:
    """How many memories were examined, how many hold more than they may, and what, by class.

    `held` more than they may as well, and stay as they are under a legal hold.
    """

    examined: int = 0
    outdated: int = 0
    held: int = 0
    found: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Stale:
    """A memory with something to redact: its current value, and its older ones that have some."""

    row: MemoryRow
    body: Body
    draft: Draft
    past: list[tuple[RevisionRow, Body, Draft]]


def rescan(
    stages: Stages, caller: Caller, *, dry_run: object = False, progress: Progress | None = None
) -> Rescan:
    """Examine every memory of the tenant and its history; without `dry_run`, redact what is found."""
    validate.callback("progress", progress)
    only_count = validate.flag("dry_run", dry_run)
    result = Rescan()
    with calling(stages, caller, "memory.rescan") as call:
        engine, total = redactor(stages), call.records.count()
        for subject, rows in _batches(call):
            stale = _examine(call, subject, engine, rows)
            if stale:
                _count(result, stale, held=not _may_go(call, subject, stale, only_count=only_count))
            result.examined += len(rows)
            if progress is not None:
                progress(result.examined, total)
        if only_count or not result.outdated:
            call.log_read(
                call.event(count=0, dry_run=only_count, outdated=result.outdated, held=result.held or None)
            )
        else:
            call.records.purge_free_space()
        sign_if_due(call)
    return result


def _may_go(call: Call, subject: SubjectKeys, stale: Sequence[_Stale], *, only_count: bool) -> bool:
    """Redact, or only look; False where a hold keeps what is there."""
    return not is_held(call, subject.sid) if only_count else _redact(call, subject, stale)


def _count(result: Rescan, stale: Sequence[_Stale], *, held: bool) -> None:
    if held:
        result.held += len(stale)
        return
    result.outdated += len(stale)
    for one in stale:
        for draft in (one.draft, *(draft for _, _, draft in one.past)):
            result.found.update(draft.changes)


def _batches(call: Call) -> Iterator[tuple[SubjectKeys, list[MemoryRow]]]:
    for known in call.records.subjects():
        subject, after = known_subject(call, known.s), 0
        while rows := call.records.memories(known.s, after_n=after, limit=_BATCH):
            yield subject, rows
            after = rows[-1].n


def _examine(call: Call, subject: SubjectKeys, engine: Redactor, rows: Sequence[MemoryRow]) -> list[_Stale]:
    """The memories of one batch that hold more than they may: every version of every one is detected at once."""
    tokens = TokenMap(call.tenant, subject, call.records, rows[0].s)
    bodies = open_bodies(call.tenant, subject, rows)
    past = [_past(call, subject, row) for row in rows]
    versions = [*bodies, *(body for of_one in past for _, body in of_one)]
    drafts = iter(engine.drafts([[_material(body, tokens)] for body in versions]))
    current = [next(drafts) for _ in bodies]
    stale = []
    for row, body, draft, of_one in zip(rows, bodies, current, past, strict=True):
        again = [(revision, older, next(drafts)) for revision, older in of_one]
        outdated = [one for one in again if one[2].changes]
        if draft.changes or outdated:
            stale.append(_Stale(row, body, draft, outdated))
    return stale


def _past(call: Call, subject: SubjectKeys, row: MemoryRow) -> list[tuple[RevisionRow, Body]]:
    """The superseded versions of a memory that still have a value."""
    identity = record_id(row.s, row.n, row.nonce)
    return [
        (
            past,
            decode(open_value(call.tenant, subject, "history", identity, past.version, past.body)),
        )
        for past in call.records.revisions(row.s, row.n)
        if past.body is not None
    ]


def _material(body: Body, tokens: TokenMap) -> Material:
    stored = settled(body.text, body.metadata) if body.shifted else None
    return Material(body.text, body.name, body.metadata, tokens.known, stored)


def _redact(call: Call, subject: SubjectKeys, stale: Sequence[_Stale]) -> bool:
    """One transaction: new versions, redacted histories, and the log entries that name them.

    What was found becomes unreadable in backups with the next roll. Under a legal hold nothing is done, which is
    logged; False then.
    """
    stages, s = call.stages, stale[0].row.s
    vectors = embed(call, [preview(one.draft) for one in stale])
    tokens = TokenMap(call.tenant, subject, call.records, s)
    done = []
    with call.records.transaction():
        if is_held(call, subject.sid):
            call.store.log.append(call.event(result="refused", count=len(stale)), subject, s)
            return False
        mark_stale(stages.keystore, call.tenant.tid, subject.sid)
        for one, vector in zip(stale, still(call, vectors), strict=True):
            current = call.records.memory(s, one.row.n)
            if current is None or current.version != one.row.version:
                continue  # changed or removed meanwhile: what is left of it is for the next rescan
            _redact_history(call, subject, tokens, one)
            if one.draft.changes:
                body = _finished(call, tokens, one.body, one.draft)
                tokens.refer(body.tokens)  # by the new version; the old one's references go to its revision
                new = replace(body, event="REDACT", actor=call.caller.principal.id, reason=None)
                put_version(call, subject, current, body, new, vector)
            done.append(one)
        seal_blocks(call.tenant, subject, call.records, s, [one.row.n for one in done if one.draft.changes])
        log_written(call, subject, s, [ids.encode(call.tenant, one.row) for one in done])
    stages.index.forget(call.tenant.tid, subject.sid)
    return True


def _redact_history(call: Call, subject: SubjectKeys, tokens: TokenMap, one: _Stale) -> None:
    identity = record_id(one.row.s, one.row.n, one.row.nonce)
    for revision, body, draft in one.past:
        fresh = _finished(call, tokens, body, draft)
        sealed = seal_value(call.tenant, subject, "history", identity, revision.version, encode(fresh))
        call.records.replace_revision(revision, replace(revision, body=sealed))


def _finished(call: Call, tokens: TokenMap, body: Body, draft: Draft) -> Body:
    """The body as it is stored from now on; it gives up the tokens that it no longer names."""
    done = finish(draft, tokens)
    tokens.refer([token for token in done.tokens if token not in body.tokens])
    tokens.refer([token for token in body.tokens if token not in done.tokens], -1)
    fresh = replace(body)
    fill(call.stages, fresh, draft, done)
    return fresh
