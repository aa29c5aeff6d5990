"""Changing the model while the vault is in use: fill > switch > trim.

Fill gives every point the new model's vector beside the one in force, batch by batch. Switch writes the new model's
name into the store, in the transaction that finds no point without its vector. Trim takes the old vectors out.
An index kept elsewhere is sent everything anew from the switch on; what it lacks is scored from the records.
Searches and writes of every process use the model in force, before and after; vectors of two models are never
compared. Cut off anywhere, the same command goes on where it was. Each step is a call of its own, so that a roll of
keys waits for one batch and not for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from vault.embedding.interface import identity, model_id
from vault.errors import UnavailableError
from vault.flows import validate
from vault.flows.additions import Embedded
from vault.flows.bodies import open_bodies
from vault.flows.change import subject_of
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.outbox import begin_again, carry_out
from vault.flows.points import change_points, open_point, open_points
from vault.flows.sign import sign_if_due
from vault.flows.vectors import embed_stored, model_in_force, named_in_force
from vault.index.points import Point, models_of
from vault.keys.keyring import SubjectKeys
from vault.records.interface import MemoryRow, SubjectRow

Progress = Callable[[int, int], None]
_BATCH: Final = 200  # memories in one transaction
_LAST: Final = 32  # so many may lack a vector when the switch begins: they are embedded inside it


@dataclass(frozen=True, slots=True)
class Reembedding:
    """From which model to which, and where texts go for it; how many memories there are, and how many are embedded."""

    before: str
    after: str
    address: str | None
    memories: int
    embedded: int


@dataclass(slots=True)
class _Work:
    stages: Stages
    caller: Caller
    after: str
    model: bytes
    progress: Progress | None
    total: int = 0
    done: int = 0
    embedded: int = 0
    seen: dict[int, tuple[int, int]] = field(
        default_factory=dict
    )  # subjects without gaps, with their counters

    def call(self) -> AbstractContextManager[Call]:
        return calling(self.stages, self.caller, "index.reembed")

    def step(self, rows: int) -> None:
        self.done = min(self.done + rows, self.total)
        if self.progress is not None:
            self.progress(self.done, self.total)

    def pending(self, call: Call) -> list[SubjectRow]:
        """The subjects that were never filled, or that somebody changed since."""
        return [row for row in call.records.subjects() if self.seen.get(row.s) != (row.changes, row.next_n)]


def reembed(
    stages: Stages, caller: Caller, *, dry_run: object = False, progress: Progress | None = None
) -> Reembedding:
    """Bring the tenant to the configured embedder; with `dry_run`, only say what that would be."""
    validate.callback("progress", progress)
    only_count = validate.flag("dry_run", dry_run)
    embedder = stages.embedder()
    after = identity(embedder)
    work = _Work(stages, caller, after, model_id(after), progress)
    with work.call() as call:
        before, memories = named_in_force(call.records), call.records.count()
        if only_count:
            work.embedded = sum(len(numbers) for _, _, numbers in _lacking(work, call))
        # Before it begins: one that is cut off has given texts to the embedder, too.
        count = work.embedded if only_count else memories
        call.log_read(
            call.event(count=count, before=before, after=after, address=embedder.address, dry_run=only_count)
        )
    if not only_count:
        work.total = 2 * memories  # looked at to be filled, and to be trimmed
        _fill(work)
        while not _switch(work):
            _fill(work)
        _trim(work)
        with (
            work.call() as call,
            suppress(UnavailableError),
        ):  # what is left waits in the outbox, and is found
            carry_out(call, None)
    return Reembedding(before, after, embedder.address, memories, work.embedded)


def _lacking(work: _Work, call: Call) -> Iterator[tuple[SubjectKeys, int, list[int]]]:
    """Subjects that are pending, each with the memories that lack the new model's vector."""
    for row in work.pending(call):
        subject = subject_of(call, row.s)
        if subject is not None:
            opened = open_points(call.tenant, subject, row.s, call.records.points(row.s))
            yield subject, row.s, [n for n, data in opened if work.model not in models_of(data)]


# --- fill ----------------------------------------------------------------------------------------------------------


