"""Upkeep: verification of log and records, who saw what, and the index made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from vault.audit.events import b64u, stamp
from vault.audit.jcs import strict_loads
from vault.audit.kept import verify_kept
from vault.crypto.record import read_stub
from vault.errors import AuditChainError
from vault.flows import holds, ids, outbox, validate
from vault.flows.additions import Embedded
from vault.flows.bodies import Body, open_bodies, open_value, record_id
from vault.flows.change import known_subject, subject_of
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.points import change_points, check_blocks, open_point
from vault.flows.sign import sign
from vault.flows.tenants import system_caller
from vault.flows.vectors import embed_stored, embedder_in_force, still
from vault.flows.write import point_terms
from vault.index.points import Point
from vault.keys.keyring import SubjectKeys
from vault.keys.repair import DataKeys
from vault.records.interface import LogRow, MemoryRow

Progress = Callable[[int, int], None]
_ROUNDING = 0.02  # of int8 at length 1, and of an embedder that adds up in another order


@dataclass(frozen=True, slots=True)
class Seen:
    """One log entry with its sealed detail opened, for who may read it."""

    seq: int
    at: str
    action: str
    purpose: str
    result: str
    count: int
    actor: str | None
    roles: tuple[str, ...]
    memory_ids: tuple[str, ...]
    reason: str | None
    about: str | None


# --- log ---------------------------------------------------------------------------------------------------------


def verify(stages: Stages, caller: Caller, *, since: object = ()) -> dict[str, Any]:
    """The tenant's whole log, every checkpoint and every record, and the vault's own log; raises on the first break.

    `since` are checkpoints that somebody kept elsewhere, which the tenant's log must extend.
    """
    kept = validate.notes("since", since)
    with calling(stages, caller, "audit.verify") as call:
        counts = _verified(call)
        if kept:
            counts["kept"] = verify_kept(call.records, call.store.log, kept)
        opened = _open_everything(call)
        call.log_read(call.event(count=counts["entries"]))
        keys = call.store.log.vkeys()
    with calling(stages, system_caller(caller.principal, caller.purpose), "audit.verify") as call:
        own = _verified(call)
        call.log_read(call.event(count=own["entries"]))
    return {**counts, "records": opened, "vault_entries": own["entries"], "vkeys": keys}


def _verified(call: Call) -> dict[str, int]:
    """Pages, log, checkpoints, and the rows' hash against the rows and against the log."""
    call.records.check_pages()
    counts = call.store.log.verify()
    known = call.stages.keystore.checkpoint(call.tenant.tid)
    call.store.log.verify_extends(known.size if known else 0, known.root if known else None)
    if known is not None:
        call.store.log.check_head(known.size, known.root, known.note)
    if not call.records.intact():
        raise AuditChainError("records.changed", "the stored records are not the ones the vault wrote")
    call.store.log.verify_records()
    _open_details(call)
    holds.verify(call)
    return counts


def _open_everything(call: Call) -> int:
    """Every sealed value opens under its key, context and version."""
    opened = 0
    for row in call.records.subjects():
        subject = known_subject(call, row.s)
        for memory in call.records.memories(row.s):
            identity = record_id(memory.s, memory.n, memory.nonce)
            open_value(call.tenant, subject, "record", identity, memory.version, memory.body)
            open_value(
                call.tenant, subject, "vector", ids.place(memory.s, memory.n), memory.version, memory.point
            )
            opened += 1
        check_blocks(call.tenant, subject, call.records, row.s)
        for past in call.records.all_revisions(row.s):
            identity = record_id(past.s, past.n, past.nonce)
            open_value(call.tenant, subject, "actor", identity, past.version, past.actor)
            if past.body is not None:
                open_value(call.tenant, subject, "history", identity, past.version, past.body)
        for token in call.records.tokens(row.s):
            open_value(call.tenant, subject, "tokens", token.token.encode(), 1, token.value)
        for replay in call.records.replays(row.s):
            open_value(call.tenant, subject, "replay", replay.mac, 1, replay.result)
    return opened


