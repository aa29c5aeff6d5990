"""Where the time of an add and of a search goes: `python -m benchmarks.stages [--memories 10000]`.

The package's own functions are wrapped with a clock while this runs; the package has no switch for it. A
stage's time is its own: what an inner stage takes is counted there. `the rest` is what no wrapped function
covers. The clock itself costs about a microsecond a call. A stage that no longer exists stops the benchmark.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import io
import json
import pstats
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.facts import Fact, facts
from benchmarks.systems import Memvault, fresh_folder, stay_offline
from benchmarks.timing import machine

# How a function is timed: on its own; with all that it calls; or, of a context manager, its way in or out.
Kind = Literal["own", "whole", "enter", "exit"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the table, and the functions that belong to it as `module:name` or `module:Class.name`."""

    name: str
    functions: tuple[str, ...]
    kind: Kind = "own"


RECORDS: Final = "vault.records.sqlcipher:SqlcipherRecords"
SHARED: Final = (
    Stage("lease", ("vault.locks:Lease.shared",), "enter"),
    Stage("key epoch check", ("vault.keys.keystore:Keystore.refresh",)),
    Stage("keys", ("vault.keys.keystore:Keystore.tenant", "vault.keys.keystore:Keystore.subject")),
    Stage("decide", ("vault.policy.decide:Policy.decide",)),
    Stage("embed", ("vault.embedding.static:StaticEmbedder.embed",)),
    Stage("log entry", ("vault.audit.log:TenantLog.append",), "whole"),
    Stage("sign, when due", ("vault.flows.write:sign_if_due", "vault.flows.scope:sign_if_due"), "whole"),
    Stage("begin", ("vault.storage:Database.transaction",), "enter"),
    Stage("commit", ("vault.storage:Database.transaction",), "exit"),
)
ADD: Final = (
    Stage("validate", ("vault.flows.validate:messages", "vault.flows.validate:metadata")),
    Stage("rules", ("vault.redaction.detect:BuiltinDetector._case",)),
    Stage("names", ("vault.redaction.detect:BuiltinDetector._name",)),
    Stage("plan", ("vault.flows.redact:plan", "vault.flows.redact:escape_tokens")),
    Stage("subject row", (f"{RECORDS}.ensure_subject", f"{RECORDS}.allocate")),
    Stage("tokens", ("vault.flows.write:finish", "vault.flows.tokens:TokenMap.refer")),
    Stage("terms", ("vault.flows.write:terms",)),
    Stage(
        "encode",
        ("vault.flows.write:encode", "vault.flows.write:pack_point", "vault.flows.additions:quantise"),
    ),
    Stage("seal", ("vault.flows.bodies:seal",)),
    Stage("insert", (f"{RECORDS}.insert",)),
    Stage("multiset hash", (f"{RECORDS}._enter", f"{RECORDS}._write_state")),
    Stage("answer", ("vault.flows.write:to_memory",)),
)
SEARCH: Final = (
    Stage("locate", ("vault.flows.read:locate",)),
    Stage(
        "query terms",
        ("vault.flows.read:terms", "vault.flows.read:value_ngrams", "vault.flows.read:value_terms"),
    ),
    Stage("read points", (f"{RECORDS}.points",)),
    Stage("unseal", ("vault.flows.bodies:open_values",)),
    Stage("unpack points", ("vault.flows.points:unpack_points",)),
    Stage("index points", ("vault.index.score:ScopeIndex.extend",)),
    Stage("score", ("vault.index.score:ScopeIndex.search",)),
    Stage("read hits", (f"{RECORDS}.memories_at",)),
    Stage("decode hits", ("vault.flows.bodies:decode",)),
    Stage("answer", ("vault.flows.read:to_memory",)),
)


