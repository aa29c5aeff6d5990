"""Detection beside Presidio, in one run on the same texts: `python -m benchmarks.detection`.

Quality on the shipped samples and on every public set that MEMVAULT_SHARED holds; speed with one thread; hostile
texts of 64 KiB; time to load. Presidio runs with its predefined recognisers on a blank pipeline, once with all it
reports and once with scores of 0.4 and more. `--markdown` writes the tables into docs/detection.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import detection_page, detection_probes
from benchmarks.detection_systems import SYSTEMS, Ours, Presidio, System
from benchmarks.timing import Samples, faster, machine
from vault.redaction.evaluation import formats, shipped
from vault.redaction.evaluation.samples import DataSet
from vault.redaction.evaluation.score import Scorer

SHARED: Final = Path(os.environ.get("MEMVAULT_SHARED", "../shared"))
LEAST: Final = 0.4
ROUNDS: Final = 5
ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
HOSTILE_LIMIT_S: Final = 30  # for loading, 64 Ki and 32 Ki characters
HOSTILE_CHARS: Final = 65_536

DATA: Final = {
    "presidio-research, generated_large": ("dev/presidio-research-generated_large.json", "presidio"),
    "PII-synthetic, nano": ("dev/pii-syn-nano-en.json", "presidio"),
    "TAB, 21 judgments": ("dev/tab-dev-21.jsonl", "tab"),
    "WNUT 17 dev": ("dev/wnut17-dev.conll", "conll"),
    "Broad Twitter Corpus dev": ("dev/btc-dev.conll", "conll"),
    "UNER EWT dev": ("dev/uner-ewt-dev.iob2", "conll"),
    "SEC filings": ("dev/sec-filings-fin3.conll", "conll"),
}
LOCOMO: Final = "eval/locomo-first5.json"

HOSTILE: Final[dict[str, Callable[[int], str]]] = {
    "a.a.a.": lambda size: "a." * (size // 2),
    "ab:ab:": lambda size: "ab:" * (size // 3),
    "A1 A1 ": lambda size: "A1 " * (size // 3),
    "one run of digits": lambda size: "4" * size,
    "digits and blanks": lambda size: "12 34-" * (size // 6),
    "@ and dots": lambda size: "a@a." * (size // 4),
    "deep JSON": lambda size: '{"a":' * (size // 10) + "1" + "}" * (size // 10),
    "combining marks": lambda size: "a" + "\u0301" * (size - 1),
    "capitalised words": lambda size: "Anna Maria " * (size // 11),
    "base64": lambda size: "QUJD" * (size // 4),
    "percent signs": lambda size: "%41%" * (size // 4),
}

# One process that times one system on one hostile text at full length, then at half of it.
_HOSTILE_RUN: Final = """
import sys, time
from benchmarks.detection import HOSTILE, HOSTILE_CHARS
from benchmarks.detection_systems import SYSTEMS
system = SYSTEMS[sys.argv[1]]()
system.detect("warm up: ann@example.org, 212-555-0187")
for size in (HOSTILE_CHARS, HOSTILE_CHARS // 2):
    text = HOSTILE[sys.argv[2]](size)
    started = time.process_time()
    system.detect(text)
    print(time.process_time() - started, flush=True)
"""
_LOAD_RUN: Final = """
import sys, time
started = time.perf_counter()
from benchmarks.detection_systems import SYSTEMS
system = SYSTEMS[sys.argv[1]]()
system.detect("Ann met Bo in Oslo.")
print(time.perf_counter() - started)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--markdown", action="store_true", help="write the tables into docs/detection.md")
    parser.add_argument(
        "--only", choices=("quality", "ordinary", "evasions", "speed", "hostile", "load"), help="one part"
    )
    asked = parser.parse_args(arguments)
    os.environ.update(ONE_THREAD)  # before a system imports numpy
    ours, every = Ours(), Presidio()
    document: dict[str, Any] = {
        "machine": machine(("presidio-analyzer", "spacy", "numpy")),
        "detector": ours.version,
    }
    parts: dict[str, Callable[[], Any]] = {
        "quality": lambda: quality((ours, every, Presidio(LEAST))),
        "ordinary": lambda: detection_probes.ordinary((ours, every, Presidio(LEAST))),
        "evasions": lambda: detection_probes.evasions((ours, every)),
        "speed": lambda: speed(ours, every),
        "hostile": hostile,
        "load": load,
    }
    for name, part in parts.items():
        if asked.only in (None, name):
            print(f"{name} ...", file=sys.stderr, flush=True)
            document[name] = part()
    if asked.json:
        print(json.dumps(document, indent=1))
        return 0
    page = detection_page.render(document, ours.entities)
    if asked.markdown and asked.only is None:
        detection_page.write(page)
    else:
        print(page)
    return 0


# --- quality ---


def data_sets() -> Iterator[tuple[str, DataSet]]:
    """The shipped samples, and the public sets that are there."""
    yield "shipped samples", shipped.samples()
    for name, (place, form) in DATA.items():
        path = SHARED / "data" / place
        if path.is_file():
            yield name, formats.read(path.read_bytes(), form)


def quality(systems: Sequence[System]) -> dict[str, dict[str, Any]]:
    """Per data set and system, the scorer's report."""
    found: dict[str, dict[str, Any]] = {}
    for name, data in data_sets():
        print(f"  {name}", file=sys.stderr, flush=True)
        found[name] = {system.name: _scored(data, system) for system in systems}
    return found


def _scored(data: DataSet, system: System) -> dict[str, Any]:
    scorer = Scorer(data)
    for begin in range(0, len(data.samples), 64):
        chunk = data.samples[begin : begin + 64]
        for sample, own in zip(chunk, system.batch([one.text for one in chunk]), strict=True):
            scorer.add(sample, own)
    return scorer.report()


# --- speed ---


def corpora() -> dict[str, list[str]]:
    """Texts to time: chat in pieces of 20 and 200 words, and the shipped samples as they are."""
    samples = [one.text for one in shipped.samples().samples]
    path = SHARED / "data" / LOCOMO
    words = _chat(path) if path.is_file() else " ".join(samples).split(" ")
    made = {f"{length}-word pieces of chat": _pieces(words, length) for length in (20, 200)}
    return {**made, "shipped samples": samples}


def _chat(path: Path) -> list[str]:
    turns = (
        turn["text"]
        for conversation in json.loads(path.read_bytes())
        for name, session in conversation["conversation"].items()
        if name.startswith("session_") and isinstance(session, list)
        for turn in session
    )
    return " ".join(turns).split(" ")


def _pieces(words: Sequence[str], length: int) -> list[str]:
    return [" ".join(words[at : at + length]) for at in range(0, len(words) - length + 1, length)]


def speed(ours: System, theirs: System) -> dict[str, Any]:
    """Per corpus: texts per second one by one and in batches, and what ours is of theirs, in turns."""
    return {name: _timed(texts, ours, theirs) for name, texts in corpora().items()}


def _timed(texts: Sequence[str], ours: System, theirs: System) -> dict[str, Any]:
    words = sum(len(text.split()) for text in texts) / len(texts)
    per_round = max(20, int(6_000 / max(words, 20)))
    texts = [texts[at % len(texts)] for at in range(2 * (ROUNDS + 1) * per_round)]
    # Processor time: what else runs on the machine must not decide the slowest of a hundred.
    one = {system.name: Samples(clock=time.thread_time) for system in (ours, theirs)}
    batch = {system.name: Samples(clock=time.thread_time) for system in (ours, theirs)}
    for number in range(ROUNDS + 1):
        # Texts of a batch are not those that were just asked for one by one: a cache must not flatter it.
        first, middle, last = ((2 * number + part) * per_round for part in range(3))
        for system in (ours, theirs) if number % 2 else (theirs, ours):
            _singly(system, texts[first:middle], one[system.name])
            _together(system, texts[middle:last], batch[system.name])
        if number == 0:  # a round to warm up
            for samples in (*one.values(), *batch.values()):
                samples.rounds.clear()
    return {
        "words": round(words, 1),
        "texts": per_round * ROUNDS,
        "single": {name: _figures(samples) for name, samples in one.items()},
        "batch": {name: round(median(1 / s for s in samples.all()), 1) for name, samples in batch.items()},
        "single_ratio": faster(one[ours.name], one[theirs.name]),
        "batch_ratio": faster(batch[ours.name], one[theirs.name]),
    }


def _singly(system: System, texts: Sequence[str], timed: Samples) -> None:
    timed.next_round()
    for text in texts:
        timed.time(partial(system.detect, text))


def _together(system: System, texts: Sequence[str], timed: Samples) -> None:
    timed.next_round()
    timed.time(partial(system.batch, texts), operations=len(texts))


def _figures(samples: Samples) -> dict[str, float]:
    p50, p99 = samples.quantile(0.5), samples.quantile(0.99)
    return {
        "per_s": round(samples.per_second(), 1),
        "p50_ms": round(1e3 * p50, 3),
        "p99_ms": round(1e3 * p99, 3),
        "p99_to_p50": round(p99 / p50, 2),
    }


# --- hostile texts, loading ---


def hostile() -> dict[str, dict[str, list[float]]]:
    """Seconds for each hostile text at 64 and 32 Ki characters; what is missing took longer than the limit."""
    return {family: {name: _alone(_HOSTILE_RUN, name, family) for name in SYSTEMS} for family in HOSTILE}


def load() -> dict[str, float]:
    """Seconds from nothing imported to the first answer; the least of five processes."""
    return {name: min(_alone(_LOAD_RUN, name)[0] for _ in range(5)) for name in SYSTEMS}


def _alone(program: str, *words: str) -> list[float]:
    """The numbers that a process of its own prints within the limit."""
    command = [sys.executable, "-c", program, *words]
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, timeout=HOSTILE_LIMIT_S, check=True).stdout
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
    return [float(line) for line in said.split()]


if __name__ == "__main__":
    sys.exit(main())
