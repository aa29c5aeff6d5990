"""Searching: by meaning, by word, by a value that was redacted; scores, thresholds, filters; asking stores nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.calls import Clock, held, operator, session_of

from vault import Session, Vault
from vault.errors import VectorIndexError

FACTS = [
    "Her cardiology follow-up moved to 4 May",
    "She is allergic to penicillin and gets a rash",
    "He parks the car behind the bakery",
    "The children start school in September",
    "She prefers to be called in the afternoon",
    "The invoice for the roof repair is still open",
]
SPELLINGS = {
    "ana.rivera@example.org": [
        "ana.rivera@example.org",
        "ANA.RIVERA@EXAMPLE.ORG",
        "ａｎａ.ｒｉｖｅｒａ@example.org",
    ],
    "(212) 555-0187": ["212-555-0187", "2125550187", "212.555.0187", "(212)555 0187"],
    "536-90-4399": ["536904399", "536 90 4399", "５３６-９０-４３９９"],
    "4111 1111 1111 1111": ["4111111111111111", "4111-1111-1111-1111"],
    "GB82 WEST 1234 5698 7654 32": ["GB82WEST12345698765432", "gb82 west 1234 5698 7654 32"],
}


@pytest.fixture
def filled(app: Session) -> Session:
    app.add_many(
        [
            {"content": fact, "user_id": "u", "metadata": {"n": n, "odd": n % 2 == 1}}
            for n, fact in enumerate(FACTS)
        ]
    )
    return app


def texts(session: Session, query: str, **options: Any) -> list[str]:
    return [hit.memory.text for hit in session.search(query, **{"user_id": "u", **options})]


@pytest.mark.parametrize(
    ("query", "fact"),
    [
        ("when does she see the heart doctor?", 0),
        ("can I give her antibiotics?", 1),
        ("where is the automobile?", 2),
        ("when do the kids go back to class?", 3),
        ("bill for fixing the house", 5),
    ],
)
def test_by_meaning(filled: Session, query: str, fact: int) -> None:
    assert texts(filled, query)[0] == FACTS[fact]


@pytest.mark.parametrize(
    ("query", "fact"), [("cardiology", 0), ("PENICILLIN", 1), ("bakeries", 2), ("invoices", 5)]
)
def test_by_word(filled: Session, query: str, fact: int) -> None:
    assert texts(filled, query)[0] == FACTS[fact]


@pytest.mark.parametrize("value", SPELLINGS)
def test_by_a_value_that_was_redacted(filled: Session, value: str) -> None:
    stored = filled.add(f"Written on the form: {value}", user_id="u").memories[0]
    assert value not in stored.text
    for spelling in SPELLINGS[value]:
        for query in (spelling, f"who has {spelling}?"):
            hits = filled.search(query, user_id="u", explain=True)
            assert hits[0].memory == stored, spelling
            assert hits[0].explain is not None
            assert hits[0].explain["lexical"] > 0, spelling
    assert texts(filled, "nobody@example.org", threshold=0.5) == []


def test_a_value_in_metadata_is_found_by_a_filter(filled: Session) -> None:
    """What is searched is the text, who said it and when; metadata is what filters are for."""
    filled.add(
        {"content": "likes tea", "name": "ana@example.org"}, user_id="u", metadata={"mail": "ana@example.org"}
    )
    assert len(filled.list(user_id="u", filters={"mail": "ana@example.org"}).memories) == 1


def test_best_first_and_never_more_than_asked_for(filled: Session) -> None:
    hits = filled.search("cardiology follow-up in May", user_id="u", limit=4)
    assert len(hits) == 4
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len(filled.search("cardiology", user_id="u", limit=1_000)) == len(FACTS)
    assert len(filled.search("cardiology", user_id="u")) == len(FACTS)  # ten, of six


def test_a_threshold_cuts_the_tail(filled: Session) -> None:
    every = filled.search("cardiology follow-up", user_id="u")
    for cut in (0.0, every[0].score, every[2].score, every[-1].score, 1.0):
        kept = filled.search("cardiology follow-up", user_id="u", threshold=cut)
        assert [hit.memory for hit in kept] == [hit.memory for hit in every if hit.score >= cut]


def test_the_parts_explain_the_score(filled: Session) -> None:
    for hit in filled.search("penicillin allergy", user_id="u", explain=True):
        assert hit.explain is not None
        parts = [value for name, value in hit.explain.items() if name.endswith("_part")]
        assert sum(parts) == pytest.approx(hit.score, abs=1e-5)
        assert set(hit.explain) == {"dense", "lexical", "dense_part", "lexical_part", "context_part"}
    assert all(hit.explain is None for hit in filled.search("penicillin", user_id="u"))


class Reversed:
    """A re-ranker that puts last first, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.shown = list(texts)
        return [place / len(texts) for place in range(len(texts))]


