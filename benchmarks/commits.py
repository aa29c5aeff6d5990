"""This checkout beside another one, in turn: `python -m benchmarks.commits OTHER_CHECKOUT [--what search|cold|add]`.

What a change did to speed, on a machine whose own speed changes by more than that within minutes: two processes, each
with the package of its own checkout and the same memories (50 users with 200 each), do the same operations in short
blocks, one after the other. The ratio is that of the medians of each pair of blocks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.facts import facts
from benchmarks.systems import Memvault
from benchmarks.timing import Samples, faster_p50, machine

MEMORIES: Final = 10_000
ASKED: Final = 200  # questions, of all users
ANSWERS: Final = 10
KINDS: Final = ("search", "cold", "add")


def serve(folder: Path) -> None:
    """One side: for each line `kind count` on standard input, how long each operation took, as one line of JSON."""
    told = list(facts(MEMORIES))
    memory = Memvault(folder / "memory")
    memory.bulk(told, batch=256)
    questions, further = told[:ASKED], facts(10**9, seed=77)
    for fact in questions:
        memory.search(fact, ANSWERS)

    def operation(kind: str, number: int) -> Callable[[], object]:
        if kind == "add":
            fact = next(further)
            return lambda: memory.add(fact)
        if kind == "cold":
            memory.cool()
        return lambda: memory.search(questions[number % ASKED], ANSWERS)

    print("ready", flush=True)
    for line in sys.stdin:
        kind, count = line.split()
        spent = []
        for number in range(int(count)):
            do = operation(kind, number)
            started = time.perf_counter()
            do()
            spent.append(time.perf_counter() - started)
        print(json.dumps(spent), flush=True)
    memory.close()


class Side:
    """A process that runs one checkout's code."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def answer(self, line: str = "") -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if line:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def side(checkout: Path, folder: Path) -> Iterator[Side]:
    """This file, run with the packages of a checkout."""
    command = [sys.executable, "-P", __file__, "--serve", str(folder)]
    packages = {**os.environ, "PYTHONPATH": str(checkout)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=packages
    ) as process:
        found = Side(process)
        if found.answer().strip() != "ready":
            raise SystemExit(f"{checkout} did not start")
        yield found


def in_turn(checkouts: tuple[Path, Path], kind: str, rounds: int, count: int) -> list[Samples]:
    """How long the operations of both took, block by block."""
    with ExitStack() as stack:
        sides = []
        for checkout in checkouts:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="memvault-commits-"))
            sides.append(stack.enter_context(side(checkout, Path(folder))))
        samples = [Samples() for _ in sides]
        for _ in range(rounds):
            for one, kept in zip(sides, samples, strict=True):
                kept.rounds.append(json.loads(one.answer(f"{kind} {count}")))
    return samples


def main() -> int:
    """Print a line for each checkout, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description="This checkout beside another one, in turn.")
    parser.add_argument("other", type=Path, nargs="?", help="the other checkout's folder")
    parser.add_argument("--what", choices=KINDS, default="search")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--count", type=int, default=ASKED, help="operations in a block")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return 0
    if options.other is None:
        parser.error("name the other checkout")
    here = Path(__file__).resolve().parents[1]
    theirs, ours = in_turn((options.other.resolve(), here), options.what, options.rounds, options.count)
    found: dict[str, Any] = {
        "what": options.what,
        "theirs": theirs.figures(),
        "ours": ours.figures(),
        "times_faster": faster_p50(ours, theirs),
    }
    if options.json:
        print(json.dumps({**machine(), **found}))
        return 0
    print(f"On {json.dumps(machine())}\n\n| {options.what} | p50 ms | p95 ms |\n|---|---|---|")
    for name in ("theirs", "ours"):
        print(f"| {name} | {found[name]['p50_ms']} | {found[name]['p95_ms']} |")
    times = found["times_faster"]
    print(f"\n{times['median']} times faster ({times['least']} to {times['most']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
