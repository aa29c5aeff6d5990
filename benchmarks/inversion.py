"""What a thief of Qdrant's data learns: `python -m benchmarks.inversion [--json] [--memories 1500]`.

Each person's memories are veiled as the vault veils them (`vault.index.protect`), under keys of their own. The attacks
see what Qdrant would hold, vectors and term names by person, and what everybody has: embedder, stemmer, candidate
sentences that include the true ones. They are simple attacks, and so lower bounds: better ones find more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.facts import facts
from vault.crypto.primitives import SecretKey
from vault.embedding.static import StaticEmbedder
from vault.index.protect import Veil
from vault.index.quantise import dequantise, quantise
from vault.index.terms import terms

MEMORIES: Final = 1_500
PLANTED: Final = 100
KNOWN: Final = (1, 10, 100, 256, 512)
COMMON: Final = 100  # words that are looked for by their frequency
_TINY: Final = 1e-6  # singular values below this are of directions that no known pair has
_TEMPLATES: Final = (
    "was told on Monday to take {} twice a day",
    "has an appointment about {} at the clinic",
    "does not want the family to know about {}",
    "stopped using {} after the holiday",
    "asked the nurse whether {} is safe",
)
_WORDS: Final = (
    "insulin aspirin ibuprofen penicillin morphine lithium cortisone warfarin methadone statins antibiotics "
    "antidepressants sedatives vitamins iron chemotherapy radiotherapy dialysis surgery hypnosis diabetes asthma "
    "epilepsy depression anxiety cancer leukaemia hepatitis malaria tuberculosis pneumonia arthritis eczema migraine "
    "insomnia dementia pregnancy infertility menopause alcohol"
)
_FILLERS: Final = tuple(_WORDS.split())

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figure:
    """What one attack found: a share from 0 to 1, and what guessing would."""

    attack: str
    knows: str
    finds: str
    share: float
    chance: float


@dataclass(frozen=True, slots=True)
class Person:
    """The truth about one subject, and what Qdrant would hold of it."""

    texts: list[str]
    true: Floats
    stored: Floats
    names: list[frozenset[int]]


def sentences() -> list[str]:
    """Every planted fact there may be, template by template."""
    return [template.format(filler) for template in _TEMPLATES for filler in _FILLERS]


def person(embedder: StaticEmbedder, texts: list[str], key: bytes) -> Person:
    """One subject's memories as they would leave the process."""
    veil = Veil(SecretKey(bytearray(key)), embedder.dimension)
    true = np.stack([dequantise(*quantise(vector)) for vector in embedder.embed(texts)])
    stored = np.stack([veil.covered(vector, n.to_bytes(16, "big"), 1) for n, vector in enumerate(true)])
    return Person(texts, true, stored, [frozenset(veil.terms(terms(text))) for text in texts])


def people(embedder: StaticEmbedder, memories: int, planted: int, seed: int) -> tuple[Person, Person]:
    """Two subjects with the same planted facts, first in each, among facts of their own."""
    facts_planted = random.Random(seed).sample(sentences(), planted)
    own = [[fact.text for fact in facts(memories - planted, seed=seed + n)] for n in (1, 2)]
    one, two = (person(embedder, [*facts_planted, *texts], os.urandom(32)) for texts in own)
    return one, two


# --- attacks -------------------------------------------------------------------------------------------------------


def _right(vectors: Floats, candidates: Floats, truth: Sequence[int]) -> float:
    """How many vectors have their true candidate as the nearest."""
    return float(np.mean((vectors @ candidates.T).argmax(axis=1) == np.asarray(truth)))


def without_a_key(embedder: StaticEmbedder, victim: Person, planted: int) -> list[Figure]:
    """Candidates beside stored vectors as they are; then with the template known, its filler looked for."""
    known = sentences()
    candidates = embedder.embed(known)
    truth = [known.index(text) for text in victim.texts[:planted]]
    filled = filled_in(victim.stored[:planted], candidates, truth)
    return [
        Figure(
            "nearest neighbour",
            "candidate sentences",
            "planted facts",
            _right(victim.stored[:planted], candidates, truth),
            1 / len(known),
        ),
        Figure(
            "template filling",
            "the sentence but for one word",
            "the word",
            filled,
            1 / len(_FILLERS),
        ),
    ]


def filled_in(vectors: Floats, candidates: Floats, truth: Sequence[int]) -> float:
    """How often the true filler is the nearest among those of the true template."""
    right = 0
    for vector, at in zip(vectors, truth, strict=True):
        first = at // len(_FILLERS) * len(_FILLERS)
        right += int((candidates[first : first + len(_FILLERS)] @ vector).argmax()) == at - first
    return right / len(truth)


def turn_back(true: Floats, stored: Floats) -> Floats:
    """The orthogonal transform that fits known pairs best (Procrustes), nothing in directions that they do not have."""
    left, values, right = np.linalg.svd(stored.T.astype(np.float64) @ true.astype(np.float64))
    found: Floats = (left[:, values > _TINY] @ right[: len(values)][values > _TINY]).astype(np.float32)
    return found