def test_a_reranker_orders_what_the_index_found(clinic: Vault, app: Session, filled: Session) -> None:
    plain = filled.search("cardiology follow-up", user_id="u", explain=True)
    clinic._opened().reranker = reranker = Reversed()
    again = app.search("cardiology follow-up", user_id="u", limit=2, explain=True)
    assert [hit.memory for hit in again] == [hit.memory for hit in plain[:-3:-1]]
    assert reranker.shown == [hit.memory.text for hit in plain]
    assert again[0].explain == {**(plain[-1].explain or {}), "index": plain[-1].score, "rerank": 5 / 6}
    kept = app.search("cardiology follow-up", user_id="u", threshold=0.5)
    assert [(hit.score, hit.explain) for hit in kept] == [(5 / 6, None), (4 / 6, None), (0.5, None)]


def test_a_reranker_comes_with_the_vault_that_is_opened(clinic: Vault, filled: Session) -> None:
    reranker = Reversed()
    clinic.close()
    with Vault.open(clinic.folder, reranker=reranker) as again:
        session_of(again).search("tea", user_id="u")
    assert reranker.shown


def test_a_reranker_is_shown_tokens_and_never_values(clinic: Vault, app: Session) -> None:
    app.add("Write to ana.rivera@example.org", user_id="u")
    clinic._opened().reranker = reranker = Reversed()
    app.search("who is ana.rivera@example.org?", user_id="u")
    assert len(reranker.shown) == 1
    assert "ana.rivera" not in reranker.shown[0]


@pytest.mark.parametrize("scores", [[], [0.5] * 5, [1.5] * 6, [-0.1] * 6, [float("nan")] * 6])
def test_a_reranker_that_gives_no_scores_is_refused(
    clinic: Vault, filled: Session, scores: list[float]
) -> None:
    reranker = Reversed()
    reranker.scores = lambda question, texts: scores  # type: ignore[method-assign]
    clinic._opened().reranker = reranker
    with pytest.raises(VectorIndexError) as refused:
        filled.search("cardiology", user_id="u")
    assert refused.value.code == "index.rerank"


def test_equal_answers_come_newest_first(app: Session) -> None:
    ids = [app.add("likes tea", user_id="u").memories[0].id for _ in range(5)]
    for _ in range(3):
        found = app.search("tea", user_id="u", distinct=False)
        assert [hit.memory.id for hit in found] == ids[::-1]


def test_a_search_sees_what_was_just_written(app: Session) -> None:
    memory = app.add("likes tea", user_id="u").memories[0]
    assert texts(app, "tea") == ["likes tea"]
    app.add("likes milk", user_id="u")
    assert texts(app, "milk")[0] == "likes milk"
    app.update(memory.id, "likes rum")
    assert texts(app, "rum")[0] == "likes rum"
    app.delete(memory.id)
    assert texts(app, "rum") == ["likes milk"]
    app.delete_all(user_id="u")
    assert texts(app, "milk") == []


def test_two_open_vaults_see_each_others_writes(clinic: Vault, app: Session) -> None:
    with Vault.open(clinic.folder) as second:
        other = session_of(second)
        memory = app.add("likes tea", user_id="u").memories[0]
        assert texts(other, "tea") == ["likes tea"]
        other.update(memory.id, "likes rum")
        assert texts(app, "rum") == ["likes rum"]
        app.delete(memory.id)
        assert texts(other, "rum") == []


def test_a_user_and_an_agent_together(app: Session) -> None:
    app.add("likes tea at home", user_id="u", agent_id="home")
    app.add("likes tea at work", user_id="u", agent_id="work")
    app.add("likes tea anywhere", user_id="u")
    app.add("likes tea, says the agent", agent_id="work")
    assert texts(app, "tea", agent_id="work") == ["likes tea at work"]
    assert len(texts(app, "tea")) == 3
    assert texts(app, "tea", user_id=None, agent_id="work") == ["likes tea, says the agent"]
    assert texts(app, "tea", agent_id="work", limit=1, filters={"role": {"ne": "tool"}}) == [
        "likes tea at work"
    ]


def test_strangers_and_other_tenants_find_nothing(clinic: Vault, filled: Session) -> None:
    assert texts(filled, "cardiology", user_id="U") == []
    assert texts(session_of(clinic, "bank"), "cardiology") == []


