"""Ranking some rows of a scope as they would rank among all of them, and what the scope is like from a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vault.index.interface import Hit, Points, Query
from vault.index.score import Outline, ScopeIndex, Whole, summed


def outline_of(
    dimension: int,
    rows: int,
    runs: Sequence[Points],
    sample: Points,
    frequencies: Mapping[int, float],
) -> Outline:
    """A scope of so many rows: those that were read are as they are, the others as the sample's others."""
    read = [n for run in runs for n in run.n]
    others = ~np.isin(sample.n, read)
    vectors, terms = np.zeros(dimension), 0.0
    for run in runs:
        vectors += summed(run.vectors, run.scales)
        terms += float(run.counts.sum())
    if others.any():
        each = (rows - len(read)) / int(others.sum())
        vectors += each * summed(sample.vectors[others], sample.scales[others])
        terms += each * float(sample.counts[np.repeat(others, sample.sizes)].sum())
    elif read:  # so much was deleted that the sample met nothing else
        vectors, terms = vectors * (rows / len(read)), terms * (rows / len(read))
    return Outline(rows, vectors, terms, frequencies)


def outline_whole(points: Points, query: Query) -> Outline:
    """A scope whose points are all here."""
    scope, _ = _loaded([points], len(query.vector))
    found = scope.outline(query.terms)
    scope.clear()
    return found


def ranked(runs: Sequence[Points], query: Query, whole: Whole | None) -> list[Hit]:
    """All points of the runs that the query admits, best first; points of two runs are not each other's context."""
    scope, facts = _loaded(runs, len(query.vector))
    found = scope.search(query.vector, query.terms, len(facts), whole=whole, explain=query.explain)
    scope.clear()
    return [Hit(n, score, explain) for n, score, explain in found if query.admits(*facts[n])]


def _loaded(
    runs: Sequence[Points], dimension: int
) -> tuple[ScopeIndex, dict[int, tuple[bytes, bytes, bytes, int]]]:
    scope = ScopeIndex(dimension)
    facts: dict[int, tuple[bytes, bytes, bytes, int]] = {}
    conversations: dict[tuple[object, ...], int] = {}
    for at, run in enumerate(runs):
        numbers = [conversations.setdefault((at, *fact[:3]), len(conversations)) for fact in run.facts]
        scope.extend(run.n, run.vectors, run.scales, run.terms, run.counts, run.sizes, numbers)
        facts.update(zip(run.n, run.facts, strict=True))
    return scope, facts