def _fill(work: _Work) -> None:
    with work.call() as call:
        pending = work.pending(call)
    for start in pending:
        own = 0
        for call, subject, rows in _batches(work, start.s):
            own += _give(work, call, subject, rows)
        work.embedded += own
        work.seen[start.s] = (start.changes + own, start.next_n)  # if nobody else changed anything meanwhile


def _batches(work: _Work, s: int) -> Iterator[tuple[Call, SubjectKeys, list[MemoryRow]]]:
    """The memories of a subject, each batch in a call of its own; none once it was erased or merged."""
    after_n = 0
    while True:
        with work.call() as call:
            known, subject = call.records.subject_by_number(s), subject_of(call, s)
            if known is None or known.s != s or subject is None:
                return
            rows = call.records.memories(s, after_n=after_n, limit=_BATCH)
            if rows:
                yield call, subject, rows
        work.step(len(rows))
        if len(rows) < _BATCH:
            return
        after_n = rows[-1].n


def _give(work: _Work, call: Call, subject: SubjectKeys, rows: Sequence[MemoryRow]) -> int:
    """Embed a batch, and store the vectors in one transaction; what changed or went meanwhile is left for later."""
    lacking = [row for row in rows if not _has(work.model, open_point(call.tenant, subject, row))]
    if not lacking:
        return 0
    made = _embedded(call, subject, lacking)
    with call.records.transaction():
        return _put(call, subject, lacking, made)


def _has(model: bytes, point: Point) -> bool:
    return any(vector.model == model for vector in point.vectors)


def _embedded(call: Call, subject: SubjectKeys, rows: Sequence[MemoryRow]) -> list[Embedded]:
    bodies = open_bodies(call.tenant, subject, rows)
    return embed_stored(call, call.stages.embedder(), subject, rows[0].s, bodies)


def _put(call: Call, subject: SubjectKeys, rows: Sequence[MemoryRow], made: Sequence[Embedded]) -> int:
    """Inside a transaction: vectors beside those that are there."""
    fresh = {row.n: one.quantised() for row, one in zip(rows, made, strict=True)}

    def both(point: Point) -> Point:
        new = fresh[point.n]  # another process that does the same may have put it there meanwhile
        return replace(point, vectors=(*(old for old in point.vectors if old.model != new.model), new))

    return change_points(call.tenant, subject, call.records, rows, both, told=True)


# --- switch --------------------------------------------------------------------------------------------------------


def _switch(work: _Work) -> bool:
    """Let the new model be in force, once every point has its vector; False where too many have not."""
    with work.call() as call:
        with call.records.transaction():
            gaps: list[tuple[SubjectKeys, list[MemoryRow]]] = []
            for subject, s, numbers in _lacking(work, call):
                rows = [call.records.memory(s, n) for n in numbers[: _LAST + 1]]
                gaps.append((subject, [row for row in rows if row is not None]))
                if sum(len(found) for _, found in gaps) > _LAST:
                    return False
            for subject, found in gaps:
                if found:
                    work.embedded += _put(call, subject, found, _embedded(call, subject, found))
            event = call.event(count=work.embedded, before=named_in_force(call.records), after=work.after)
            call.records.set_embedder(work.after)
            if call.records.outbox.kept:
                begin_again(call.records)
            call.store.log.append(event)
        work.stages.index.forget(call.tenant.tid)
        sign_if_due(call)
    return True


# --- trim ----------------------------------------------------------------------------------------------------------


def _trim(work: _Work) -> None:
    """Take out the vectors of other models than the one in force now."""
    work.done = work.total // 2
    with work.call() as call:
        subjects = call.records.subjects()
    for start in subjects:
        for call, subject, rows in _batches(work, start.s):
            wide = [row for row in rows if len(open_point(call.tenant, subject, row).vectors) > 1]
            if wide:
                with call.records.transaction():
                    only = partial(_only, model_in_force(call.records))
                    change_points(call.tenant, subject, call.records, wide, only, told=True)


def _only(model: bytes, point: Point) -> Point:
    kept = tuple(vector for vector in point.vectors if vector.model == model)
    return replace(point, vectors=kept or point.vectors)