@pytest.mark.parametrize(
    "query", ["?", "the of and", "%' OR 1=1 --", "🙂", "\u202eabc", "[EMAIL:abcdef]", "a" * 60_000]
)
def test_any_text_is_a_question(filled: Session, query: str) -> None:
    assert len(texts(filled, query)) == len(FACTS)


def test_asking_stores_nothing(clinic: Vault, filled: Session) -> None:
    before = held(clinic)
    for query in ("ana@example.org", "My SSN is 536-90-4399", "cardiology"):
        texts(filled, query)
        texts(filled, query, user_id="stranger")
        filled.list(user_id="u", filters={"mail": query})
    assert held(clinic) == before


# --- filters ----------------------------------------------------------------------------------------------


def test_filters_narrow_a_search(filled: Session) -> None:
    assert texts(filled, "cardiology", filters={"n": 0}) == [FACTS[0]]
    assert texts(filled, "cardiology", filters={"n": {"gt": 3}, "odd": True}) == [FACTS[5]]
    assert set(texts(filled, "cardiology", filters={"OR": [{"n": 1}, {"n": {"in": [2, 3]}}]})) == set(
        FACTS[1:4]
    )
    assert set(texts(filled, "cardiology", filters={"NOT": [{"odd": True}]})) == set(FACTS[::2])
    assert texts(filled, "cardiology", filters={"n": 99}) == []
    assert len(texts(filled, "cardiology", filters={})) == len(FACTS)


def test_a_filtered_search_goes_on_to_the_last_memory(app: Session) -> None:
    """The two that match are the worst answers of 300."""
    app.add_many([{"content": f"tea number {n}", "user_id": "u"} for n in range(298)])
    app.add_many(
        [{"content": f"roof repair {n}", "user_id": "u", "metadata": {"kind": "house"}} for n in range(2)]
    )
    assert set(texts(app, "a cup of tea", filters={"kind": "house"}, limit=5)) == {
        "roof repair 0",
        "roof repair 1",
    }
    assert len(texts(app, "a cup of tea", filters={"kind": "house"}, limit=1)) == 1


def test_filters_compare_redacted_values_in_any_spelling(app: Session) -> None:
    for n, mail in enumerate(["Ana@Example.org", "ana@example.org", "bob@example.org", None]):
        app.add(f"person {n}", user_id="u", metadata={"mail": mail, "note": f"write to {mail}", "n": n})

    def found(tree: dict[str, Any]) -> list[str]:
        listed = [m.text for m in app.list(user_id="u", filters=tree).memories]
        assert sorted(texts(app, "person", filters=tree)) == sorted(listed)
        return listed

    for spelling in ("Ana@Example.org", "ana@example.org", "ANA@EXAMPLE.ORG"):
        assert found({"mail": spelling}) == ["person 0", "person 1"]
        assert found({"mail": {"ne": spelling}}) == ["person 2", "person 3"]
        assert found({"mail": {"in": [spelling, "bob@example.org"]}}) == ["person 0", "person 1", "person 2"]
        assert found({"NOT": [{"mail": {"in": [spelling]}}]}) == ["person 2", "person 3"]
        assert found({"note": {"contains": spelling}}) == ["person 0", "person 1"]
        assert found({"note": {"icontains": spelling}}) == ["person 0", "person 1"]
    assert found({"mail": "carol@example.org"}) == []
    assert found({"mail": None}) == ["person 3"]


def test_filters_compare_redacted_numbers(app: Session) -> None:
    app.add("on file", user_id="u", metadata={"ssn": 536904399, "room": 12})
    app.add("not on file", user_id="u", metadata={"ssn": 0, "room": "12"})
    for value in (536904399, 536904399.0, "536904399", "536-90-4399"):
        assert texts(app, "file", filters={"ssn": value}) == ["on file"]
    assert texts(app, "file", filters={"room": 12}) == ["on file"]
    assert texts(app, "file", filters={"room": "12"}) == ["not on file"]


def test_a_filter_of_one_user_does_not_know_anothers_values(app: Session) -> None:
    app.add("person", user_id="other", metadata={"mail": "ana@example.org"})
    token = app.list(user_id="other").memories[0].metadata["mail"]
    app.add("person", user_id="u", metadata={"mail": "bob@example.org", "copy": token})
    assert texts(app, "person", filters={"mail": "ana@example.org"}) == []
    assert texts(app, "person", filters={"copy": "ana@example.org"}) == []


