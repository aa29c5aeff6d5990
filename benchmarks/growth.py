"""Growth: `python -m benchmarks.growth [--stores 1000,10000] [--scopes 200,2000] [--qdrant 200,2000] [--tenants 5000]`.

Each line is a process of its own, so that its peak memory is its own. `stores`: so many memories, 200 of each user: how
fast `add_many` stores them, how long an open takes, searches of users whose points are not in memory (cold) and of
users whose points are (warm), the bytes on disk. `scopes`: all of them of one user. `qdrant`: the same, searched in
Qdrant's own engine in this process (qdrant-edge-py), which makes its graphs while the vault waits. mem0, where it is
installed, does the same with the vault's embedder, one add after the other, up to `--mem0` memories. `tenants`: so many
tenants touched at random, with what that takes of memory and file handles.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks.erasure import seconds
from benchmarks.facts import Fact, facts
from benchmarks.systems import Mem0, Memvault, System, fresh_folder, stay_offline
from benchmarks.timing import Samples, machine
from vault import Principal, Vault

_S = TypeVar("_S", bound=System)

PER_USER: Final = 200
ANSWERS: Final = 10  # of a search of the vault where nobody says otherwise
ASKED: Final = 300
BATCH: Final = 1_000
TOUCHES: Final = 2  # of each tenant
COMPARED: Final = 100  # questions whose answers are compared with the sealed index's
KEEP: Final = "MEMVAULT_BENCH_KEEP"  # names a folder where filled systems stay, for the next run
EDGE: Final = "memvault, Qdrant Edge"
HEAD: Final = (
    *("system", "memories", "users", "warm p50 ms", "p95", "cold p50 ms", "p95"),
    *("adds/s in bulk", "one by one", "open s", "disk MB", "peak MB"),
)


def told(count: int, users: int) -> Iterator[Fact]:
    """`count` facts of so many users in turn."""
    return (replace(fact, user=f"user-{n % users}") for n, fact in enumerate(facts(count, personal=0.2)))


def asked(count: int, users: int) -> list[Fact]:
    """Some facts to ask for, spread over the users."""
    step = max(1, count // ASKED)
    wanted = {(n * step + n % max(1, min(step, users))) % count for n in range(ASKED)}
    return [fact for n, fact in enumerate(told(count, users)) if n in wanted]


def searches(memory: System, questions: Sequence[Fact]) -> dict[str, float]:
    samples = Samples()
    samples.next_round()
    for fact in questions:
        samples.time(lambda fact=fact: memory.search(fact, ANSWERS))  # type: ignore[misc]
    return {name: value for name, value in samples.figures().items() if name in ("p50_ms", "p95_ms")}


def size(folder: Path) -> int:
    """Bytes on disk; a file may have holes."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(min(one.st_size, 512 * one.st_blocks) for one in found)


def fill_vault(memory: Memvault, count: int, users: int) -> None:
    memory.bulk(told(count, users), batch=BATCH)


def grown(count: int, users: int) -> dict[str, Any]:
    """A vault with so many memories."""
    return measured("growth", Memvault, fill_vault, count, users)


def on_edge(count: int, users: int) -> dict[str, Any]:
    """A vault with so many memories, which asks Qdrant's own engine; how many of the ten best that loses."""
    from benchmarks.edge import EdgeClient
    from vault.index import qdrant

    class OnEdge(Memvault):
        def __init__(self, folder: Path) -> None:
            qdrant.connect = lambda *_args, **_options: EdgeClient(folder / "edge")  # type: ignore[assignment, return-value]
            if not folder.exists():
                Vault.init(folder, key_folder=folder.with_name(f"{folder.name}-keys")).close()
                config = folder / "memvault.toml"
                text = config.read_text().replace('adapter = "sealed"', 'adapter = "qdrant"')
                config.write_text(f"{text}\n[index.qdrant]\n")
            super().__init__(folder)

    def compared(memory: OnEdge) -> dict[str, Any]:
        return {"lost": round(lost_beside_sealed(memory, asked(count, users)[:COMPARED]), 4)}

    return measured("growth-edge", OnEdge, fill_vault, count, users, compared)


def lost_beside_sealed(memory: Memvault, questions: list[Fact]) -> float:
    """The share of the sealed index's ten best that the index elsewhere leaves out, on the same points."""
    stages = memory.stages()
    sealed, outside = stages.index, stages.outside
    assert outside is not None
    elsewhere, lost = outside.search, []

    def both(reader: Any, query: Any, limit: int) -> Any:
        found = elsewhere(reader, query, limit)
        best = {hit.n for hit in sealed.search(reader, query, limit)[:ANSWERS]}
        lost.append(len(best - {hit.n for hit in found[:ANSWERS]}) / max(len(best), 1))
        return found

    outside.search = both  # type: ignore[method-assign]
    for fact in questions:
        memory.search(fact, ANSWERS)
    outside.search = elsewhere  # type: ignore[method-assign]
    return sum(lost) / len(lost)


def beside(count: int, users: int) -> dict[str, Any]:
    """mem0 with so many memories, which takes them one by one."""
    stay_offline()

    def fill(memory: Mem0, count: int, users: int) -> None:
        for fact in told(count, users):
            memory.add(fact)

    found = measured("growth-mem0", Mem0, fill, count, users)
    return {**found, "single_per_s": found["add_per_s"], "add_per_s": None}


