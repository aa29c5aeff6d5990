"""Retrieval on LoCoMo conversations: `python -m benchmarks.locomo [--kinds]`; other systems: benchmarks.retrieval.

Per question, recall@10 and MRR@10 of the evidence turns among the ten best rows of its conversation, once
over turns (`speaker: text caption`) and once over facts (an observation counts for the turns it cites), for
the dense part alone, the lexical part alone, and both. Questions without an answer (category 5) are left out.
`--kinds` tells the other four kinds of question apart, beside what could be found of each.

The data (CC BY-NC 4.0) is read from MEMVAULT_SHARED/data/eval and is not part of this repository.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vault.embedding.interface import Embedder
from vault.embedding.static import StaticEmbedder
from vault.index.quantise import quantise
from vault.index.score import ScopeIndex
from vault.index.terms import terms

TOP = 10
NO_ANSWER = 5
KINDS = {4: "one fact", 2: "when", 1: "several facts together", 3: "a conclusion"}  # the data's categories
DATA = Path("data") / "eval" / "locomo-first5.json"
EVIDENCE = re.compile(r"D\d+:\d+")
Part = Literal["dense", "sparse", "fused"]
PARTS: tuple[Part, ...] = ("dense", "sparse", "fused")


@dataclass(frozen=True, slots=True)
class Row:
    """A text to find, and the turns it stands for."""

    text: str
    turns: frozenset[str]
    on: datetime | None = None  # when it was said


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the turns that answer it."""

    text: str
    evidence: frozenset[str]
    category: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over questions; seconds per search with its embedding and terms."""

    questions: int
    recall: float
    mrr: float
    milliseconds: float


Results = dict[str, dict[Part, Figures]]


def conversations(shared: Path) -> list[dict[str, Any]] | None:
    """The data; None, and said so, where it is absent."""
    path = shared / DATA
    if not path.is_file():
        print(f"{DATA} not found: set MEMVAULT_SHARED", file=sys.stderr)
        return None
    data: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return data


def turns(conversation: dict[str, Any]) -> Iterator[Row]:
    """Each turn of a conversation, with the caption of its picture."""
    for name, session in conversation["conversation"].items():
        if isinstance(session, list):
            for turn in session:
                text = f"{turn['speaker']}: {turn['text']} {turn.get('blip_caption', '')}".strip()
                yield Row(text, frozenset([turn["dia_id"]]), _day(conversation, name))


def facts(conversation: dict[str, Any]) -> Iterator[Row]:
    """Each observation of a conversation, with the turns it cites."""
    for name, session in conversation["observation"].items():
        for observations in session.values():
            for text, cited in observations:
                day = _day(conversation, name.removesuffix("_observation"))
                yield Row(text, frozenset(EVIDENCE.findall(str(cited))), day)


def _day(conversation: dict[str, Any], session: str) -> datetime:
    """When a session was, written as `1:56 pm on 8 May, 2023`."""
    written = conversation["conversation"][f"{session}_date_time"]
    return datetime.strptime(written, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)


def questions(conversation: dict[str, Any]) -> Iterator[Question]:
    """The questions that have an answer and name evidence."""
    for entry in conversation["qa"]:
        evidence = frozenset(EVIDENCE.findall(str(entry["evidence"])))
        if entry["category"] != NO_ANSWER and evidence:
            yield Question(entry["question"], evidence, entry["category"])


Found = Callable[[str], Sequence[int]]  # numbers of the rows that a question finds, best first
System = Callable[[list[Row]], Found]


def measure(
    data: Sequence[dict[str, Any]], kind: str, system: System, *, category: int | None = None
) -> Figures:
    """Recall@10, MRR@10 and the time per search of a system over all conversations, for questions of a category."""
    recalls: list[float] = []
    reciprocal: list[float] = []
    spent = 0.0
    for conversation in data:
        rows = list(turns(conversation) if kind == "turns" else facts(conversation))
        search = system(rows)
        for question in questions(conversation):
            if category not in (None, question.category):
                continue
            started = time.perf_counter()
            numbers = search(question.text)
            spent += time.perf_counter() - started
            found = [rows[n].turns for n in numbers]
            recalls.append(len(question.evidence & frozenset().union(*found)) / len(question.evidence))
            first = next((rank for rank, hit in enumerate(found, 1) if hit & question.evidence), None)
            reciprocal.append(1.0 / first if first else 0.0)
    count = len(recalls)
    return Figures(count, sum(recalls) / count, sum(reciprocal) / count, 1e3 * spent / count)


def at_most(rows: list[Row]) -> Found:
    """All there is."""
    return lambda _question: range(len(rows))


def part_of(embedder: Embedder, part: Part) -> System:
    """The vault's own ranking by one part, or by both."""

    def system(rows: list[Row]) -> Found:
        index = ScopeIndex(embedder.dimension)
        for n, (row, vector) in enumerate(zip(rows, embedder.embed([row.text for row in rows]), strict=True)):
            index.append(n, *quantise(vector), terms(row.text))

        def search(question: str) -> list[int]:
            vector = embedder.embed([question])[0]
            if part == "sparse":
                vector = np.zeros_like(vector)
            return [n for n, _, _ in index.search(vector, terms(question) if part != "dense" else {}, TOP)]

        return search

    return system


