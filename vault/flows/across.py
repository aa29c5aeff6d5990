"""Searching the memories of several people at once: a right of its own, bounded, and in the log of each of them.

The people are ranked as one scope that had all their memories: what vectors have in common, how rare a word is and how
much a question could get are those of everybody asked, so that a row does not rank high for being the best of a person
who has nothing to say. Each person keeps their own context, filter and repeats, and is opened with their own keys.

What comes back is redacted; nothing is revealed on this way. A person who is unknown, erased or another tenant's is not
there, and neither the answer nor the log of anybody tells the difference.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import attrgetter
from typing import Final

from vault.audit.log import Event
from vault.errors import QuotaDeniedError
from vault.flows import validate
from vault.flows.additions import Embedded
from vault.flows.bodies import value_terms
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.outbox import alarm
from vault.flows.people.subjects import refuse_bound
from vault.flows.points import StoredPoints
from vault.flows.ranking import Wanted, answers, before_reranking, put_to, reranked, wanted, without_parts
from vault.flows.read import VALUE_WEIGHT
from vault.flows.scope import LOGGED_IDS, Found
from vault.flows.sign import sign_if_due
from vault.flows.vectors import embed_question, model_in_force
from vault.index.interface import Query
from vault.index.score import whole_of
from vault.index.terms import terms, value_ngrams
from vault.keys.keyring import SubjectKeys
from vault.policy.decide import ACROSS
from vault.types import Scope, SearchHit

_FEWEST_OPENED: Final = 2  # rows of one person opened at once


@dataclass(slots=True)
class _Person:
    """Somebody whose memories are searched: where they lie, and what of the answer is theirs."""

    found: Found
    shown: list[str] = field(default_factory=list)


def search_across(
    stages: Stages,
    caller: Caller,
    query: object,
    *,
    user_ids: object,
    agent_id: object,
    app_id: object,
    run_id: object,
    filters: object,
    limit: object,
    threshold: object,
    recency: object,
    distinct: object,
    explain: object,
) -> list[SearchHit]:
    """The best memories of several people for a question, best first; `user_ids` is None for everybody."""
    with calling(stages, caller, ACROSS) as call:
        refuse_bound(call)
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
        named = validate.identifiers("user_ids", user_ids) if user_ids is not None else None
        narrowed = Scope(
            None,
            validate.identifier("agent_id", agent_id),
            validate.identifier("app_id", app_id),
            validate.identifier("run_id", run_id),
        )
        people = [_Person(found) for found in _people(call, named, narrowed)]
        hits = _search(call, people, question, asked) if people else []
        _log(call, people, hits)
    return hits if asked.explain else without_parts(hits)


# --- who -------------------------------------------------------------------------------------------------------------


def _people(call: Call, named: Sequence[str] | None, narrowed: Scope) -> list[Found]:
    """Each person once, whatever ids name them; QuotaDeniedError, logged, for more than the pack allows."""
    most = call.stages.policy.people_at_once
    tags: dict[str, bytes] = {
        kind: call.tenant.tag(kind, value) for kind, value in narrowed.items() if value is not None
    }
    found: dict[int, Found] = {}
    if named is not None and len(named) > most:
        raise _too_many(call, most)
    for subject in _everybody(call) if named is None else _named(call, named):
        row = call.records.subject(subject.sid)
        if row is not None:
            found.setdefault(row.s, Found(subject, row.s, tags))
        if len(found) > most:
            raise _too_many(call, most)
    return list(found.values())


def _named(call: Call, user_ids: Sequence[str]) -> Iterator[SubjectKeys]:
    for user_id in user_ids:
        subject = call.stages.keystore.subject(call.tenant, "user", user_id)
        if subject is not None:
            yield subject


def _everybody(call: Call) -> Iterator[SubjectKeys]:
    """The people of the tenant, in the order they came; memories of agents, apps and runs are nobody's."""
    for row in sorted(call.records.subjects(), key=attrgetter("s")):
        subject = call.stages.keystore.subject_by_sid(call.tenant, row.sid)
        if subject is not None and call.stages.keystore.identity(call.tenant, row.sid)[0] == "user":
            yield subject


