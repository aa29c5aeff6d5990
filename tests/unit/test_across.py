"""Searching the memories of several people: who may, whom it reaches, how they rank, what the logs keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.calls import Clock, auditor, entries, operator, session_of, stages_of
from support.rights import GROUND, erased, privacy, tenant_keys

from vault import Session, Vault
from vault.audit.log import TenantLog
from vault.errors import (
    AuditWriteError,
    DeniedError,
    HeldError,
    InvalidInputError,
    PurposeDeniedError,
    QuotaDeniedError,
    StorageError,
)
from vault.flows import across
from vault.types import SearchHit

FACTS = {
    "ana": ["Allergic to penicillin, gets a rash", "Prefers tea in the afternoon", "Walks to the park"],
    "bob": ["Takes penicillin twice a day", "Reads the paper", "Reads the paper in bed"],
    "cem": ["Drives a bus", "Keeps bees in the garden"],
    "dot": ["Her penicillin prescription ended", "Penicillin made her dizzy", "Sings in a choir"],
}


@pytest.fixture
def ward(clinic: Vault) -> Vault:
    app = session_of(clinic)
    app.add_many([{"content": fact, "user_id": user} for user, facts in FACTS.items() for fact in facts])
    return clinic


def care(vault: Vault, tenant: str = "clinic", **options: Any) -> Session:
    return session_of(vault, tenant, roles=("care-team",), purpose="treatment", name="ward-3", **options)


def ask(
    vault: Vault, query: str = "penicillin", user_ids: Sequence[str] | None = tuple(FACTS), **options: Any
) -> list[SearchHit]:
    return care(vault).subjects.search(query, user_ids=user_ids, **options)


def said(hits: Sequence[SearchHit]) -> list[tuple[str | None, str]]:
    return [(hit.memory.user_id, hit.memory.text) for hit in hits]


# --- whom it reaches ------------------------------------------------------------------------------------------------


def test_the_people_named_are_searched_and_no_others(ward: Vault) -> None:
    assert {user for user, _ in said(ask(ward, limit=100))} == set(FACTS)
    assert {user for user, _ in said(ask(ward, user_ids=["ana", "cem"], limit=100))} == {"ana", "cem"}
    assert {user for user, _ in said(ask(ward, user_ids=None, limit=100))} == set(FACTS)
    best = said(ask(ward, limit=4))
    assert {text for _, text in best} == {
        text for facts in FACTS.values() for text in facts if "enicillin" in text
    }


def test_best_first_with_scores_bounds_and_parts(ward: Vault) -> None:
    hits = ask(ward, limit=7, explain=True)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert len(hits) == 7
    for hit in hits:
        assert hit.explain is not None
        parts = [value for name, value in hit.explain.items() if name.endswith("_part")]
        assert sum(parts) == pytest.approx(hit.score, abs=1e-5)
    cut = ask(ward, limit=7, threshold=scores[2])
    assert [hit.score for hit in cut] == scores[:3]
    assert all(hit.explain is None for hit in cut)


def test_unknown_people_are_not_there(ward: Vault) -> None:
    alone = ask(ward, user_ids=["ana"])
    assert ask(ward, user_ids=["nobody", "ana", "somebody else"]) == alone
    assert ask(ward, user_ids=["nobody"]) == []


def test_a_person_counts_once_under_whatever_ids(ward: Vault) -> None:
    officer = privacy(ward)
    officer.subjects.add_alias("ana", "ana-2")
    assert ask(ward, user_ids=["ana-2", "bob", "ana"]) == ask(ward, user_ids=["ana", "bob"])
    assert [hit.memory.user_id for hit in ask(ward, user_ids=["ana-2"], limit=3)] == ["ana"] * 3
    officer.subjects.merge("bob", "ana")
    together = ask(ward, user_ids=["bob", "ana"], limit=100)
    assert [hit.memory.user_id for hit in together] == ["ana"] * 6
    assert len({hit.memory.id for hit in together}) == 6


def test_memories_of_agents_are_nobodys(ward: Vault) -> None:
    session_of(ward).add("The desk orders penicillin", agent_id="desk")
    assert "desk" not in repr(ask(ward, user_ids=None, limit=100))
    assert ask(ward, user_ids=["desk"]) == []


def test_it_is_narrowed_by_agent_app_and_run(ward: Vault) -> None:
    app = session_of(ward)
    app.add("Penicillin on the list", user_id="ana", run_id="r1", agent_id="desk")
    app.add("Penicillin off the list", user_id="bob", run_id="r2", agent_id="desk")
    app.add("Penicillin by app", user_id="bob", app_id="phone")
    assert {user for user, _ in said(ask(ward, agent_id="desk", limit=100))} == {"ana", "bob"}
    assert said(ask(ward, user_ids=None, run_id="r2")) == [("bob", "Penicillin off the list")]
    assert said(ask(ward, app_id="phone")) == [("bob", "Penicillin by app")]
    assert ask(ward, app_id="phone", run_id="r1") == []


def test_filters_reach_into_each_person_and_translate_values(ward: Vault) -> None:
    app = session_of(ward)
    for user in ("ana", "bob"):
        app.add("Penicillin by mail", user_id=user, metadata={"room": user, "mail": "kim@example.org"})
    assert said(ask(ward, filters={"room": "bob"})) == [("bob", "Penicillin by mail")]
    assert len(ask(ward, filters={"mail": "kim@example.org"})) == 2
    assert "kim@" not in repr(ask(ward, filters={"mail": "kim@example.org"}))
    with pytest.raises(InvalidInputError) as caught:
        ask(ward, filters={"user_id": "ana"})
    assert caught.value.code == "filters.scope"


def test_what_expired_or_was_erased_is_not_there(ward: Vault) -> None:
    clock = Clock(ward)
    session_of(ward).add("Penicillin until tomorrow", user_id="cem", expires_at=clock.now + timedelta(days=1))
    assert "until tomorrow" in repr(ask(ward))
    clock.move(days=2)
    assert "until tomorrow" not in repr(ask(ward))
    erased(privacy(ward), user_id="dot")
    left = ask(ward, limit=100)
    assert {user for user, _ in said(left)} == {"ana", "bob", "cem"}
    assert ask(ward, user_ids=["dot"]) == []
    assert {user for user, _ in said(ask(ward, user_ids=None, limit=100))} == {"ana", "bob", "cem"}


def test_a_person_under_hold_is_read_as_ever(ward: Vault) -> None:
    officer = privacy(ward)
    before = ask(ward)
    officer.holds.place(user_id="dot", matter="case 7")
    assert ask(ward) == before
    request = officer.requests.open(ground=GROUND, user_id="dot")
    with pytest.raises(HeldError):
        request.preview()
    assert ask(ward) == before


# --- how they rank ----------------------------------------------------------------------------------------------------


def test_one_person_ranks_as_in_their_own_search(ward: Vault) -> None:
    app = session_of(ward)
    app.add("Write to ana.rivera@example.org about penicillin", user_id="ana")
    for query in (
        "penicillin",
        "tea in the park",
        "ana.rivera@example.org",
        "what about ana.rivera@example.org?",
    ):
        assert ask(ward, query, user_ids=["ana"], explain=True) == app.search(
            query, user_id="ana", explain=True
        )


def test_several_people_rank_as_one_who_had_all_their_memories(ward: Vault) -> None:
    """Each in their own conversation, so that nobody's memory is the context of another's."""
    app = session_of(ward)
    for user, facts in FACTS.items():
        app.add_many([{"content": fact, "user_id": "all", "run_id": user} for fact in facts])
    for query in ("penicillin", "who reads the paper?", "bees", "a rash in the afternoon"):
        together = {hit.memory.text: hit.score for hit in ask(ward, query, limit=100)}
        alone = {hit.memory.text: hit.score for hit in app.search(query, user_id="all", limit=100)}
        assert together == pytest.approx(alone, abs=2e-6)


def test_who_has_nothing_to_say_does_not_win(ward: Vault) -> None:
    """Ranked each by themselves, the best row of somebody who knows only one word of the question is a full match."""
    question = "does she get a rash from penicillin in the garden?"
    app = session_of(ward)
    by_themselves = {user: app.search(question, user_id=user, limit=1)[0] for user in FACTS}
    assert by_themselves["cem"].score > ask(ward, question, user_ids=["cem", "ana"], limit=100)[-1].score
    assert said(ask(ward, question, limit=1)) == [("ana", FACTS["ana"][0])]


def test_a_redacted_value_is_found_with_everybody_who_has_it(ward: Vault) -> None:
    app = session_of(ward)
    for user in ("bob", "dot"):
        app.add("Emergency contact: kim.osei@example.org", user_id=user)
    hits = ask(ward, "kim.osei@example.org", limit=3, explain=True)
    assert {hit.memory.user_id for hit in hits[:2]} == {"bob", "dot"}
    assert hits[0].score == pytest.approx(hits[1].score, abs=0.1)
    assert hits[2].score < hits[1].score / 2
    assert "kim.osei" not in repr(hits)


def test_the_same_fact_of_two_people_is_two_facts(ward: Vault) -> None:
    app = session_of(ward)
    for user in ("ana", "ana", "cem"):
        app.add("Has the key to the cellar", user_id=user)
    assert [user for user, _ in said(ask(ward, "cellar key", limit=2))] in (["ana", "cem"], ["cem", "ana"])
    assert [user for user, _ in said(ask(ward, "cellar key", limit=3, distinct=False))].count("ana") == 2


def test_recency_counts_over_people(ward: Vault) -> None:
    clock = Clock(ward)
    app = session_of(ward)
    app.add("Visited the cellar", user_id="ana")
    clock.move(days=30)
    app.add("Visited the cellar", user_id="cem")
    plain = ask(ward, "who visited the cellar", limit=2)
    assert plain[0].score == pytest.approx(plain[1].score, abs=1e-6)
    aged = ask(ward, "who visited the cellar", limit=2, recency=30, explain=True)
    assert [user for user, _ in said(aged)] == ["cem", "ana"]
    assert aged[1].score == pytest.approx(aged[0].score / 2, abs=2e-6)


class Longest:
    """A re-ranker that prefers long texts, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.shown = list(texts)
        return [min(len(text), 100) / 100 for text in texts]