def print_kinds(data: Sequence[dict[str, Any]], embedder: Embedder) -> None:
    """A line for each kind of question: what is found of the evidence, of what some row holds."""
    print(
        "| asks for | questions | turns: recall@10 | facts: recall@10 | facts: at most |\n|---|---|---|---|---|"
    )
    for category, name in KINDS.items():
        found = [
            measure(data, kind, part_of(embedder, "fused"), category=category) for kind in ("turns", "facts")
        ]
        most = measure(data, "facts", at_most, category=category)
        cells = " | ".join(f"{one.recall:.3f}" for one in (*found, most))
        print(f"| {name} | {most.questions} | {cells} |")


def as_json(embedder: StaticEmbedder, results: Results) -> str:
    """The figures by kind and part."""
    table = {
        kind: {
            part: {
                "questions": figures.questions,
                "recall_at_10": round(figures.recall, 4),
                "mrr_at_10": round(figures.mrr, 4),
                "ms_per_search": round(figures.milliseconds, 3),
            }
            for part, figures in parts.items()
        }
        for kind, parts in results.items()
    }
    return json.dumps({"embedder": f"{embedder.name} {embedder.version}", **table}, indent=2)


def as_table(embedder: StaticEmbedder, results: Results) -> str:
    """One line for each kind and part."""
    lines = [
        f"{embedder.name} {embedder.version}",
        f"{'':6} {'part':7} {'questions':>9} {'recall@10':>9} {'MRR@10':>7} {'ms':>6}",
    ]
    for kind, parts in results.items():
        for part, got in parts.items():
            numbers = f"{got.questions:9} {got.recall:9.3f} {got.mrr:7.3f} {got.milliseconds:6.2f}"
            lines.append(f"{kind:6} {part:7} {numbers}")
    return "\n".join(lines)


def main() -> int:
    """Print a table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description="Retrieval quality on LoCoMo conversations.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--kinds", action="store_true", help="print a table by kind of question")
    parser.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("MEMVAULT_SHARED", "../shared")),
        help="data folder",
    )
    arguments = parser.parse_args()
    data = conversations(arguments.shared)
    if data is None:
        return 1
    embedder = StaticEmbedder()
    embedder.load()
    if arguments.kinds:
        print_kinds(data, embedder)
        return 0
    results = {
        kind: {part: measure(data, kind, part_of(embedder, part)) for part in PARTS}
        for kind in ("turns", "facts")
    }
    report = as_json if arguments.json else as_table
    print(report(embedder, results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
