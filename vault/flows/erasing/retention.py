"""Retention: what has outlived its time goes, by the rules of the pack and by each memory's own `expires_at`.

The plan and the run look at the same rules in the same way; the expiry sweep is a run of one rule. A memory that
several rules are about counts for the first. Each batch is one transaction: what is too old is looked at again inside
it, removed, and logged under its person; a run that was cut off goes on with the next one. Legal holds win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.flows import ids, validate
from vault.flows.change import empty_revisions, remove_rows, subject_of
from vault.flows.context import Call, Caller, Stages, calling, milliseconds
from vault.flows.holds import is_held
from vault.flows.scope import LOGGED_IDS
from vault.flows.sign import sign_if_due
from vault.policy.decide import Policy
from vault.records.interface import Lifetime, MemoryRow, RevisionRow, Superseded

Progress = Callable[[int, int], None]
EXPIRY: Final = "expires_at"
DAY_MS: Final = 86_400_000
_EVENT: Final = "EXPIRE"  # in the history of what was removed


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule removes, or would: `count` memories or earlier values, of so many `people`; holds keep `held` more.

    `counted_from` is `created`, `updated`, or `expires_at` for what ends by itself, which has no `days`.
    """

    rule: str
    record: str
    counted_from: str
    days: int | None
    count: int
    people: int
    held: int