def test_filters_over_times_and_roles(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    start = clock.now
    for day, role in enumerate(["user", "assistant", "user"]):
        clock.now = start + timedelta(days=day)
        app.add({"role": role, "content": f"day {day}"}, user_id="u")
    second = start + timedelta(days=1)
    assert texts(app, "day", filters={"created_at": {"gt": second}}) == ["day 2"]
    assert sorted(texts(app, "day", filters={"created_at": {"gte": second.isoformat()}})) == [
        "day 1",
        "day 2",
    ]
    assert texts(app, "day", filters={"created_at": second}) == ["day 1"]
    assert sorted(texts(app, "day", filters={"role": "user"})) == ["day 0", "day 2"]
    clock.move(days=1)
    app.update(app.list(user_id="u").memories[0].id, "day 0 again")
    assert texts(app, "day", filters={"updated_at": {"gt": start + timedelta(days=2)}}) == ["day 0 again"]


# --- what says the same -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Likes green tea", "Likes green tea"),
        ("Likes green tea", "likes GREEN tea."),
        ("Likes green tea", "  Likes\tgreen\n tea!  "),
        ("Likes green tea", "Likes green tea \u2026"),
        ("Write to ana@example.org", "write to  ana@example.org."),
    ],
)
def test_what_says_the_same_takes_one_place(app: Session, first: str, second: str) -> None:
    for text in (first, second, "Goes by bus"):
        app.add(text, user_id="u")
    hits = app.search(first, user_id="u")
    assert len(hits) == 2
    every = app.search(first, user_id="u", distinct=False)
    assert len(every) == 3
    assert hits == [every[0], every[2]]  # the best of them, the newest where they are equal


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Takes 1.5 mg", "Takes 15 mg"),
        ("Dose is 10", "Dose is -10"),
        ("Area is 10\u00b2", "Area is 102"),
        ("The dog bit the man", "The man bit the dog"),
        ("Does she smoke", "Does she smoke?"),
        ("Write to ana@example.org", "Write to bob@example.org"),
        ("\u0915\u093f", "\u0915\u0940"),  # letters that differ in a mark only
    ],
)
def test_what_differs_inside_is_two_things(app: Session, first: str, second: str) -> None:
    app.add(first, user_id="u")
    app.add(second, user_id="u")
    assert len(app.search(first, user_id="u")) == 2


def test_two_speakers_dates_and_rooms_are_two_things(app: Session) -> None:
    said = {"content": "Blood pressure is 120 over 80"}
    app.add([{**said, "role": "user"}, {**said, "role": "assistant"}], user_id="u")
    for name in ("Kim", "Lee"):
        app.add({**said, "role": "user", "name": name}, user_id="u")
    for day in ("2026-01-01", "2026-02-01"):
        app.add("Blood pressure is 120 over 80", user_id="u", metadata={"on": day, "by": ["x", {"y": 1}]})
    app.add(
        "Blood pressure is 120 over 80", user_id="u", metadata={"by": ["x", {"y": 1}], "on": "2026-01-01"}
    )
    assert len(app.search("blood pressure", user_id="u", distinct=False)) == 7
    assert len(app.search("blood pressure", user_id="u")) == 6
    assert len(app.search("blood pressure", user_id="u", filters={"on": "2026-01-01"})) == 1


def test_repeats_leave_room_for_others(app: Session) -> None:
    """Ten different answers are asked for, and ten are given, however often each was stored."""
    app.add_many([{"content": f"Tea of kind {n % 12}", "user_id": "u"} for n in range(120)])
    for limit in (1, 5, 10, 12, 20):
        found = texts(app, "which tea", limit=limit)
        assert len(found) == len(set(found)) == min(limit, 12)
    assert len(texts(app, "which tea", limit=20, distinct=False)) == 20


# --- age --------------------------------------------------------------------------------------------------------------


