"""What it costs to start: `python -m benchmarks.startup`.

`import vault` and what it loads; `memvault add` and `memvault search` as whole commands; opening a vault of
100,000 memories. Each is measured in processes of its own. The large vault is built once and kept in a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.facts import facts
from benchmarks.systems import Memvault, fresh_folder
from benchmarks.timing import machine

MEMORIES: Final = 100_000
REPEATS: Final = 7
# Drivers, models and libraries that `import vault` must leave alone.
HEAVY: Final = (
    *("numpy", "cryptography", "sqlcipher3", "pydantic", "yaml", "typer", "rich"),
    *("model2vec", "regex", "rfc8785", "Stemmer", "phonenumbers", "presidio_analyzer", "spacy"),
)
TARGETS_MS: Final = {"import vault": 150, "memvault add": 1500, "memvault search": 1500, "Vault.open": 1000}

IMPORT: Final = """
import json, sys, time
before = set(sys.modules)
started = time.perf_counter()
import vault
spent = time.perf_counter() - started
print(json.dumps({"ms": 1e3 * spent, "modules": sorted(set(sys.modules) - before)}))
"""
OPEN: Final = """
import json, resource, sys, time
from vault import Principal, Vault
times = {}
def lap(name, call):
    started = time.perf_counter()
    result = call()
    times[name] = 1e3 * (time.perf_counter() - started)
    return result
vault = lap("Vault.open", lambda: Vault.open(sys.argv[1]))
principal = Principal("benchmark", "beside-mem0", ("app",))
session = lap("first session", lambda: vault.session(principal, purpose="service"))
lap("first search", lambda: session.search(sys.argv[3], user_id=sys.argv[2]))
lap("second search", lambda: session.search(sys.argv[3], user_id=sys.argv[2]))
lap("Vault.close", vault.close)
scale = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
print(json.dumps({"times": times, "peak_mb": round(peak / 1e6)}))
"""


def _python(code: str, *arguments: str) -> Any:
    command = [sys.executable, "-c", code, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_import() -> dict[str, Any]:
    """Milliseconds of `import vault`, how many modules it loads, and which of HEAVY (none, it is to be hoped)."""
    runs = [_python(IMPORT) for _ in range(REPEATS)]
    modules = runs[0]["modules"]
    return {
        "times": {"import vault": _spread([run["ms"] for run in runs])},
        "modules": len(modules),
        "heavy": sorted({name.partition(".")[0] for name in modules} & set(HEAVY)),
    }


def measure_commands() -> dict[str, Any]:
    """Wall time of whole commands in a fresh vault, from start of the process to its end."""
    folder = fresh_folder("startup", None)
    environment = {
        **os.environ,
        "XDG_DATA_HOME": str(folder / "data"),
        "MEMVAULT_VAULT": str(folder / "vault"),
    }
    script = Path(sys.executable).with_name("memvault")
    commands = {
        "memvault add": (["add", "--user", "pat-42"], "her cardiology follow-up moved to 4 May"),
        "memvault search": (["search", "--user", "pat-42"], "when is the cardiology follow-up?"),
        "memvault --version": (["--version"], ""),
    }

    def run(arguments: Sequence[str], text: str) -> float:
        started = time.perf_counter()
        subprocess.run(
            [script, *arguments], input=text, check=True, capture_output=True, text=True, env=environment
        )
        return 1e3 * (time.perf_counter() - started)

    try:
        first = run(["init", str(folder / "vault")], "")
        times: dict[str, list[float]] = {"memvault init": [first]}
        for _ in range(REPEATS):
            for name, (arguments, text) in commands.items():
                times.setdefault(name, []).append(run(arguments, text))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"times": {name: _spread(values) for name, values in times.items()}}


def measure_opening(memories: int, folder: Path) -> dict[str, Any]:
    """A large vault: opened, asked and closed in processes of their own."""
    place = folder / f"vault-{memories}"
    known = list(facts(memories))
    built_s = None
    if not (place / "built").is_file():
        for stale in (place, place.with_name(f"{place.name}-keys")):
            shutil.rmtree(stale, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        vault = Memvault(place)
        vault.add_many(known)
        vault.close()
        built_s = round(time.perf_counter() - started, 1)
        (place / "built").touch()
    runs = []
    for number in range(REPEATS):
        fact = known[(number * 997) % memories]
        runs.append(_python(OPEN, str(place), fact.user, fact.question))
    times = {name: _spread([run["times"][name] for run in runs]) for name in runs[0]["times"]}
    return {
        "memories": memories,
        "built_s": built_s,
        "times": times,
        "peak_mb": max(r["peak_mb"] for r in runs),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median_ms": round(median(values), 1), "most_ms": round(max(values), 1)}


def as_table(report: dict[str, Any]) -> str:
    """One line for each time."""
    about = report["machine"]
    lines = [
        f"{about['processor']}, {about['cores']} cores, load {about['load']}, Python {about['python']}",
        "",
    ]
    for part in ("import", "commands", "opening"):
        for name, spread in report.get(part, {}).get("times", {}).items():
            limit = TARGETS_MS.get(name)
            verdict = (
                f"   target {limit} ms: {'met' if spread['median_ms'] < limit else 'missed'}" if limit else ""
            )
            lines.append(f"  {name:20} {spread['median_ms']:9.1f} ms (most {spread['most_ms']:.1f}){verdict}")
        if part == "import":
            heavy = ", ".join(report[part]["heavy"]) or "none"
            lines.append(
                f"  {report[part]['modules']} modules loaded; drivers, models and libraries: {heavy}"
            )
        if part == "opening" and part in report:
            lines.append(f"  with {report[part]['memories']:,} memories; peak {report[part]['peak_mb']} MB")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(prog="benchmarks.startup", description="What it costs to start.")
    add = parser.add_argument
    add("--memories", type=int, default=MEMORIES, help="size of the large vault (100000; 0: leave it out)")
    add("--folder", type=Path, default=Path(".bench") / "startup", help="where the large vault is kept")
    add("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    report = {"machine": machine(("memvault",)), "import": measure_import(), "commands": measure_commands()}
    if options.memories:
        report["opening"] = measure_opening(options.memories, options.folder.absolute())
    print(json.dumps(report, indent=2) if options.json else as_table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