def _too_many(call: Call, most: int) -> QuotaDeniedError:
    call.log_read(call.event(result="denied"))
    return QuotaDeniedError(
        "quota.people", f"the policy pack lets one search look into {most} people at most; ask in parts"
    )


# --- ranking ---------------------------------------------------------------------------------------------------------


def _search(call: Call, people: Sequence[_Person], question: str, asked: Wanted) -> list[SearchHit]:
    vector = embed_question(call, question)
    more = before_reranking(call.stages.reranker, asked)
    at_once = max(_FEWEST_OPENED, more.limit // len(people))
    owners: dict[str, _Person] = {}

    def of(person: _Person, reader: StoredPoints, query: Query) -> Iterator[SearchHit]:
        for hit in answers(call, person.found, reader, query, more, at_once=at_once):
            owners[hit.memory.id] = person
            yield hit

    with call.records.reading():
        if vector.model != model_in_force(call.records):  # changed since
            vector = embed_question(call, question)
        readers = [StoredPoints(call.tenant, one.found.subject, call.records) for one in people]
        queries = _queries(call, [one.found for one in people], readers, question, vector)
        ranked = map(of, people, readers, queries)
        hits = list(islice(heapq.merge(*ranked, key=attrgetter("score"), reverse=True), more.limit))
    for person, reader in zip(people, readers, strict=True):
        alarm(call, person.found.subject, reader)
    hits = reranked(call.stages.reranker, question, hits, asked)
    for hit in hits:
        owners[hit.memory.id].shown.append(hit.memory.id)
    return hits


def _queries(
    call: Call, people: Sequence[Found], readers: Sequence[StoredPoints], question: str, vector: Embedded
) -> list[Query]:
    """The question as each person's memories are asked it, all as a part of the same whole.

    A known value has another term with each person: how many hold it is counted over everybody, by the value.
    """
    plain = {term: float(count) for term, count in terms(question).items()}
    forms = value_ngrams(question)
    held: Counter[str] = Counter()
    outlines = []
    for found, reader in zip(people, readers, strict=True):
        values = _value_terms(call, found, forms)
        weights = plain | dict.fromkeys(values.values(), VALUE_WEIGHT)
        outline = call.index.outline(reader, put_to(call, found, vector, weights))
        shared = dict(outline.frequencies)
        for form, term in values.items():
            held[form] += int(shared.pop(term, 0.0))
        outlines.append(replace(outline, frequencies=shared))
    whole = whole_of(outlines)
    queries = []
    for found in people:
        known = {form: float(count) for form, count in held.items() if count}
        own = dict(zip(value_terms(found.subject, list(known)), known.values(), strict=True))
        query = put_to(call, found, vector, plain | dict.fromkeys(own, VALUE_WEIGHT))
        queries.append(replace(query, whole=replace(whole, frequencies={**whole.frequencies, **own})))
    return queries


def _value_terms(call: Call, found: Found, forms: Sequence[str]) -> dict[str, int]:
    """The term of each form that may be a value of this person; nothing where nothing was redacted."""
    if not call.records.has_tokens(found.s):
        return {}
    return dict(zip(forms, value_terms(found.subject, forms), strict=True))


# --- log -------------------------------------------------------------------------------------------------------------


def _log(call: Call, people: Sequence[_Person], hits: Sequence[SearchHit]) -> None:
    """One entry for the search and one for each person looked into, in their own log: all of them, or no answer."""
    entries: list[tuple[Event, SubjectKeys | None, int | None]] = [
        (call.event(count=len(hits), people=len(people)), None, None)
    ]
    for person in people:
        shown = person.shown
        event = call.event(
            count=len(shown), object_id=shown[0] if len(shown) == 1 else "", ids=shown[:LOGGED_IDS]
        )
        entries.append((event, person.found.subject, person.found.s))
    call.log_reads(entries)
    sign_if_due(call)