def _open_details(call: Call) -> None:
    """Every entry's sealed detail is there and is the one it commits to, unless it went with its subject."""
    rows = call.records.subjects()
    known = {s: subject_of(call, row.s) for row in rows for s in call.records.numbers(row.s)}
    keys = DataKeys.of(call.stages.keystore, call.tenant.tid)
    for row in call.records.log():
        gone = row.s is not None and row.s not in known
        detail = call.store.log.open_detail(row, known.get(row.s) if row.s is not None else None)
        if detail is None and not gone and not _given_up(row, keys):
            raise AuditChainError("audit.detail", "the sealed detail of a log entry is missing")


def _given_up(row: LogRow, keys: DataKeys) -> bool:
    """Whether a restore left only the header of a detail, because that generation of the key was destroyed."""
    header = read_stub(row.detail) if row.detail is not None else None
    return header is not None and keys.destroyed(header.kid, header.generation)


def checkpoint(stages: Stages, caller: Caller) -> str:
    """Sign the head now; returns the signed note to keep elsewhere."""
    with calling(stages, caller, "audit.checkpoint") as call:
        with call.records.transaction():
            call.store.log.append(call.event(count=1))
        return sign(stages.keystore, call.store).note.decode()


def show(
    stages: Stages, caller: Caller, *, user_id: object = None, since: object = None, limit: object = 1_000
) -> list[Seen]:
    """Who saw or changed what, when, for what purpose; with `user_id`, about that person only. Newest last."""
    with calling(stages, caller, "audit.show") as call:
        most = validate.limit(limit, 1_000_000)
        start = validate.since(since)
        person = validate.identifier("user_id", user_id)
        subject = stages.keystore.subject(call.tenant, "user", person) if person is not None else None
        found: list[Seen] = []
        if person is None or subject is not None:
            wanted = _pseudonyms(subject, start, stages.now()) if subject is not None else None
            with call.records.reading():
                known = call.records.subject(subject.sid) if subject is not None else None
                numbers = call.records.numbers(known.s) if known is not None else []
                matching = _matching(call, wanted, numbers, start)
                found = [_opened(call, row, entry) for row, entry in matching][-most:]
        call.log_read(call.event(count=len(found)))
    return found


def _pseudonyms(subject: SubjectKeys, start: datetime | None, now: datetime) -> frozenset[bytes]:
    """The subject's stand-ins, one per month of the span asked for (ten years back by default)."""
    months = set()
    moment = (start or now - timedelta(days=3653)).replace(day=1)
    while moment <= now + timedelta(days=1):
        months.add(moment.strftime("%Y-%m"))
        moment = (moment + timedelta(days=32)).replace(day=1)
    months.add(now.strftime("%Y-%m"))
    return frozenset(subject.pseudonym("subj", month.encode()) for month in months)


def _matching(
    call: Call, wanted: frozenset[bytes] | None, numbers: list[int], start: datetime | None
) -> Iterator[tuple[LogRow, dict[str, Any]]]:
    """Entries with one of the pseudonyms, or that were about somebody who is this person since."""
    texts = frozenset(b64u(pseudonym) for pseudonym in wanted) if wanted is not None else None
    earliest = stamp(start) if start is not None else ""
    for row in call.records.log():
        entry = strict_loads(row.entry)
        if entry["t"] < earliest:
            continue
        if texts is not None and entry["subj"] not in texts and row.s not in numbers:
            continue
        yield row, entry


def _opened(call: Call, row: LogRow, entry: dict[str, Any]) -> Seen:
    subject = subject_of(call, row.s) if row.s is not None else None
    detail = call.store.log.open_detail(row, subject) or {}
    about = None
    if subject is not None:
        about = ":".join(call.stages.keystore.identity(call.tenant, subject.sid))
    return Seen(
        seq=row.seq,
        at=entry["t"],
        action=entry["act"],
        purpose=entry["pur"],
        result=entry["res"],
        count=entry["n"],
        actor=detail.get("actor"),
        roles=tuple(detail.get("roles", ())),
        memory_ids=tuple(detail.get("ids", ())),
        reason=detail.get("reason"),
        about=about,
    )


