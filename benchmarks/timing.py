"""Durations and how they are summed up; what machine this is."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Samples:
    """Seconds per operation, round by round, by `clock`."""

    rounds: list[list[float]] = field(default_factory=list)
    clock: Callable[[], float] = time.perf_counter

    def time(self, call: Callable[[], T], *, operations: int = 1) -> T:
        """Run `call`, which does so many operations, and keep how long one took, in the newest round."""
        started = self.clock()
        result = call()
        self.rounds[-1].append((self.clock() - started) / operations)
        return result

    def next_round(self) -> None:
        self.rounds.append([])

    def all(self) -> list[float]:
        return [one for durations in self.rounds for one in durations]

    def per_second(self) -> float:
        """Operations per second over all rounds."""
        return len(self.all()) / sum(self.all())

    def quantile(self, share: float) -> float:
        """Seconds that `share` of the durations stay below, by nearest rank."""
        durations = sorted(self.all())
        return durations[min(len(durations) - 1, int(share * len(durations)))]

    def figures(self) -> dict[str, float]:
        return {
            "per_s": round(self.per_second(), 1),
            "p10_ms": round(1e3 * self.quantile(0.1), 3),
            "p50_ms": round(1e3 * self.quantile(0.5), 3),
            "p95_ms": round(1e3 * self.quantile(0.95), 3),
        }


def faster(ours: Samples, theirs: Samples) -> dict[str, float]:
    """How many times the operations per second of `theirs` ours reach: median and spread over the rounds."""
    return _spread(mean(b) / mean(a) for a, b in zip(ours.rounds, theirs.rounds, strict=True))


def faster_p50(ours: Samples, theirs: Samples) -> dict[str, float]:
    """How many times shorter the median operation of ours is: median and spread over the rounds."""
    return _spread(median(b) / median(a) for a, b in zip(ours.rounds, theirs.rounds, strict=True))


def _spread(ratios: Iterable[float]) -> dict[str, float]:
    ordered = sorted(ratios)
    return {"median": round(median(ordered), 2), "least": round(ordered[0], 2), "most": round(ordered[-1], 2)}


def machine(packages: Sequence[str] = ()) -> dict[str, Any]:
    """What the figures were measured on; the load tells how much else was running."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "packages": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown")
