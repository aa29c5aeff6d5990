"""What speaker and day give to retrieval on LoCoMo: `python -m benchmarks.fields`.

The same questions and measures as benchmarks.locomo, over the vault's own ranking, with the speaker and the day of a
session left out, among the words of BM25 alone, or in the text that is embedded too.

The data (CC BY-NC 4.0) is read from MEMVAULT_SHARED/data/eval and is not part of this repository.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final, NamedTuple

from benchmarks.locomo import EVIDENCE, TOP, conversations, questions
from vault.embedding.static import StaticEmbedder
from vault.index.quantise import quantise
from vault.index.score import ScopeIndex
from vault.index.terms import terms


class Said(NamedTuple):
    """A text, who said it, the day in words, the turns it stands for, and its session."""

    speaker: str
    text: str
    day: str
    turns: frozenset[str]
    session: str


Fields = Callable[[Said], tuple[str, str]]  # what is embedded, and what BM25 counts
WAYS: Final[dict[str, Fields]] = {
    "text alone": lambda one: (one.text, one.text),
    "speaker as terms": lambda one: (one.text, f"{one.speaker} {one.text}"),
    "speaker in the text": lambda one: (_spoken(one), _spoken(one)),
    "day of the session as terms": lambda one: (one.text, f"{one.text} {one.day}"),
    "speaker in the text, month and year as terms": lambda one: (
        _spoken(one),
        f"{_spoken(one)} {one.day.partition(' ')[2]}",
    ),
    "speaker in the text, day as terms": lambda one: (_spoken(one), f"{_spoken(one)} {one.day}"),
    "speaker and day in the text": lambda one: (f"{_spoken(one)} {one.day}", f"{_spoken(one)} {one.day}"),
}
APART: Final = "speaker in the text"  # measured with each session a conversation of its own as well


def _spoken(one: Said) -> str:
    return f"{one.speaker}: {one.text}"


def _turns(conversation: dict[str, Any]) -> Iterator[Said]:
    for name, session in conversation["conversation"].items():
        for turn in session if isinstance(session, list) else ():
            text = f"{turn['text']} {turn.get('blip_caption', '')}".strip()
            yield Said(turn["speaker"], text, _day(conversation, name), frozenset([turn["dia_id"]]), name)


def _facts(conversation: dict[str, Any]) -> Iterator[Said]:
    for name, session in conversation["observation"].items():
        day = _day(conversation, name.removesuffix("_observation"))
        for speaker, observations in session.items():
            for text, cited in observations:
                yield Said(speaker, text, day, frozenset(EVIDENCE.findall(str(cited))), name)


def _day(conversation: dict[str, Any], session: str) -> str:
    """`1:56 pm on 8 May, 2023` without the time."""
    written = str(conversation["conversation"][f"{session}_date_time"])
    return written.partition(" on ")[2].replace(",", "")


def measured(
    data: Sequence[dict[str, Any]], kind: str, fields: Fields, embedder: StaticEmbedder, *, apart: bool
) -> tuple[float, float]:
    """Recall@10 and MRR@10."""
    recalls, reciprocal = [], []
    for conversation in data:
        rows = list(_turns(conversation) if kind == "turns" else _facts(conversation))
        made = [fields(row) for row in rows]
        vectors = embedder.embed([embedded for embedded, _ in made])
        index, sessions = ScopeIndex(embedder.dimension), dict[str, int]()
        for n, (row, (_, counted), vector) in enumerate(zip(rows, made, vectors, strict=True)):
            number = sessions.setdefault(row.session, len(sessions)) if apart else 0
            index.append(n, *quantise(vector), terms(counted), number)
        for question in questions(conversation):
            asked = embedder.embed([question.text])[0]
            found = [rows[n].turns for n, _, _ in index.search(asked, terms(question.text), TOP)]
            recalls.append(len(question.evidence & frozenset().union(*found)) / len(question.evidence))
            first = next((rank for rank, hit in enumerate(found, 1) if hit & question.evidence), None)
            reciprocal.append(1.0 / first if first else 0.0)
    return mean(recalls), mean(reciprocal)


def main() -> int:
    """Print a table for the documentation."""
    data = conversations(Path(os.environ.get("MEMVAULT_SHARED", "../shared")))
    if data is None:
        return 1
    embedder = StaticEmbedder()
    print("| | turns: recall@10 | MRR@10 | facts: recall@10 | MRR@10 |\n|---|---|---|---|---|")
    lines = [(name, fields, False) for name, fields in WAYS.items()]
    for name, fields, apart in [*lines, ("sessions as conversations of their own", WAYS[APART], True)]:
        figures = [
            figure
            for kind in ("turns", "facts")
            for figure in measured(data, kind, fields, embedder, apart=apart)
        ]
        print(f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