def test_a_reranker_reads_the_best_of_all(ward: Vault) -> None:
    stages_of(ward).reranker = reranker = Longest()
    hits = ask(ward, limit=2)
    assert len(reranker.shown) == sum(map(len, FACTS.values()))
    assert [len(hit.memory.text) for hit in hits] == sorted(map(len, reranker.shown), reverse=True)[:2]


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "purpose", "error"),
    [
        (("app",), "service", PurposeDeniedError),
        (("staff",), "treatment", DeniedError),
        (("care-team",), "service", PurposeDeniedError),
        (("operator",), "operations", PurposeDeniedError),
        (("auditor",), "audit", PurposeDeniedError),
        ((), "treatment", DeniedError),
    ],
)
def test_others_are_denied_and_it_is_logged(
    ward: Vault, roles: tuple[str, ...], purpose: str, error: type[DeniedError]
) -> None:
    session = session_of(ward, roles=roles, purpose=purpose)
    with pytest.raises(error):
        session.subjects.search("penicillin", user_ids=["ana"])
    last = entries(ward)[-1]
    assert (last["act"], last["res"]) == ("subject.search", "denied")


def test_the_privacy_role_may(ward: Vault) -> None:
    assert privacy(ward).subjects.search("penicillin", user_ids=["ana", "bob"], limit=2)


