"""Speed beside mem0, in one run: `python -m benchmarks.beside_mem0 [--sizes 1000 10000]`.

Both keep the same facts of the same users with the same embedder in folders side by side. memvault redacts,
encrypts, seals and logs every write and logs every read, durably, with the configuration that `init` writes;
mem0 keeps plain text. The two take turns in small blocks, so that other work on the machine slows both alike.
Ratios are taken round by round; their median stands for the run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.facts import USERS, Fact, facts
from benchmarks.systems import Mem0, Memvault, System, fresh_folder, stay_offline
from benchmarks.timing import Samples, faster, faster_p50, machine

BLOCK: Final = 10  # operations of one system before the other's turn
SEARCHES: Final = 200
WARM_UP: Final = 10
REOPENINGS: Final = 3
FULL_SIZE: Final = 10_000  # the size that the targets of a search are set for
PACKAGES: Final = ("memvault", "mem0ai", "qdrant-client", "numpy", "sqlcipher3", "cryptography")
# The ratio to reach by operation, and the least number of memories it is set for.
TARGETS: Final = {
    "add": (1.5, 1_000),
    "add_many": (5.0, 1_000),
    "search warm": (50.0, FULL_SIZE),
    "search cold": (20.0, FULL_SIZE),
}


@dataclass(slots=True)
class Row:
    """One operation's durations in both systems."""

    ours: Samples = field(default_factory=Samples)
    theirs: Samples = field(default_factory=Samples)

    def next_round(self) -> None:
        self.ours.next_round()
        self.theirs.next_round()


class Contest:
    """One size, from empty stores to the last search."""

    def __init__(self, folder: Path, memories: int, rounds: int, personal: float) -> None:
        self.memories, self.rounds, self.personal = memories, rounds, personal
        self.known = list(facts(memories, personal=personal))
        self.asked = random.Random(2).sample(self.known, min(SEARCHES, memories))
        self.folder = folder
        self.ours = Memvault(folder / "vault")
        self.bulk = Memvault(folder / "vault-bulk")
        (folder / "mem0-store").mkdir()
        self.theirs: System = Mem0(folder / "mem0-store")
        names = ("add", "add_many", "search warm", "search cold", "open and search")
        self.rows = {name: Row() for name in names}
        self.ids: dict[str, dict[str, str]] = {"memvault": {}, "mem0": {}}
        self.found: dict[str, list[bool]] = {"memvault": [], "mem0": []}

    def turns(self, name: str, asked: Sequence[Fact]) -> Iterator[tuple[str, Any, Samples, Sequence[Fact]]]:
        """(who, system, samples, facts): a block of each system in turn; who comes first changes."""
        row = self.rows[name]
        both = (("memvault", self.ours, row.ours), ("mem0", self.theirs, row.theirs))
        for number, start in enumerate(range(0, len(asked), BLOCK)):
            for who, system, samples in both if number % 2 == 0 else both[::-1]:
                yield who, system, samples, asked[start : start + BLOCK]

    def warm_up(self) -> None:
        """Load what each loads at its first write and its first search, for a user who is not measured."""
        for fact in facts(WARM_UP, personal=0.5, seed=0):
            other = replace(fact, user="warm-up")
            for system in (self.ours, self.bulk, self.theirs):
                system.add(other)
                system.search(other)

    def measure_adds(self) -> None:
        """Store every fact; `add_many` fills a second vault and is set beside mem0's single adds."""
        single, many = self.rows["add"], self.rows["add_many"]
        for batch in split(self.known, self.rounds):
            single.next_round()
            many.next_round()
            for who, system, samples, block in self.turns("add", batch):
                for fact in block:
                    identity = samples.time(lambda system=system, fact=fact: system.add(fact))
                    self.ids[who][fact.text] = identity
            many.ours.time(lambda batch=batch: self.bulk.add_many(batch), operations=len(batch))
            many.theirs.rounds[-1] = single.theirs.rounds[-1]

    def measure_searches(self) -> None:
        """Ask for known facts: with the caches warm, and with memvault's emptied before each question."""
        for fact in {fact.user: fact for fact in self.known}.values():
            self.ours.search(fact)
        self.theirs.search(self.known[0])
        warm, cold = self.rows["search warm"], self.rows["search cold"]
        cooled = Memvault(self.folder / "vault")
        try:
            for batch in split(self.asked, self.rounds):
                warm.next_round()
                cold.next_round()
                for who, system, samples, block in self.turns("search warm", batch):
                    for fact in block:
                        hits = samples.time(lambda system=system, fact=fact: system.search(fact))
                        self.found[who].append(self.ids[who][fact.text] in hits)
                    if who == "memvault":
                        for fact in block:
                            cooled.cool()
                            hits = cold.ours.time(lambda fact=fact: cooled.search(fact))
                            self.found[who].append(self.ids[who][fact.text] in hits)
                cold.theirs.rounds[-1] = warm.theirs.rounds[-1]
        finally:
            cooled.close()

    def measure_openings(self) -> None:
        """From a closed store to the first answer."""

        def answering(system: Any, fact: Fact) -> Any:
            system = system.reopened()
            system.search(fact)
            return system

        row = self.rows["open and search"]
        for fact in self.asked[:REOPENINGS]:
            row.next_round()
            self.ours = row.ours.time(lambda fact=fact: answering(self.ours, fact))
            self.theirs = row.theirs.time(lambda fact=fact: answering(self.theirs, fact))

    def report(self) -> dict[str, Any]:
        """Absolute figures and ratios, and whether a target set for this size is met."""
        rows: dict[str, Any] = {}
        for name, row in self.rows.items():
            ratio = (faster if name.startswith("add") else faster_p50)(row.ours, row.theirs)
            ratio["undisturbed"] = round(row.theirs.quantile(0.1) / row.ours.quantile(0.1), 2)
            rows[name] = {"memvault": row.ours.figures(), "mem0": row.theirs.figures(), "times_faster": ratio}
            target, least = TARGETS.get(name, (0.0, 0))
            if target and self.memories >= least:
                rows[name]["target"] = {"ratio": target, "met": ratio["median"] >= target}
        recall = {who: sum(found) / len(found) for who, found in self.found.items()}
        return {"memories": self.memories, "personal": self.personal, "rows": rows, "recall": recall}

    def close(self) -> None:
        for system in (self.ours, self.bulk, self.theirs):
            system.close()


