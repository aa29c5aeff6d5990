"""Ranking some rows of a scope as they would rank among all of them, and what the scope is like from a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vault.index.interface import Hit, Query
from vault.index.points import Points
from vault.index.score import Outline, ScopeIndex, Whole, summed

Conversations = dict[tuple[int, ...], int]  # numbers of conversations, by their run and scope tags


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
    scope = _loaded([points], len(query.vector))
    found = scope.outline(query.terms)
    scope.clear()
    return found


def ranked_runs(runs: Sequence[Points], query: Query, limit: int, whole: Whole | None) -> list[Hit]:
    """The best `limit` points of the runs that the query admits; points of two runs are not each other's context."""
    scope = _loaded(runs, len(query.vector))
    found = ranked(scope, query, limit, whole)
    scope.clear()
    return found


def ranked(scope: ScopeIndex, query: Query, limit: int, whole: Whole | None) -> list[Hit]:
    """The best `limit` rows that the query admits, best first."""
    found = scope.search(
        query.vector, query.terms, limit, whole=whole, explain=query.explain, admits=query.admits
    )
    return [Hit(*one) for one in found]


def numbered(tags: npt.NDArray[np.uint64], known: Conversations, run: int = 0) -> npt.NDArray[np.int32]:
    """Numbers (n,) of the conversations of rows with these scope tags (n, 3), within one run of rows."""
    if len(tags) and (tags == tags[0]).all():  # mostly; telling them apart takes thirty times as long
        return np.full(len(tags), known.setdefault((run, *tags[0].tolist()), len(known)), dtype=np.int32)
    different, which = np.unique(tags, axis=0, return_inverse=True)
    numbers = [known.setdefault((run, *one), len(known)) for one in different.tolist()]
    return np.array(numbers, dtype=np.int32)[which.reshape(-1)]


def _loaded(runs: Sequence[Points], dimension: int) -> ScopeIndex:
    scope = ScopeIndex(dimension)
    conversations: Conversations = {}
    for at, run in enumerate(runs):
        scope.extend(run, numbered(run.tags, conversations, at))
    return scope