# --- index -------------------------------------------------------------------------------------------------------


def index_verify(stages: Stages, caller: Caller) -> dict[str, Any]:
    """Compare every sealed point with what its record would give now."""
    with calling(stages, caller, "index.verify") as call:
        checked, stale = 0, 0
        with call.records.reading():
            for subject, rows in _people(call):
                bodies, made = _embedded(call, subject, rows)
                fresh = _fresh(call, subject, rows, bodies, made)
                for row in rows:
                    stored = open_point(call.tenant, subject, row)
                    stale += _differ(fresh(stored), stored)
                checked += len(rows)
        elsewhere = outbox.compare(call)
        call.log_read(call.event(count=checked, stale=stale, elsewhere=elsewhere or None))
        return {**call.index.describe(), "checked": checked, "stale": stale, **elsewhere}


def index_rebuild(stages: Stages, caller: Caller, *, progress: Progress | None = None) -> int:
    """Embed every memory of the tenant again and replace its sealed point."""
    validate.callback("progress", progress)
    with calling(stages, caller, "index.rebuild") as call:
        done, total = 0, call.records.count()
        for subject, rows in _people(call):
            bodies, made = _embedded(call, subject, rows)
            with call.records.transaction():
                fresh = _fresh(call, subject, rows, bodies, still(call, made))
                change_points(call.tenant, subject, call.records, rows, fresh)
            stages.index.forget(call.tenant.tid, subject.sid)
            done += len(rows)
            if progress is not None:
                progress(done, total)
        outbox.rebuild(call, progress)
        with call.records.transaction():
            call.store.log.append(call.event(count=done))
    return done


def index_move(stages: Stages, caller: Caller, *, progress: Progress | None = None) -> dict[str, Any]:
    """Bring the tenant to the index that the configuration names: built, compared, then searched."""
    validate.callback("progress", progress)
    with calling(stages, caller, "index.move") as call:
        return outbox.move(call, stages.config.index.adapter, progress)


def _people(call: Call) -> Iterator[tuple[SubjectKeys, list[MemoryRow]]]:
    for row in call.records.subjects():
        subject, rows = known_subject(call, row.s), call.records.memories(row.s)
        if rows:
            yield subject, rows


def _embedded(
    call: Call, subject: SubjectKeys, rows: Sequence[MemoryRow]
) -> tuple[list[Body], list[Embedded]]:
    bodies = open_bodies(call.tenant, subject, rows)
    return bodies, embed_stored(call, embedder_in_force(call), subject, rows[0].s, bodies)


def _fresh(
    call: Call,
    subject: SubjectKeys,
    rows: Sequence[MemoryRow],
    bodies: Sequence[Body],
    made: Sequence[Embedded],
) -> Callable[[Point], Point]:
    """What the points of these memories would be now, by the model in force alone."""
    known = {
        row.n: (body, one.quantised(), row.created_ms)
        for row, body, one in zip(rows, bodies, made, strict=True)
    }

    def fresh(point: Point) -> Point:
        body, vector, created_ms = known[point.n]
        counts = point_terms(call, subject, rows[0].s, body, created_ms)
        return replace(point, vectors=(vector,), terms=counts)

    return fresh


def _differ(fresh: Point, stored: Point) -> bool:
    """Whether a stored point is not what its memory gives; the last bits of a vector may differ, nothing else."""
    (wanted,) = fresh.vectors
    found = next((vector for vector in stored.vectors if vector.model == wanted.model), None)
    if found is None or len(found.values) != len(wanted.values):
        return True
    distance = wanted.values * np.float32(wanted.scale) - found.values * np.float32(found.scale)
    near = float(np.linalg.norm(distance)) <= _ROUNDING
    return not near or replace(fresh, vectors=()).packed() != replace(stored, vectors=()).packed()
