"""The read path: decide > validate > embed > find > open > filter > re-rank > mask or reveal > log > answer.

The log entry of a read is committed before its answer leaves. A hit whose row is gone is dropped; a row that does not
open is an integrity violation, never a shorter answer. Listing, history and reveal are beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Final

from vault.filters import Filter
from vault.filters import parse as parse_filter
from vault.flows import validate
from vault.flows.additions import Embedded
from vault.flows.bodies import open_body, to_memory, value_term
from vault.flows.change import find_visible
from vault.flows.context import Call, Caller, Stages, calling, milliseconds
from vault.flows.outbox import alarm
from vault.flows.points import StoredPoints
from vault.flows.reveal import reveal_reason, revealed
from vault.flows.scope import Found, locate, log_read, open_rows, translate, view
from vault.flows.vectors import embed_question
from vault.index.interface import TAG_BYTES, Query
from vault.index.rerank import RERANKED, Reranker, rescored
from vault.index.terms import terms, value_ngrams
from vault.observe.calls import stage
from vault.observe.words import Stage
from vault.types import Memory, Scope, SearchHit

VALUE_WEIGHT: Final = 4.0  # one known value stands for all its words, which redaction took out of every row


def search(
    stages: Stages,
    caller: Caller,
    query: object,
    *,
    scope: Scope,
    filters: object,
    limit: object,
    threshold: object,
    explain: object,
    reveal: object,
) -> list[SearchHit]:
    """The best memories of one scope for a question, best first."""
    with calling(stages, caller, "memory.search") as call:
        limits = stages.config.limits
        scope = call.confine(scope)
        question = validate.text("query", query, limits.text_bytes)
        count = validate.limit(limit, limits.results)
        least = validate.threshold(threshold)
        parts = validate.flag("explain", explain)
        tree = parse_filter(filters)  # type: ignore[arg-type]
        why = reveal_reason(call, reveal)
        found = locate(call, scope)
        hits: list[SearchHit] = []
        if found is not None:
            asked = embed_question(call, question)
            with call.records.reading():
                reader = StoredPoints(call.tenant, found.subject, call.records)
                if asked.model != reader.model:  # changed since
                    asked = embed_question(call, question)
                wanted, tree = _query(call, found, question, asked), translate(call, found, tree)
                if stages.reranker is None:
                    hits = _ranked(call, found, reader, wanted, tree, count, least)
                else:
                    most = _ranked(call, found, reader, wanted, tree, max(count, RERANKED), 0.0)
                    hits = _reranked(stages.reranker, question, most, count, least)
            alarm(call, found.subject, reader)
            if not parts:
                hits = [replace(hit, explain=None) for hit in hits]
            if why is not None:
                shown = revealed(call, found, [hit.memory for hit in hits], why)
                hits = [replace(hit, memory=memory) for hit, memory in zip(hits, shown, strict=True)]
        log_read(call, found, [hit.memory.id for hit in hits], why)
    return hits


def _reranked(
    reranker: Reranker, question: str, hits: Sequence[SearchHit], limit: int, threshold: float
) -> list[SearchHit]:
    """The best of the index's best, by a re-ranker that reads them."""
    scores = rescored(reranker, question, [hit.memory.text for hit in hits])
    again = [
        replace(hit, score=score, explain={**(hit.explain or {}), "index": hit.score, "rerank": score})
        for hit, score in zip(hits, scores, strict=True)
        if score >= threshold
    ]
    return sorted(again, key=attrgetter("score"), reverse=True)[:limit]


def _ranked(
    call: Call,
    found: Found,
    reader: StoredPoints,
    query: Query,
    tree: Filter | None,
    limit: int,
    threshold: float,
) -> list[SearchHit]:
    hits: list[SearchHit] = []
    wanted = limit if tree is None else 4 * limit
    seen: set[int] = set()
    while True:
        with stage(Stage.FIND):
            ranked = call.index.search(reader, query, wanted)
        fresh = [hit for hit in ranked if hit.n not in seen and hit.score >= threshold]
        seen.update(hit.n for hit in fresh)
        for start in range(0, len(fresh), limit):
            part = fresh[start : start + limit]
            opened = open_rows(call, found, [hit.n for hit in part])
            for hit in part:
                if hit.n not in opened or (tree is not None and not tree.matches(view(*opened[hit.n]))):
                    continue
                memory = to_memory(call.tenant, *opened[hit.n])
                hits.append(SearchHit(memory, hit.score, dict(hit.explain)))
                if len(hits) == limit:
                    return hits
        if len(ranked) < wanted:
            return hits
        wanted *= 4


def _query(call: Call, found: Found, question: str, asked: Embedded) -> Query:
    weights = {term: float(count) for term, count in terms(question).items()}
    if call.records.has_tokens(found.s):
        weights.update((value_term(found.subject, form), VALUE_WEIGHT) for form in value_ngrams(question))
    tags = {k: v[:TAG_BYTES] for k, v in found.wanted.items()}
    return Query(
        vector=asked.vector,
        terms=weights,
        agent=tags.get("agent"),
        app=tags.get("app"),
        run=tags.get("run"),
        now_ms=milliseconds(call.stages.now()),
    )


def get(stages: Stages, caller: Caller, memory_id: object, *, reveal: object) -> Memory:
    """One memory by id; raises NotFoundError for absent, expired, erased and foreign ids alike."""
    with calling(stages, caller, "memory.get") as call:
        why = reveal_reason(call, reveal)
        row, subject = find_visible(call, memory_id)
        with stage(Stage.OPEN):
            memory = to_memory(call.tenant, row, open_body(call.tenant, subject, row))
        found = Found(subject, row.s, {})
        (memory,) = revealed(call, found, [memory], why)
        log_read(call, found, [memory.id], why)
    return memory