@dataclass(frozen=True, slots=True)
class RetentionResult:
    """Every rule in force with what it removed, or, where nothing was `executed`, what it would."""

    executed: bool
    count: int
    held: int
    rules: tuple[RuleResult, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One period of the pack, with the time before which it applies now; a memory younger than `keep_ms` stays."""

    name: str
    record: str
    counted_from: str
    days: int | None
    until_ms: int
    keep_ms: int

    def ends(self, memory: Lifetime | MemoryRow) -> bool:
        since = {
            EXPIRY: memory.expires_ms,
            "created": memory.created_ms,
            "updated": memory.updated_ms,
        }[self.counted_from]
        return since is not None and since <= self.until_ms and memory.created_ms <= self.keep_ms

    def ends_value(self, value: Superseded) -> bool:
        since = value.at_ms if self.counted_from == "created" else value.until_ms
        return since <= self.until_ms and value.at_ms <= self.keep_ms


@dataclass(slots=True)
class _Due:
    """What of one subject is too old: per rule the places (n, version) of memories (version 0) or of earlier values."""

    s: int
    places: dict[_Rule, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(map(len, self.places.values()))


class _Tally:
    """Counts per rule."""

    def __init__(self, rules: Sequence[_Rule], total: int, progress: Progress | None) -> None:
        self._counts = {rule: [0, 0, 0] for rule in rules}  # removed, people, held
        self._total, self._progress = total, progress

    def add(self, rule: _Rule, count: int, *, people: int = 0, held: int = 0) -> None:
        for at, more in enumerate((count, people, held)):
            self._counts[rule][at] += more
        if self._progress is not None and count:
            self._progress(self.count, max(self._total, self.count))

    @property
    def count(self) -> int:
        return sum(removed for removed, _, _ in self._counts.values())

    def result(self, *, executed: bool) -> RetentionResult:
        rules = tuple(
            RuleResult(rule.name, rule.record, rule.counted_from, rule.days, *counts)
            for rule, counts in self._counts.items()
        )
        return RetentionResult(executed, self.count, sum(rule.held for rule in rules), rules)


# --- what callers ask for --------------------------------------------------------------------------------------------


def plan(stages: Stages, caller: Caller) -> RetentionResult:
    """What a run would remove now, by rule; nothing is removed."""
    with calling(stages, caller, "retention.plan") as call:
        rules = _rules(stages.policy, milliseconds(stages.now()))
        return _planned(call, rules)


def run(
    stages: Stages, caller: Caller, *, dry_run: object = False, progress: Progress | None = None
) -> RetentionResult:
    """Remove what is too old by any rule of the pack, or has expired; with `dry_run` it is only counted."""
    return _asked(stages, caller, "retention.run", dry_run=dry_run, progress=progress)


def sweep(
    stages: Stages, caller: Caller, *, dry_run: object = False, progress: Progress | None = None
) -> int:
    """Really delete what has expired: text, vector, values of the history; returns how many."""
    return _asked(stages, caller, "memory.expire", dry_run=dry_run, progress=progress).count


def _asked(
    stages: Stages, caller: Caller, action: str, *, dry_run: object, progress: Progress | None
) -> RetentionResult:
    validate.callback("progress", progress)
    only_count = validate.flag("dry_run", dry_run)
    with calling(stages, caller, action) as call:
        every = _rules(stages.policy, milliseconds(stages.now()))
        rules = every if action == "retention.run" else every[:1]
        return _planned(call, rules) if only_count else _executed(call, rules, progress)


# --- which rules there are, and what they are about ------------------------------------------------------------------


def expiry(policy: Policy, now_ms: int) -> _Rule:
    """What has reached its own `expires_at`, and is older than the pack wants memories to be kept."""
    kept = now_ms - (policy.retention["memory"].min_days or 0) * DAY_MS
    return _Rule(EXPIRY, "memory", EXPIRY, None, now_ms, kept)


def _rules(policy: Policy, now_ms: int) -> tuple[_Rule, ...]:
    """Expiry first, then the periods of the pack for memories and for earlier values."""
    rules = [expiry(policy, now_ms)]
    for record in ("memory", "history"):
        period = policy.retention[record]
        kept = now_ms - (period.min_days or 0) * DAY_MS
        for days, name, counted_from in (
            (period.max_days, period.max_rule, "created"),
            (period.idle_days, period.idle_rule, "updated"),
        ):
            if days is not None:
                rules.append(_Rule(name, record, counted_from, days, now_ms - days * DAY_MS, kept))
    return tuple(rules)


def _find(call: Call, rules: Sequence[_Rule]) -> list[_Due]:
    """Everything the rules are about now, by subject; each item under the first rule that applies."""
    until = {(rule.record, rule.counted_from): rule.until_ms for rule in rules}
    created, updated = until.get(("memory", "created")), until.get(("memory", "updated"))
    past = [rule.until_ms for rule in rules if rule.record == "history"]
    found: dict[int, _Due] = {}
    leaving: set[tuple[int, int]] = set()

    def note(s: int, rule: _Rule, place: tuple[int, int]) -> None:
        found.setdefault(s, _Due(s)).places.setdefault(rule, []).append(place)

    with call.records.reading():
        for memory in call.records.outlived(until["memory", EXPIRY], created, updated):
            rule = _first(rule for rule in rules if rule.record == "memory" and rule.ends(memory))
            if rule is not None:
                note(memory.s, rule, (memory.n, 0))
                leaving.add((memory.s, memory.n))
        for value in call.records.superseded(max(past)) if past else ():
            rule = _first(rule for rule in rules if rule.record == "history" and rule.ends_value(value))
            if rule is not None and (value.s, value.n) not in leaving:
                note(value.s, rule, (value.n, value.version))
    return [found[s] for s in sorted(found)]


def _first(rules: Iterator[_Rule]) -> _Rule | None:
    return next(rules, None)


def _planned(call: Call, rules: Sequence[_Rule]) -> RetentionResult:
    tally = _Tally(rules, 0, None)
    for due in _find(call, rules):
        kept = _is_held(call, due.s)
        for rule, places in due.places.items():
            tally.add(rule, 0 if kept else len(places), people=not kept, held=len(places) if kept else 0)
    result = tally.result(executed=False)
    call.log_read(call.event(count=0, dry_run=result.count, held=result.held or None))
    return result


# --- removal ---------------------------------------------------------------------------------------------------------


def _executed(call: Call, rules: Sequence[_Rule], progress: Progress | None) -> RetentionResult:
    found = _find(call, rules)
    tally = _Tally(rules, sum(due.count for due in found), progress)
    for due in found:
        _remove_due(call, due, tally)
    result = tally.result(executed=True)
    if result.count:
        call.records.purge_free_space()
    elif not result.held:
        call.log_read(call.event(count=0))
    sign_if_due(call)
    return result


def _remove_due(call: Call, due: _Due, tally: _Tally) -> None:
    """What one subject has too much, batch by batch, until it is done or a hold is met."""
    removed: dict[_Rule, int] = dict.fromkeys(due.places, 0)
    for rule, places in due.places.items():
        for start in range(0, len(places), LOGGED_IDS):
            with call.records.transaction():
                if _is_held(call, due.s):
                    _refused(call, due, removed, tally)
                    return
                count = _remove(call, due.s, rule, places[start : start + LOGGED_IDS])
            tally.add(rule, count, people=bool(count) and not removed[rule])
            removed[rule] += count
    subject = subject_of(call, due.s)
    if subject is not None:
        call.stages.index.forget(call.tenant.tid, subject.sid)


def _is_held(call: Call, s: int) -> bool:
    row = call.records.subject_by_number(s)
    return row is not None and is_held(call, row.sid)


def _refused(call: Call, due: _Due, removed: dict[_Rule, int], tally: _Tally) -> None:
    """Inside a transaction: the log says what a hold keeps."""
    left = {rule: len(places) - removed[rule] for rule, places in due.places.items()}
    subject = subject_of(call, due.s)
    call.store.log.append(call.event(result="refused", count=sum(left.values())), subject, due.s)
    for rule, count in left.items():
        tally.add(rule, 0, held=count)


def _remove(call: Call, s: int, rule: _Rule, places: Sequence[tuple[int, int]]) -> int:
    """Inside a transaction: what of these places is still too old goes, and is logged; returns how much that was."""
    subject = subject_of(call, s)
    if subject is None:
        return 0  # erased meanwhile
    if rule.record == "memory":
        found = (call.records.memory(s, n) for n, _ in places)
        rows = [row for row in found if row is not None and rule.ends(row)]
        named, count = rows, len(rows)
        remove_rows(call, subject, rows, _EVENT, rule.name if rule.days is not None else None)
    else:
        values = _values(call, s, places)
        at = {n: call.records.memory(s, n) for n in {value.n for value in values}}
        named, count = [row for row in at.values() if row is not None], len(values)
        empty_revisions(call, subject, values)
    if count:
        shown = [ids.encode(call.tenant, row) for row in named]
        event = call.event(
            count=count,
            object_id=shown[0] if len(shown) == 1 else "",
            ids=shown,
            rule=rule.name,
            record=rule.record,
        )
        call.store.log.append(event, subject, s)
    return count


def _values(call: Call, s: int, places: Sequence[tuple[int, int]]) -> list[RevisionRow]:
    """The earlier values that are still there; they grow no younger."""
    wanted = set(places)
    return [
        past
        for n in sorted({n for n, _ in places})
        for past in call.records.revisions(s, n)
        if past.body is not None and (n, past.version) in wanted
    ]