@dataclass(slots=True)
class Clock:
    """Own seconds by stage; frames nest, and inside a `whole` frame nothing else is counted."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    inner: list[float] = field(default_factory=list)
    closed: bool = False

    def timed(self, stage: Stage, call: Callable[[], Any]) -> Any:
        """Run `call` as one visit of `stage`."""
        if self.closed:
            return call()
        self.inner.append(0.0)
        self.closed = stage.kind == "whole"
        started = time.perf_counter()
        try:
            return call()
        finally:
            spent = time.perf_counter() - started
            self.closed = False
            self.seconds[stage.name] = self.seconds.get(stage.name, 0.0) + spent - self.inner.pop()
            self.calls[stage.name] = self.calls.get(stage.name, 0) + 1
            if self.inner:
                self.inner[-1] += spent

    def clear(self) -> None:
        self.seconds.clear()
        self.calls.clear()


class TimedContext:
    """A context manager whose way in or out is one visit of a stage."""

    def __init__(self, clock: Clock, stage: Stage, manager: Any) -> None:
        self._clock, self._stage, self._manager = clock, stage, manager

    def __enter__(self) -> Any:
        enter = self._manager.__enter__
        return self._clock.timed(self._stage, enter) if self._stage.kind == "enter" else enter()

    def __exit__(self, *error: Any) -> Any:
        leave = self._manager.__exit__
        if self._stage.kind == "exit":
            return self._clock.timed(self._stage, lambda: leave(*error))
        return leave(*error)


@contextmanager
def clocked(stages: Sequence[Stage]) -> Iterator[Clock]:
    """Wrap every function of `stages`, and put it back afterwards."""
    clock = Clock()
    originals: list[tuple[Any, str, Any]] = []
    try:
        for stage in stages:
            for place in dict.fromkeys(stage.functions):
                module, _, path = place.partition(":")
                holder: Any = importlib.import_module(module)
                *outer, name = path.split(".")
                for part in outer:
                    holder = getattr(holder, part)
                original = getattr(holder, name)
                originals.append((holder, name, original))
                setattr(holder, name, _wrapped(clock, stage, original))
        yield clock
    finally:
        for holder, name, original in reversed(originals):
            setattr(holder, name, original)


def _wrapped(clock: Clock, stage: Stage, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def timed(*args: Any, **kwargs: Any) -> Any:
        if stage.kind in ("enter", "exit"):
            return TimedContext(clock, stage, original(*args, **kwargs))
        return clock.timed(stage, lambda: original(*args, **kwargs))

    return timed


@dataclass(frozen=True, slots=True)
class Operation:
    """What is measured: `run` takes `batch` facts at a time, after `before`, which is not measured."""

    name: str
    stages: Sequence[Stage]
    run: Callable[[Sequence[Fact]], Any]
    batch: int = 1
    before: Callable[[], None] = lambda: None

    def each(self, chosen: Sequence[Fact]) -> Iterator[Callable[[], Any]]:
        """The calls to measure, one by one."""
        for start in range(0, len(chosen), self.batch):
            part = chosen[start : start + self.batch]
            self.before()
            yield lambda part=part: self.run(part)


def operations(vault: Memvault) -> tuple[Operation, ...]:
    """In the order in which they are measured."""
    return (
        Operation("add", SHARED + ADD, lambda part: vault.add(part[0])),
        Operation("add_many, per memory", SHARED + ADD, vault.add_many, batch=256),
        Operation("search, warm", SHARED + SEARCH, lambda part: vault.search(part[0])),
        Operation("search, cold", SHARED + SEARCH, lambda part: vault.search(part[0]), before=vault.cool),
    )


@contextmanager
def filled(
    memories: int, count: int, personal: float, parent: Path | None
) -> Iterator[tuple[Memvault, Callable[[Operation], Sequence[Fact]]]]:
    """A vault that holds so many memories, and what an operation is to be done with."""
    folder = fresh_folder("stages", parent)
    try:
        vault = Memvault(folder / "vault")
        known = list(facts(memories + 2 * count, personal=personal))
        vault.add_many(known[:memories])
        asked = random.Random(3).sample(known[:memories], min(count, memories))
        for fact in {fact.user: fact for fact in known[:memories]}.values():
            vault.search(fact)

        def chosen(operation: Operation) -> Sequence[Fact]:
            if operation.name == "add":
                return known[memories : memories + count]
            return known[memories + count :] if operation.name.startswith("add") else asked

        yield vault, chosen
        vault.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(memories: int, count: int, personal: float, parent: Path | None) -> list[dict[str, Any]]:
    """Microseconds by stage of each operation."""
    with filled(memories, count, personal, parent) as (vault, chosen):
        return [_table(operation, chosen(operation)) for operation in operations(vault)]


def _table(operation: Operation, chosen: Sequence[Fact]) -> dict[str, Any]:
    total = 0.0
    with clocked(operation.stages) as clock:
        for call in operation.each(chosen):
            started = time.perf_counter()
            call()
            total += time.perf_counter() - started
    count = len(chosen)
    rows = {
        stage.name: {"us": round(1e6 * clock.seconds[stage.name] / count, 1),
                     "calls": round(clock.calls[stage.name] / count, 2)}
        for stage in operation.stages if stage.name in clock.seconds
    }  # fmt: skip
    rest = total - sum(clock.seconds.values())
    rows["the rest"] = {"us": round(1e6 * rest / count, 1), "calls": 1.0}
    return {"operation": operation.name, "us": round(1e6 * total / count, 1), "stages": rows}


def profile(memories: int, count: int, personal: float, parent: Path | None) -> str:
    """cProfile's view of the same operations: the functions with most time of their own."""
    out = io.StringIO()
    with filled(memories, count, personal, parent) as (vault, chosen):
        for operation in operations(vault):
            profiler = cProfile.Profile()
            for call in operation.each(chosen(operation)):
                profiler.runcall(call)
            out.write(f"\n{operation.name}, {len(chosen(operation))} memories\n")
            pstats.Stats(profiler, stream=out).strip_dirs().sort_stats("tottime").print_stats(30)
    return out.getvalue()


def as_table(report: dict[str, Any]) -> str:
    """One column of microseconds for each operation."""
    about = report["machine"]
    lines = [f"{about['processor']}, {about['cores']} cores, load {about['load']}, Python {about['python']}"]
    for table in report["tables"]:
        lines += ["", f"{table['operation']}: {table['us']:,.0f} us with {report['memories']:,} memories"]
        for name, row in table["stages"].items():
            share = row["us"] / table["us"]
            lines.append(f"  {name:24} {row['us']:9,.1f} us {share:6.1%}  {row['calls']:8.2f} calls")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, JSON with `--json`, or a profile with `--profile`."""
    parser = argparse.ArgumentParser(prog="benchmarks.stages", description="Where the time goes.")
    add = parser.add_argument
    add("--memories", type=int, default=10_000, help="how many the vault holds (10000)")
    add("--count", type=int, default=500, help="operations of each kind (500)")
    add("--personal", type=float, default=0.0, metavar="SHARE", help="share of texts with personal data (0)")
    add("--folder", type=Path, help="where the vault is made (the system's temporary folder)")
    add("--json", action="store_true", help="print JSON")
    add("--profile", action="store_true", help="print cProfile's functions instead")
    options = parser.parse_args(arguments)
    stay_offline()
    sizes = options.memories, options.count, options.personal, options.folder
    if options.profile:
        print(profile(*sizes))
        return 0
    report = {"machine": machine(("memvault",)), "memories": options.memories, "tables": measure(*sizes)}
    print(json.dumps(report, indent=2) if options.json else as_table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