def test_a_session_bound_to_one_user_is_refused(ward: Vault) -> None:
    for user_ids in (["ana"], ["ana", "bob"], None):
        with pytest.raises(InvalidInputError) as caught:
            care(ward, user_id="ana").subjects.search("penicillin", user_ids=user_ids)
        assert caught.value.code == "scope.bound"


def lowered(vault: Vault, most: int) -> None:
    stages = stages_of(vault)
    stages.policy = replace(stages.policy, people_at_once=most)


def test_more_people_than_the_pack_allows_are_refused_and_never_cut(ward: Vault) -> None:
    lowered(ward, 3)
    assert ask(ward, user_ids=["ana", "bob", "cem"])
    for user_ids in (list(FACTS), ["ana", "x", "y", "z"], ["w", "x", "y", "z"], None):
        with pytest.raises(QuotaDeniedError) as caught:
            ask(ward, user_ids=user_ids)
        assert (caught.value.code, "3 people" in str(caught.value)) == ("quota.people", True)
        last = entries(ward)[-1]
        assert (last["act"], last["res"], last["n"]) == ("subject.search", "denied", 0)
    lowered(ward, 4)
    assert ask(ward, user_ids=None) == ask(ward, user_ids=list(FACTS))
    assert ask(ward, user_ids=["ana"] * 50) == ask(ward, user_ids=["ana"])


