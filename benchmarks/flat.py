"""Whether a search depends on the store or on the scope: `python -m benchmarks.flat [--stores 10000,100000]`.

Stores with 200 memories of each user, as `benchmarks.growth` makes and keeps them, are open in one process and asked in
turn, so that whatever else the machine does falls on all alike. Users are asked until their points are in memory; then
each round asks each store the same number of questions of the same number of users. The ratio is to the smallest store.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Final

from benchmarks.facts import Fact
from benchmarks.growth import ANSWERS, PER_USER, fill_vault, filled, numbers, told
from benchmarks.systems import Memvault
from benchmarks.timing import Samples, faster_p50, machine

USERS: Final = 40  # asked, of each store
ROUNDS: Final = 25


def in_turn(counts: Sequence[int], rounds: int) -> dict[int, Samples]:
    """How long warm searches took in stores with so many memories."""
    with ExitStack() as stack:
        stores: list[tuple[int, Memvault, list[Fact]]] = []
        for count in counts:
            users = max(1, count // PER_USER)
            folder, *_ = stack.enter_context(filled("growth", Memvault, fill_vault, count, users))
            memory = Memvault(folder / "memory")
            stack.callback(memory.close)
            stores.append((count, memory, list(islice(told(count, users), min(USERS, users)))))
        for _, memory, questions in stores:
            for fact in 2 * questions:
                memory.search(fact, ANSWERS)
        samples = {count: Samples() for count in counts}
        for _ in range(rounds):
            for one in samples.values():
                one.next_round()
            for number in range(USERS):
                for count, memory, questions in stores:
                    fact = questions[number % len(questions)]
                    samples[count].time(lambda memory=memory, fact=fact: memory.search(fact, ANSWERS))  # type: ignore[misc]
    return samples


def main() -> int:
    """Print a table, or a JSON object for each store with `--json`."""
    parser = argparse.ArgumentParser(description="Searches in stores of several sizes, in turn.")
    parser.add_argument(
        "--stores", type=numbers, default=[10_000, 100_000], help="memories, 200 of each user"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    samples = in_turn(sorted(options.stores), options.rounds)
    smallest = next(iter(samples.values()))
    if not options.json:
        print(
            f"On {json.dumps(machine())}\n\n| memories | warm p50 ms | p95 | times the smallest |\n|---|---|---|---|"
        )
    for count, found in samples.items():
        figures, ratio = found.figures(), faster_p50(smallest, found)
        if options.json:
            print(json.dumps({"count": count, **figures, "times": ratio}))
        else:
            spread = f"{ratio['median']} ({ratio['least']} to {ratio['most']})"
            print(f"| {count} | {figures['p50_ms']} | {figures['p95_ms']} | {spread} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