@contextmanager
def filled(
    name: str, system: Callable[[Path], _S], fill: Callable[[_S, int, int], None], count: int, users: int
) -> Iterator[tuple[Path, float, int]]:
    """The folder of a system with so many memories, the seconds that filling it took, and its bytes on disk.

    It is found filled where such are kept, and else removed at the end.
    """
    keep = os.environ.get(KEEP)
    folder = Path(keep, f"{name}-{count}-{users}") if keep else fresh_folder(name, None)
    note = folder / "filled.json"
    try:
        if not note.exists():
            memory = system(folder / "memory")
            added = seconds(lambda: fill(memory, count, users))
            memory.close()
            note.write_text(json.dumps([added, size(folder)]))
        yield folder, *json.loads(note.read_text())
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def measured(
    name: str,
    system: Callable[[Path], _S],
    fill: Callable[[_S, int, int], None],
    count: int,
    users: int,
    further: Callable[[_S], dict[str, Any]] = lambda _system: {},
) -> dict[str, Any]:
    """A system filled, opened again and asked; `further` looks at it before it grows."""
    with filled(name, system, fill, count, users) as (folder, added, disk):
        started = time.perf_counter()
        memory = system(folder / "memory")
        opened = time.perf_counter() - started
        questions = asked(count, users)
        first = list({fact.user: fact for fact in questions}.values())
        cold = searches(memory, first)
        searches(memory, questions)
        warm = searches(memory, questions)
        more = further(memory)
        single = len(questions) / seconds(lambda: [memory.add(fact) for fact in questions])
        memory.close()
        return {
            "add_per_s": round(count / added),
            "single_per_s": round(single),
            "open_s": round(opened, 3),
            "disk_mb": round(disk / 1e6, 1),
            "cold": cold,
            "warm": warm,
            **more,
        }


def many_tenants(count: int, _users: int) -> dict[str, Any]:
    """So many tenants, each with a memory, then written and searched in random order."""
    folder = fresh_folder("tenants", None)
    chooser = random.Random(7)
    try:
        with Vault.init(folder / "vault", key_folder=folder / "keys", keystore_backup="none") as vault:

            def touch(number: int, *, write: bool) -> None:
                app = vault.session(Principal(f"tenant-{number}", "bot", ("app",)), purpose="service")
                if write:
                    app.add(f"Prefers appointments at {number % 12} o'clock", user_id="one")
                else:
                    app.search("When are the appointments?", user_id="one")

            started = time.perf_counter()
            for number in range(count):
                touch(number, write=True)
            created = time.perf_counter() - started
            handles, before = 0, _resident()
            samples = Samples()
            samples.next_round()
            for turn in range(TOUCHES * count):
                number = chooser.randrange(count)
                samples.time(lambda number=number, turn=turn: touch(number, write=turn % 4 == 0))  # type: ignore[misc]
                if turn % 50 == 0:
                    handles = max(handles, len(list(Path("/proc/self/fd").iterdir())))
            after = _resident()
        return {
            "create_per_s": round(count / created, 1),
            **samples.figures(),
            "handles": handles,
            "resident_mb_before": round(before / 1e6, 1),
            "resident_mb_after": round(after / 1e6, 1),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


LINES: Final[dict[str, Callable[[int, int], dict[str, Any]]]] = {
    "memvault": grown,
    EDGE: on_edge,
    "mem0": beside,
    "tenants": many_tenants,
}


def line(system: str, count: int, users: int) -> dict[str, Any]:
    """One line, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--line", system, str(count), str(users)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"system": system, "count": count, "users": users, **found}


def plan(options: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    """The lines that were asked for."""
    stores = [(count, max(1, count // PER_USER)) for count in options.stores]
    for count, users in [*stores, *((count, 1) for count in options.scopes)]:
        yield "memvault", count, users
        if count <= options.mem0 and find_spec("mem0") is not None:
            yield "mem0", count, users
    for count in options.qdrant:
        yield EDGE, count, 1
    if options.tenants:
        yield "tenants", options.tenants, 0


def cells(found: dict[str, Any]) -> str:
    if found["system"] == "tenants":
        return (
            f"{found['count']} tenants: created {found['create_per_s']}/s, touched p50 {found['p50_ms']} ms, "
            f"p95 {found['p95_ms']} ms; at most {found['handles']} file handles; resident "
            f"{found['resident_mb_before']} MB before, {found['resident_mb_after']} MB after"
        )
    searched = (f"{found[kind][name]:.2f}" for kind in ("warm", "cold") for name in ("p50_ms", "p95_ms"))
    kept = (
        "" if found[name] is None else found[name]
        for name in ("add_per_s", "single_per_s", "open_s", "disk_mb", "peak_mb")
    )
    return (
        "| "
        + " | ".join(map(str, (found["system"], found["count"], found["users"], *searched, *kept)))
        + " |"
    )


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main() -> int:
    """Print a table, or a JSON object for each line with `--json`."""
    parser = argparse.ArgumentParser(description="How a vault does as it grows.")
    parser.add_argument(
        "--stores", type=numbers, default=[1_000, 10_000, 100_000], help="memories, 200 of each user"
    )
    parser.add_argument("--scopes", type=numbers, default=[200, 2_000, 20_000], help="memories of one user")
    parser.add_argument(
        "--qdrant", type=numbers, default=[], help="memories of one user, searched in Qdrant's engine"
    )
    parser.add_argument("--mem0", type=int, default=2_000, help="mem0 with no more memories than these")
    parser.add_argument("--tenants", type=int, default=0, help="tenants touched at random")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--line", nargs=3, metavar=("SYSTEM", "COUNT", "USERS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.line:
        system, count, users = options.line
        found = LINES[system](int(count), int(users))
        print(
            json.dumps(
                {**found, "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)}
            )
        )
        return 0
    if not options.json:
        print(f"On {json.dumps(machine(('mem0ai',)))}", flush=True)
        print("\n| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|", flush=True)
    for system, count, users in plan(options):
        found = line(system, count, users)
        print(json.dumps(found) if options.json else cells(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
