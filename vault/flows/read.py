"""The read path: decide > validate > embed > find > open > filter > re-rank > mask or reveal > log > answer.

The log entry of a read is committed before its answer leaves. A hit whose row is gone is dropped; a row that does not
open is an integrity violation, never a shorter answer. Ranking, listing, history and reveal are beside this file, and
`across`, the search over several people.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Final

from vault.flows import validate
from vault.flows.additions import Embedded
from vault.flows.bodies import open_body, to_memory, value_terms
from vault.flows.change import find_visible
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.outbox import alarm
from vault.flows.points import StoredPoints
from vault.flows.ranking import answers, before_reranking, put_to, reranked, wanted, without_parts
from vault.flows.reveal import reveal_reason, revealed
from vault.flows.scope import Found, locate, log_read
from vault.flows.vectors import embed_question
from vault.index.interface import Query
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
    recency: object,
    distinct: object,
    explain: object,
    reveal: object,
) -> list[SearchHit]:
    """The best memories of one scope for a question, best first."""
    with calling(stages, caller, "memory.search") as call:
        scope = call.confine(scope)
        question = validate.text("query", query, stages.config.limits.text_bytes)
        asked = wanted(
            call,
            limit=limit,
            threshold=threshold,
            filters=filters,
            recency=recency,
            distinct=distinct,
            explain=explain,
        )
        why = reveal_reason(call, reveal)
        found = locate(call, scope)
        hits: list[SearchHit] = []
        if found is not None:
            vector = embed_question(call, question)
            with call.records.reading():
                reader = StoredPoints(call.tenant, found.subject, call.records)
                if vector.model != reader.model:  # changed since
                    vector = embed_question(call, question)
                put = _query(call, found, question, vector)
                more = before_reranking(stages.reranker, asked)
                hits = list(islice(answers(call, found, reader, put, more, at_once=more.limit), more.limit))
            hits = reranked(stages.reranker, question, hits, asked)
            alarm(call, found.subject, reader)
            if not asked.explain:
                hits = without_parts(hits)
            if why is not None:
                shown = revealed(call, found, [hit.memory for hit in hits], why)
                hits = [replace(hit, memory=memory) for hit, memory in zip(hits, shown, strict=True)]
        log_read(call, found, [hit.memory.id for hit in hits], why)
    return hits


def _query(call: Call, found: Found, question: str, asked: Embedded) -> Query:
    weights = {term: float(count) for term, count in terms(question).items()}
    if call.records.has_tokens(found.s):
        weights |= dict.fromkeys(value_terms(found.subject, value_ngrams(question)), VALUE_WEIGHT)
    return put_to(call, found, asked, weights)


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