def with_known_pairs(
    embedder: StaticEmbedder, victim: Person, planted: int, known: int, guess: Floats
) -> list[Figure]:
    """Some of the subject's texts and their points: the turn is solved for, the other points are turned back.

    `guess` is the mean vector of another text of the same kind: what a reconstruction has to be better than.
    """
    chosen = np.random.default_rng(known).permutation(np.arange(planted, len(victim.texts)))[:known]
    rest = np.setdiff1d(np.arange(len(victim.texts)), chosen)
    turn = turn_back(victim.true[chosen], victim.stored[chosen])
    back = victim.stored[rest] @ turn
    back /= np.maximum(np.linalg.norm(back, axis=1, keepdims=True), _TINY)
    knows = f"{known} texts with their points"
    linked = _right(back, victim.true[rest], range(len(rest)))
    alike = float(np.mean(np.sum(back * victim.true[rest], axis=1)))
    candidates = sentences()
    truth = [candidates.index(text) for text in victim.texts[:planted]]
    filled = filled_in(victim.stored[:planted] @ turn, embedder.embed(candidates), truth)
    named = dictionary([victim.texts[n] for n in chosen], [victim.names[n] for n in chosen])
    others = [name for n in rest for name in victim.names[n]]
    read = sum(name in named for name in others) / len(others)
    return [
        Figure("turn solved", knows, "which of the other texts a point is", linked, 1 / len(rest)),
        Figure(
            "turn solved", knows, "other vectors (cosine)", alike, float(np.mean(victim.true[rest] @ guess))
        ),
        Figure("turn solved", knows, "the missing word of a sentence", filled, 1 / len(_FILLERS)),
        Figure("terms compared", knows, "words of other memories", read, 0.0),
    ]


def dictionary(texts: Sequence[str], names: Sequence[frozenset[int]]) -> dict[int, int]:
    """Names whose occurrences among the known points are those of one word alone among their texts."""

    def where(rows: Sequence[frozenset[int]]) -> dict[tuple[int, ...], list[int]]:
        found: dict[int, list[int]] = {}
        for at, row in enumerate(rows):
            for term in row:
                found.setdefault(term, []).append(at)
        patterns: dict[tuple[int, ...], list[int]] = {}
        for term, places in found.items():
            patterns.setdefault(tuple(places), []).append(term)
        return patterns

    words, seen = where([frozenset(terms(text)) for text in texts]), where(names)
    return {
        seen[at][0]: words[at][0] for at in seen.keys() & words.keys() if len(seen[at]) == len(words[at]) == 1
    }


def by_frequency(victim: Person, veil_free: Sequence[str]) -> Figure:
    """The most frequent names matched with the most frequent words of another text of the same kind, rank by rank."""
    truth = Counter(term for text in victim.texts for term in terms(text))
    names = [name for name, _ in Counter(name for row in victim.names for name in row).most_common(COMMON)]
    words = [
        term
        for term, _ in Counter(term for text in veil_free for term in terms(text)).most_common(len(names))
    ]
    own = _names_of(victim)
    right = sum(own.get(word) == name for word, name in zip(words, names, strict=False))
    return Figure(
        "frequency analysis",
        "another text of the same kind",
        f"the {COMMON} most frequent words",
        right / max(len(names), 1),
        1 / max(len(truth), 1),
    )


def _names_of(victim: Person) -> dict[int, int]:
    """The truth: each word's name, from the subject's own texts and points."""
    return {word: name for name, word in dictionary(victim.texts, victim.names).items()}


def across(one: Person, two: Person, planted: int) -> list[Figure]:
    """The same facts about two people: found again in the other's points by vector, by name."""
    shared = frozenset().union(*one.names) & frozenset().union(*two.names)
    everything = frozenset().union(*one.names)
    return [
        Figure(
            "two people compared",
            "nothing",
            "the same fact, by vector",
            _right(one.stored[:planted], two.stored, range(planted)),
            1 / len(two.texts),
        ),
        Figure(
            "two people compared",
            "nothing",
            "the same word, by name",
            len(shared) / len(everything),
            len(everything) / 2**32,
        ),
    ]


def within(victim: Person) -> Figure:
    """How well similarities inside one subject show: of each memory's nearest other one, how often it stays that."""
    true, stored = victim.true @ victim.true.T, victim.stored @ victim.stored.T
    for matrix in (true, stored):
        np.fill_diagonal(matrix, -1.0)
    kept = float(np.mean(true.argmax(axis=1) == stored.argmax(axis=1)))
    return Figure(
        "distances looked at",
        "nothing",
        "which memory is most like another",
        kept,
        1 / (len(victim.texts) - 1),
    )


def measure(memories: int = MEMORIES, planted: int = PLANTED, known: Sequence[int] = KNOWN) -> list[Figure]:
    """Every attack on one subject, or on two."""
    embedder = StaticEmbedder()
    one, two = people(embedder, memories, planted, seed=1)
    auxiliary = [fact.text for fact in facts(memories, seed=9)]
    figures = [*without_a_key(embedder, one, planted), *across(one, two, planted), within(one)]
    figures.append(by_frequency(one, auxiliary))
    mean = embedder.embed(auxiliary).mean(axis=0)
    for count in known:
        figures += with_known_pairs(embedder, one, planted, count, mean / np.linalg.norm(mean))
    return figures


def as_table(figures: Sequence[Figure], memories: int) -> str:
    """Markdown, as it stands in docs/qdrant.md."""
    lines = ["| attack | knows | finds | share | by chance |", "|---|---|---|---|---|"]
    for one in figures:
        lines.append(f"| {one.attack} | {one.knows} | {one.finds} | {one.share:.1%} | {one.chance:.1%} |")
    return "\n".join([*lines, "", f"One person, {memories} memories; simple attacks, lower bounds."])


def main() -> int:
    """Print the table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inversion", description=__doc__)
    parser.add_argument("--memories", type=int, default=MEMORIES, help="of one person")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    figures = measure(options.memories)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    else:
        print(as_table(figures, options.memories))
    return 0


if __name__ == "__main__":
    sys.exit(main())
