"""The life of a memory: every version, who and why; after its removal, times and actors without values."""

from __future__ import annotations

from vault.errors import NotFoundError
from vault.flows import ids
from vault.flows.bodies import decode, open_actor, open_body, open_value, record_id
from vault.flows.change import subject_of, visible
from vault.flows.context import Call, Caller, Stages, calling, milliseconds, moment
from vault.flows.sign import sign_if_due
from vault.keys.keyring import SubjectKeys
from vault.observe.calls import stage
from vault.observe.words import Stage
from vault.records.interface import MemoryRow, RevisionRow
from vault.types import Revision


def history(stages: Stages, caller: Caller, memory_id: object) -> list[Revision]:
    """Every version of a memory, oldest first; a removed or expired one answers no values."""
    with calling(stages, caller, "memory.history") as call:
        text = memory_id if isinstance(memory_id, str) else ""
        row = ids.find(call.tenant, call.records, text)
        if row is not None:
            past = call.records.revisions(row.s, row.n)
        else:
            past = ids.find_revisions(call.tenant, call.records, text)
        s = row.s if row is not None else past[0].s if past else None
        subject = subject_of(call, s) if s is not None else None
        if s is None or subject is None or not visible(call, subject):
            call.log_read(call.event(result="not_found"))
            raise NotFoundError("memory.unknown", "there is no such memory")
        hidden = row is not None and row.expired(milliseconds(stages.now()))
        with stage(Stage.OPEN):
            steps = [_superseded(call, subject, step, hidden=hidden) for step in past]
            if row is not None:
                steps.append(_current(call, subject, row, hidden=hidden))
        call.log_read(call.event(count=len(steps), object_id=text, ids=[text]), subject, s)
        sign_if_due(call)
    return steps


def _superseded(call: Call, subject: SubjectKeys, row: RevisionRow, *, hidden: bool) -> Revision:
    identity = record_id(row.s, row.n, row.nonce)
    actor, reason = open_actor(call.tenant, subject, identity, row.version, row.actor)
    body = None
    if row.body is not None and not hidden:
        body = decode(open_value(call.tenant, subject, "history", identity, row.version, row.body))
    return Revision(
        version=row.version,
        event=row.event,
        at=moment(row.at_ms),
        actor=actor,
        reason=reason,
        text=body.text if body is not None else None,
        metadata=body.metadata if body is not None else None,
    )


def _current(call: Call, subject: SubjectKeys, row: MemoryRow, *, hidden: bool) -> Revision:
    body = open_body(call.tenant, subject, row)
    return Revision(
        version=row.version,
        event=body.event,
        at=moment(row.updated_ms),
        actor=body.actor,
        reason=body.reason,
        text=None if hidden else body.text,
        metadata=None if hidden else body.metadata,
    )