def split(items: Sequence[Fact], parts: int) -> list[Sequence[Fact]]:
    """`items` in `parts` runs of about equal length."""
    edges = [len(items) * part // parts for part in range(parts + 1)]
    return [items[start:end] for start, end in itertools.pairwise(edges)]


def measure(memories: int, rounds: int, personal: float, parent: Path | None) -> dict[str, Any]:
    """The report of one size."""
    folder = fresh_folder("beside", parent)
    try:
        contest = Contest(folder, memories, rounds, personal)
        try:
            contest.warm_up()
            contest.measure_adds()
            contest.measure_searches()
            contest.measure_openings()
        finally:
            contest.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return contest.report()


def as_table(report: dict[str, Any]) -> str:
    """The machine, then a table for each run."""
    about = report["machine"]
    lines = [f"{about['processor']}, {about['cores']} cores, load {about['load']}, Python {about['python']}"]
    lines.append(", ".join(f"{name} {number}" for name, number in about["packages"].items()))
    for run in report["runs"]:
        share = f", {run['personal']:.0%} of the texts with personal data" if run["personal"] else ""
        lines += ["", f"{run['memories']:,} memories of {USERS} users{share}"]
        columns = f"{'per s':>9} {'p50 ms':>8} {'p95 ms':>8}"
        lines.append(f"  {'':16}{'memvault':>27} {'mem0, plain text':>27}  times faster")
        lines.append(f"  {'':16}{columns} {columns}  median (spread), undisturbed")
        lines += [_line(name, row) for name, row in run["rows"].items()]
        recall = ", ".join(f"{who} {share:.1%}" for who, share in run["recall"].items())
        lines.append(f"  known fact found: {recall}")
    return "\n".join(lines)


def _line(name: str, row: dict[str, Any]) -> str:
    cells = " ".join(
        f"{row[who]['per_s']:9,.0f} {row[who]['p50_ms']:8.2f} {row[who]['p95_ms']:8.2f}"
        for who in ("memvault", "mem0")
    )
    ratio, target = row["times_faster"], row.get("target")
    spread = f"{ratio['median']:.1f} ({ratio['least']:.1f}-{ratio['most']:.1f}), {ratio['undisturbed']:.1f}"
    verdict = f"   target {target['ratio']:g}: {'met' if target['met'] else 'missed'}" if target else ""
    return f"  {name:16}{cells}  {spread}{verdict}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, or JSON with `--json`; with `--check`, exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.beside_mem0", description="Speed beside mem0.")
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=[1_000, FULL_SIZE], metavar="N", help="numbers of memories")
    add("--rounds", type=int, default=5, help="interleaved rounds (5)")
    add("--personal", type=float, default=0.2, metavar="SHARE",
        help="one more run of the first size with this share of personal texts (0.2; 0: none)")  # fmt: skip
    add("--folder", type=Path, help="where the stores are made (the system's temporary folder)")
    add("--rules-only", action="store_true", help="detect without the names model")
    add("--json", action="store_true", help="print JSON")
    add("--check", action="store_true", help="exit 1 where a target or a known fact is missed")
    options = parser.parse_args(arguments)
    Memvault.names = not options.rules_only
    stay_offline()
    warnings.filterwarnings("ignore", module="qdrant_client")
    plan = [(size, 0.0) for size in options.sizes]
    if options.personal:
        plan.append((options.sizes[0], options.personal))
    runs = [measure(size, options.rounds, share, options.folder) for size, share in plan]
    report = {"machine": machine(PACKAGES), "runs": runs}
    print(json.dumps(report, indent=2) if options.json else as_table(report))
    targets = [row.get("target", {"met": True})["met"] for run in runs for row in run["rows"].values()]
    complete = all(run["recall"]["memvault"] == 1.0 for run in runs)
    return 1 if options.check and not (complete and all(targets)) else 0


if __name__ == "__main__":
    sys.exit(main())