def test_recency_halves_a_score_with_each_half_life(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    for room in (1, 2, 3):
        app.add("Sleeps badly", user_id="u", metadata={"room": room})
        clock.move(days=10)
    plain = app.search("how does she sleep?", user_id="u", explain=True)
    assert len({hit.score for hit in plain}) == 1
    hits = app.search("how does she sleep?", user_id="u", recency=10, explain=True)
    assert [hit.memory.metadata["room"] for hit in hits] == [3, 2, 1]
    for hit, times in zip(hits, (1, 2, 3), strict=True):
        assert hit.explain is not None
        assert hit.explain["recency"] == pytest.approx(0.5**times)
        assert hit.score == pytest.approx(plain[0].score * 0.5**times, abs=1e-6)
        parts = sum(value for name, value in hit.explain.items() if name.endswith("_part"))
        assert parts * hit.explain["recency"] == pytest.approx(hit.score, abs=1e-5)
    assert app.search("how does she sleep?", user_id="u", recency=10, threshold=hits[1].score) == [
        replace(hit, explain=None) for hit in hits[:2]
    ]


def test_an_update_makes_a_memory_new(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    first = app.add("Sleeps badly at night", user_id="u").memories[0]
    app.add("Sleeps badly by day", user_id="u")
    clock.move(days=100)
    app.update(first.id, "Sleeps badly at night, still")
    assert app.search("sleeps badly", user_id="u", recency=5)[0].memory.id == first.id


def test_age_ranks_the_whole_scope_and_not_only_the_best(clinic: Vault, app: Session) -> None:
    """Whatever the limit, the answer is that of scores times age over every memory."""
    clock = Clock(clinic)
    for n in range(120):
        app.add(f"{'tea ' * (1 + n % 5)}of kind {n}", user_id="u")
        clock.move(days=1)
    for half_life in (0.5, 7, 60, 36_500):
        every = {hit.memory.id: hit for hit in app.search("tea", user_id="u", limit=1_000, explain=True)}
        wanted = sorted(
            (
                round(
                    hit.score
                    * 2 ** -((clock.now - hit.memory.updated_at).total_seconds() / 86_400 / half_life),
                    6,
                )
                for hit in every.values()
            ),
            reverse=True,
        )
        for limit in (1, 3, 10, 50, 120):
            found = app.search("tea", user_id="u", limit=limit, recency=half_life)
            assert [hit.score for hit in found] == pytest.approx(wanted[:limit], abs=2e-6)


def test_no_recency_changes_nothing(clinic: Vault, app: Session, filled: Session) -> None:
    before = filled.search("cardiology follow-up", user_id="u", explain=True)
    Clock(clinic).move(days=1_000)
    assert filled.search("cardiology follow-up", user_id="u", explain=True) == before


def test_a_reranked_answer_is_aged_too(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    app.add("Sleeps badly at night", user_id="u")
    clock.move(days=10)
    app.add("Sleeps badly by day", user_id="u")
    clinic._opened().reranker = Reversed()
    hits = app.search("sleeps badly", user_id="u", recency=10, explain=True)
    for hit in hits:
        assert hit.explain is not None
        assert hit.score == pytest.approx(hit.explain["rerank"] * hit.explain["recency"])


# --- speaker and day --------------------------------------------------------------------------------------------------


def test_a_memory_is_found_by_the_day_it_was_stored(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic, datetime(2023, 5, 8, 23, 30, tzinfo=UTC))
    app.add("Went for a walk", user_id="u")
    clock.move(days=40)
    app.add("Went for a walk", user_id="u", metadata={"second": True})
    first = app.list(user_id="u").memories[0]
    for question in ("what did she do on 8 May 2023?", "a walk in May"):
        assert app.search(question, user_id="u")[0].memory == first
    assert app.search("a walk in June", user_id="u")[0].memory.metadata == {"second": True}
    app.update(first.id, "Went for a swim")  # it stays the day of what was said first
    assert app.search("what happened on 8 May?", user_id="u")[0].memory.id == first.id


def test_a_memory_is_found_by_who_said_it(app: Session) -> None:
    """A name that is no detected value is a word, and one that is, is looked up as what its token stands for."""
    for names in (("Desk 1", "Desk 2"), ("Pickle", "Button"), ("ana@example.org", "bob@example.org")):
        said, user = {"role": "user", "content": "Likes to swim"}, f"u{len(names[0])}"
        ids = [app.add({**said, "name": name}, user_id=user).memories[0].id for name in names]
        for name, memory_id in zip(names, ids, strict=True):
            hits = app.search(f"what does {name} like?", user_id=user)
            assert hits[0].memory.id == memory_id
            assert hits[0].score > hits[1].score
            assert "@" not in repr(hits)


def test_speaker_and_day_survive_merging_and_the_index_agrees(clinic: Vault, app: Session) -> None:
    Clock(clinic, datetime(2023, 5, 8, 12, tzinfo=UTC))
    first = app.add({"role": "user", "content": "Likes to swim", "name": "Pickle"}, user_id="one").memories[0]
    Clock(clinic, datetime(2023, 6, 9, 12, tzinfo=UTC))
    second = app.add({"role": "user", "content": "Likes to swim", "name": "Button"}, user_id="two").memories[
        0
    ]
    session_of(clinic, roles=("privacy",), purpose="rights-request").subjects.merge("one", "two")
    found = [app.search(query, user_id="two")[0].memory for query in ("8 May", "9 June", "Pickle", "Button")]
    assert [memory.created_at for memory in found] == [first.created_at, second.created_at] * 2
    assert operator(clinic).index_verify()["stale"] == 0
