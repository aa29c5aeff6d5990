"""Metrics: what each is called, what it is divided by, and how calls add up to it. Nothing here sends anything."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final

from vault.observe.calls import Call
from vault.observe.catalogue import Alarmed, Measured, Resumed
from vault.observe.events import Event
from vault.observe.words import Action, Code, Entity, Receiver, Result, Stage

# Seconds: a stage takes parts of a millisecond, a roll or a backup minutes.
BOUNDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
)  # fmt: skip


class Kind(Enum):
    """How a metric adds up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, kind, unit (UCUM), what its attributes take their words from, and what it says."""

    name: str
    kind: Kind
    unit: str
    by: tuple[type[Enum], ...]
    description: str


CALLS: Final = Metric("memvault.calls", Kind.COUNTER, "{call}", (Action, Result), "calls that ended")
CALL_TIME: Final = Metric("memvault.call.duration", Kind.HISTOGRAM, "s", (Action,), "how long calls took")
STAGE_TIME: Final = Metric("memvault.stage.duration", Kind.HISTOGRAM, "s", (Stage,), "how long stages took")
ITEMS: Final = Metric(
    "memvault.items", Kind.COUNTER, "{item}", (Action,), "memories, values or entries that calls were about"
)
REFUSALS: Final = Metric(
    "memvault.refusals", Kind.COUNTER, "{call}", (Result, Code), "calls that ended in an error, by its code"
)
DETECTIONS: Final = Metric(
    "memvault.detections", Kind.COUNTER, "{value}", (Entity,), "values that the detector reported, by class"
)
ALARMS: Final = Metric(
    "memvault.integrity.alarms", Kind.COUNTER, "{alarm}", (), "stored bytes were not what the vault wrote"
)
DROPPED: Final = Metric(
    "memvault.unsent.calls", Kind.COUNTER, "{call}", (Receiver,), "calls that a receiver was not told of"
)
OUTBOX: Final = Metric(
    "memvault.outbox.depth",
    Kind.GAUGE,
    "{row}",
    (),
    "rows that wait for an index kept elsewhere, all tenants",
)
UNSIGNED: Final = Metric(
    "memvault.log.unsigned",
    Kind.GAUGE,
    "{entry}",
    (),
    "log entries without a checkpoint, of the worst tenant",
)
KEY_AGE: Final = Metric("memvault.key.age", Kind.GAUGE, "s", (), "since the root key was made")
CHECKPOINT_AGE: Final = Metric(
    "memvault.checkpoint.age", Kind.GAUGE, "s", (), "since the last checkpoint, of the worst tenant"
)
ARCHIVE_AGE: Final = Metric(
    "memvault.archive.age", Kind.GAUGE, "s", (), "since the log was last archived, of the worst tenant"
)
BACKUP_AGE: Final = Metric("memvault.backup.age", Kind.GAUGE, "s", (), "since the last backup of data")

METRICS: Final = (
    CALLS, CALL_TIME, STAGE_TIME, ITEMS, REFUSALS, DETECTIONS, ALARMS, DROPPED, OUTBOX, UNSIGNED, KEY_AGE,
    CHECKPOINT_AGE, ARCHIVE_AGE, BACKUP_AGE,
)  # fmt: skip
_AGES: Final = {
    KEY_AGE: "key_age", CHECKPOINT_AGE: "checkpoint_age", ARCHIVE_AGE: "archive_age", BACKUP_AGE: "backup_age",
}  # fmt: skip
_MOST_TENANTS: Final = 4_096

Words = tuple[str, ...]


@dataclass(slots=True)
class Spread:
    """A histogram: how many durations under each bound, their sum and number."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0
    count: int = 0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds
        self.count += 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything counted so far, by metric and the words of its attributes."""

    counters: dict[tuple[Metric, Words], int]
    spreads: dict[tuple[Metric, Words], tuple[tuple[int, ...], float, int]]
    gauges: dict[Metric, float]


class Meter:
    """Adds up calls on the threads that made them: a few dictionary entries each, behind one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: Counter[tuple[Metric, Words]] = Counter()
        self._spreads: dict[tuple[Metric, Words], Spread] = {}
        self._upkeep: dict[str, tuple[float, Measured]] = {}

    def ended(self, call: Call) -> None:
        action = (call.action.value,)
        with self._lock:
            self._counters[CALLS, (*action, call.result.value)] += 1
            self._spread(CALL_TIME, action).add(call.duration_ns / 1e9)
            for span in call.spans:
                self._spread(STAGE_TIME, (span.stage.value,)).add((span.ended - span.began) / 1e9)
            if call.count:
                self._counters[ITEMS, action] += call.count
            if call.code is not None:
                self._counters[REFUSALS, (call.result.value, call.code.value)] += 1
            if call.hits:
                for entity, count in call.detected().items():
                    self._counters[DETECTIONS, (entity,)] += count

    def _spread(self, metric: Metric, words: Words) -> Spread:
        found = self._spreads.get((metric, words))
        if found is None:
            found = self._spreads[metric, words] = Spread()
        return found

    def said(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Alarmed):
                self._counters[ALARMS, ()] += 1
            elif isinstance(event, Resumed):
                self._counters[DROPPED, (event.receiver.value,)] += event.dropped
            elif isinstance(event, Measured):
                if len(self._upkeep) >= _MOST_TENANTS:
                    self._upkeep.clear()
                self._upkeep[str(event.tenant)] = time.monotonic(), event

    def read(self) -> Reading:
        """Everything so far; an age has grown since it was looked at."""
        now = time.monotonic()
        with self._lock:
            upkeep = list(self._upkeep.values())
            counters = dict(self._counters)
            spreads = {key: (tuple(one.counts), one.sum, one.count) for key, one in self._spreads.items()}
        gauges: dict[Metric, float] = {}
        if upkeep:
            gauges[OUTBOX] = sum(event.outbox for _, event in upkeep)
            gauges[UNSIGNED] = max(event.unsigned for _, event in upkeep)
        for metric, name in _AGES.items():
            ages = [
                age.total_seconds() + now - at
                for at, event in upkeep
                if isinstance(age := getattr(event, name), timedelta)
            ]
            if ages:
                gauges[metric] = max(ages)
        return Reading(counters, spreads, gauges)
