"""What an access request costs: `python -m benchmarks.export [--memories 10000]`.

One person with many memories: a fifth of the texts holds an address or a number, a tenth was changed once, and for each
memory there is a search in the log. The export runs in a process of its own, once for time and the peak of resident
memory, once more under `tracemalloc` for what Python itself held. Values are put back.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.facts import facts
from benchmarks.systems import fresh_folder
from benchmarks.timing import machine
from vault import Principal, Vault

MEMORIES: Final = 10_000
CHANGED: Final = 10  # one of so many
USER: Final = "pat-42"

EXPORT: Final = """
import json, resource, sys, time, tracemalloc
from pathlib import Path
from vault import Principal, Vault
place, form, traced = Path(sys.argv[2]), sys.argv[3], sys.argv[4] == "traced"
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
vault = Vault.open(sys.argv[1])
kim = vault.session(Principal("clinic", "kim", ("privacy",)), purpose="rights-request")
kim.exports.preview(user_id="pat-42")
before = peak()
if traced:
    tracemalloc.start()
started = time.perf_counter()
made = kim.exports.run(user_id="pat-42", to=place, format=form, reveal="access request 7")
seconds = time.perf_counter() - started
held = tracemalloc.get_traced_memory()[1] if traced else None
print(json.dumps({"seconds": seconds, "counts": made.counts, "complete": made.complete, "before": before,
                  "peak": peak(), "traced": held}))
vault.close()
"""


def build(folder: Path, memories: int) -> None:
    """A vault with one person in it."""
    with Vault.init(folder / "vault", key_folder=folder / "keys", keystore_backup="none") as vault:
        app = vault.session(Principal("clinic", "intake-bot", ("app",)), purpose="service")
        known = list(facts(memories, personal=0.2))
        items = (
            {"content": fact.text, "user_id": USER, "metadata": {"n": n}} for n, fact in enumerate(known)
        )
        ids = app.add_many(items).ids
        for memory_id in ids[::CHANGED]:
            app.update(memory_id, metadata={"checked": True}, reason="checked at the desk")
        for fact in known:
            app.search(fact.question, user_id=USER, limit=5)


def measure(folder: Path, form: str, *, traced: bool = False) -> dict[str, Any]:
    """One export in a process of its own, and how large it is."""
    place = folder / f"copy-{form}-{traced}"
    how = "traced" if traced else "plain"
    command = [sys.executable, "-c", EXPORT, str(folder / "vault"), str(place), form, how]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    files = [place] if place.is_file() else list(place.iterdir())
    return {**found, "bytes": sum(path.stat().st_size for path in files)}


def as_table(report: dict[str, Any]) -> str:
    """One line for each export."""
    about, counts = report["machine"], report["archive"]["counts"]
    lines = [
        f"{about['processor']}, {about['cores']} cores, load {about['load']}, Python {about['python']}",
        "",
        "one person: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()),
        "",
        "  form       seconds       MB    memory before   memory peak   (MB, resident)",
    ]
    for form in ("archive", "folder"):
        one = report[form]
        before, peak = one["before"] / 1e6, one["peak"] / 1e6
        lines.append(
            f"  {form:8} {one['seconds']:9.1f} {one['bytes'] / 1e6:8.1f} {before:16.0f} {peak:13.0f}"
        )
    lines.append(
        f"  Python's own allocations during the export, at most: {report['traced']['traced'] / 1e6:.1f} MB"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(prog="benchmarks.export", description="What an access request costs.")
    parser.add_argument("--memories", type=int, default=MEMORIES, help="of the one person (10000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    folder = fresh_folder("export", None)
    try:
        build(folder, options.memories)
        report = {
            "machine": machine(("memvault",)),
            "archive": measure(folder, "archive"),
            "folder": measure(folder, "folder"),
            "traced": measure(folder, "archive", traced=True),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report, indent=2) if options.json else as_table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