@pytest.mark.parametrize(
    ("user_ids", "code"),
    [
        ("ana", "user_ids.type"),
        ({"ana": 1}, "user_ids.type"),
        ([], "user_ids.empty"),
        ([None], "scope.missing"),
        (["*"], "scope.wildcard"),
        ([["ana"]], "scope.type"),
        ([{"in": ["ana"]}], "scope.type"),
        ([""], "scope.empty"),
    ],
)
def test_people_are_named_one_by_one(ward: Vault, user_ids: Any, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ask(ward, user_ids=user_ids)
    assert caught.value.code == code


# --- logs -------------------------------------------------------------------------------------------------------------


def test_each_person_has_it_in_their_own_log(ward: Vault) -> None:
    size = len(entries(ward))
    hits = ask(ward, user_ids=["ana", "bob", "cem", "nobody"], limit=2)
    new = entries(ward)[size:]
    assert [(one["act"], one["res"], one["n"]) for one in new[:1]] == [("subject.search", "ok", 2)]
    assert {one["act"] for one in new} == {"subject.search"}
    assert len(new) == 4  # the search, and three people: nobody is not there
    assert len({one["subj"] for one in new[1:]}) == 3
    seen = [one for one in auditor(ward).audit_show() if one.action == "subject.search"]
    assert [(one.about, one.count) for one in seen] == [
        (None, 2),
        *(
            (f"user:{user}", sum(hit.memory.user_id == user for hit in hits))
            for user in ("ana", "bob", "cem")
        ),
    ]
    assert {memory_id for one in seen[1:] for memory_id in one.memory_ids} == {hit.memory.id for hit in hits}
    assert seen[0].memory_ids == ()


def test_the_access_report_of_a_person_shows_it_and_nobody_else(ward: Vault) -> None:
    ask(ward, user_ids=["ana", "cem"], limit=1)
    for user in ("ana", "cem"):
        shown = [one for one in auditor(ward).audit_show(user_id=user) if one.action == "subject.search"]
        assert [(one.about, one.actor, one.purpose) for one in shown] == [
            (f"user:{user}", "ward-3", "treatment")
        ]
    assert not [one for one in auditor(ward).audit_show(user_id="bob") if one.action == "subject.search"]


def test_the_log_holds_neither_question_nor_ids(ward: Vault) -> None:
    ask(ward, "a quorvanthine question", user_ids=["ana", "somebody-unheard-of"])
    stages, keys = stages_of(ward), tenant_keys(ward)
    with stages.stores.use(keys) as store:
        rows = list(store.records.log())
        subject = {row.s: stages.keystore.subject_by_sid(keys, row.sid) for row in store.records.subjects()}
        log = TenantLog(store.records, keys)
        details = [log.open_detail(row, subject.get(row.s) if row.s is not None else None) for row in rows]
    told = repr([row.entry for row in rows]) + repr(details)
    assert "quorvanthine" not in told
    assert "unheard" not in told


def test_what_cannot_be_logged_for_all_is_not_answered(ward: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third person's entry fails: nobody has one, and nothing is answered."""
    before = entries(ward)
    append, count = TenantLog.append, [0]

    def failing(self: TenantLog, *args: Any, **options: Any) -> int:
        count[0] += 1
        if count[0] == 4:
            raise StorageError("storage.full", "no space")
        return append(self, *args, **options)

    monkeypatch.setattr(TenantLog, "append", failing)
    with pytest.raises(AuditWriteError):
        ask(ward)
    monkeypatch.undo()
    assert entries(ward) == before
    assert operator(ward).audit_verify()


def test_the_entries_are_there_when_the_answer_never_leaves(
    ward: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after the commit and before the answer: every person has it in their log already."""

    class CutError(Exception):
        pass

    def cut(_call: object) -> None:
        raise CutError

    size = len(entries(ward))
    monkeypatch.setattr(across, "sign_if_due", cut)
    with pytest.raises(CutError):
        ask(ward)
    monkeypatch.undo()
    assert [one["act"] for one in entries(ward)[size:]] == ["subject.search"] * (1 + len(FACTS))
