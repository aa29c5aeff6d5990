"""From what the index ranks to an answer: age, filter, and one place for memories that say the same.

Rows are opened as the answer is read, no more of them than it takes. A row that is gone is left out.
"""

from __future__ import annotations

import heapq
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from operator import attrgetter
from typing import Final

from vault.filters import Filter
from vault.filters import parse as parse_filter
from vault.flows import validate
from vault.flows.additions import Embedded
from vault.flows.bodies import Body, to_memory
from vault.flows.context import Call, milliseconds
from vault.flows.points import StoredPoints
from vault.flows.scope import Found, open_rows, translate, view
from vault.index.interface import Hit, Query
from vault.index.points import TAG_BYTES
from vault.index.rerank import RERANKED, Reranker, rescored
from vault.observe.calls import stage
from vault.observe.words import Stage
from vault.types import SearchHit

MOST_DAYS: Final = 36_500
_DAY_MS: Final = 86_400_000
_DEEPER: Final = 4  # so many times more is asked of the index, where a filter or age may put others in front
_REPEATS: Final = 4  # one row in so many is asked for besides, for those that say the same as another
_DIGITS: Final = 6  # of a score, as the index rounds it
_LAST: Final = ".!,;:\u2026 "


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an answer holds: how many, from which score on, what a filter admits, at which age half of a score is left
    (None: age does not count), whether memories that say the same take one place, and whether scores have parts."""

    limit: int
    threshold: float
    tree: Filter | None
    half_life_ms: float | None
    distinct: bool
    explain: bool


def wanted(
    call: Call,
    *,
    limit: object,
    threshold: object,
    filters: object,
    recency: object,
    distinct: object,
    explain: object,
) -> Wanted:
    """The checked options of a search; raises InvalidInputError."""
    days = validate.days("recency", recency, MOST_DAYS)
    return Wanted(
        validate.limit(limit, call.stages.config.limits.results),
        validate.threshold(threshold),
        parse_filter(filters),  # type: ignore[arg-type]
        days * _DAY_MS if days is not None else None,
        validate.flag("distinct", distinct),
        validate.flag("explain", explain),
    )


def put_to(call: Call, found: Found, asked: Embedded, weights: dict[int, float]) -> Query:
    """A question as the index is asked in one scope, by its vector and by weighted terms."""
    tags = {k: v[:TAG_BYTES] for k, v in found.wanted.items()}
    return Query(
        vector=asked.vector,
        terms=weights,
        agent=tags.get("agent"),
        app=tags.get("app"),
        run=tags.get("run"),
        now_ms=milliseconds(call.stages.now()),
    )


def answers(
    call: Call, found: Found, reader: StoredPoints, query: Query, asked: Wanted, *, at_once: int
) -> Iterator[SearchHit]:
    """The memories of one scope that answer, best first; rows are opened `at_once` at a time."""
    tree = translate(call, found, asked.tree)
    hits = _hits(call, reader, replace(query, explain=asked.explain), asked)
    if asked.half_life_ms is not None:
        times = {n: updated for n, _, updated in call.records.order(found.s)}
        hits = _aged(hits, times, query.now_ms, asked.half_life_ms)
    hits = (hit for hit in hits if hit.score >= asked.threshold)
    said: set[tuple[object, ...]] = set()
    while part := list(islice(hits, at_once)):
        opened = open_rows(call, found, [hit.n for hit in part])
        for hit in part:
            if hit.n not in opened:
                continue
            row, body = opened[hit.n]
            if tree is not None and not tree.matches(view(row, body)):
                continue
            if asked.distinct:
                content = what_it_says(body)
                if content in said:
                    continue
                said.add(content)
            yield SearchHit(to_memory(call.tenant, row, body), hit.score, hit.explain or None)


def _hits(call: Call, reader: StoredPoints, query: Query, asked: Wanted) -> Iterator[Hit]:
    """What the index ranks, each row once; it is asked for more as long as there is more to come."""
    plain = asked.tree is None and asked.half_life_ms is None
    spare = asked.limit // _REPEATS if asked.distinct else 0
    count = asked.limit + spare if plain else _DEEPER * asked.limit
    seen: set[int] = set()
    while True:
        with stage(Stage.FIND):
            ranked = call.index.search(reader, query, count)
        yield from (hit for hit in ranked if hit.n not in seen)
        if len(ranked) < count or ranked[-1].score < asked.threshold:
            return
        seen.update(hit.n for hit in ranked)
        count *= _DEEPER


def _aged(hits: Iterator[Hit], times: Mapping[int, int], now_ms: int, half_life_ms: float) -> Iterator[Hit]:
    """The same hits in the order of score times age; one leaves when none of those to come can pass it.

    `explain` has the factor as `recency`: 1 for what was stored or changed just now, a half for a half-life ago.
    """

    def factor(updated_ms: int) -> float:
        return float(2.0 ** -(max(0, now_ms - updated_ms) / half_life_ms))

    newest = factor(max(times.values(), default=now_ms))
    waiting: list[tuple[float, int, Hit]] = []
    for hit in hits:
        best_to_come = round(hit.score * newest, _DIGITS)
        while waiting and -waiting[0][0] > best_to_come:
            yield heapq.heappop(waiting)[2]
        if hit.n in times:
            share = factor(times[hit.n])
            aged = replace(
                hit, score=round(hit.score * share, _DIGITS), explain={**hit.explain, "recency": share}
            )
            heapq.heappush(waiting, (-aged.score, -aged.n, aged))
    while waiting:
        yield heapq.heappop(waiting)[2]


def what_it_says(body: Body) -> tuple[object, ...]:
    """Equal for memories that say the same: text but for case, spacing and its last stop; speaker; metadata.

    Nothing inside a text is left out: `1.5 mg` and `15 mg` are two things, and so are two measurements with two dates.
    """
    plain = body.text if body.text.isascii() else unicodedata.normalize("NFC", body.text)
    text = " ".join(plain.casefold().split()).rstrip(_LAST)
    metadata = json.dumps(body.metadata, sort_keys=True) if body.metadata else ""
    return text, body.role, body.name, metadata


def before_reranking(reranker: Reranker | None, asked: Wanted) -> Wanted:
    """What to ask the index for, where a re-ranker reads its best."""
    return asked if reranker is None else replace(asked, limit=max(asked.limit, RERANKED), threshold=0.0)


def without_parts(hits: list[SearchHit]) -> list[SearchHit]:
    """The same answers for who did not ask for the parts of scores: age and a re-ranker have left some."""
    return [replace(hit, explain=None) if hit.explain else hit for hit in hits]


def reranked(
    reranker: Reranker | None, question: str, hits: list[SearchHit], asked: Wanted
) -> list[SearchHit]:
    """The best of the index's best, by a re-ranker that reads them; age counts as it did."""
    if reranker is None:
        return hits
    again = []
    for hit, score in zip(hits, rescored(reranker, question, [hit.memory.text for hit in hits]), strict=True):
        parts = hit.explain or {}
        aged = score * parts.get("recency", 1.0)
        if aged >= asked.threshold:
            again.append(replace(hit, score=aged, explain={**parts, "index": hit.score, "rerank": score}))
    return sorted(again, key=attrgetter("score"), reverse=True)[: asked.limit]
