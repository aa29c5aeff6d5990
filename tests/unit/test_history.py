"""The history of a memory: every version, who and why; after its end times and actors, and no value."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.calls import Clock, entries, operator, rows, session_of

from vault import Session, Vault
from vault.errors import InvalidInputError, NotFoundError


def test_every_version_with_who_when_and_why(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    start = clock.now
    memory = app.add("likes tea", user_id="u", metadata={"n": 1}).memories[0]
    clock.move(hours=1)
    session_of(clinic, roles=("staff",), name="kim").update(memory.id, "likes coffee", reason="she said so")
    clock.move(hours=1)
    app.update(memory.id, metadata={"n": 2})
    steps = app.history(memory.id)
    assert [(s.version, s.event, s.actor, s.reason) for s in steps] == [
        (1, "ADD", "intake-bot", None),
        (2, "UPDATE", "kim", "she said so"),
        (3, "UPDATE", "intake-bot", None),
    ]
    assert [(s.text, s.metadata) for s in steps] == [
        ("likes tea", {"n": 1}),
        ("likes coffee", {"n": 1}),
        ("likes coffee", {"n": 2}),
    ]
    assert [s.at for s in steps] == [start, start + timedelta(hours=1), start + timedelta(hours=2)]


def test_the_history_is_redacted_like_the_memory(app: Session) -> None:
    memory = app.add("reach me at ana@example.org", user_id="u").memories[0]
    app.update(memory.id, "reach me at bob@example.org")
    first, second = app.history(memory.id)
    assert first.text == memory.text
    assert "example.org" not in f"{first.text}{second.text}"


def test_after_a_delete_times_and_actors_stay_and_no_value(clinic: Vault, app: Session) -> None:
    memory = app.add("reach me at ana@example.org", user_id="u", metadata={"n": 1}).memories[0]
    app.update(memory.id, "moved to bob@example.org", reason="moved")
    session_of(clinic, roles=("staff",), name="kim").delete(memory.id, reason="asked to")
    steps = app.history(memory.id)
    assert [(s.version, s.event, s.actor, s.reason, s.text, s.metadata) for s in steps] == [
        (1, "ADD", "intake-bot", None, None, None),
        (2, "UPDATE", "intake-bot", "moved", None, None),
        (3, "DELETE", "kim", "asked to", None, None),
    ]
    assert rows(clinic, "revisions") == 3
    operator(clinic).audit_verify()


def test_delete_all_leaves_the_same_trail(app: Session) -> None:
    first, second = (app.add(text, user_id="u").memories[0] for text in ("likes tea", "likes rum"))
    app.delete_all(user_id="u")
    for memory in (first, second):
        assert [(s.event, s.text) for s in app.history(memory.id)] == [("ADD", None), ("DELETE", None)]


def test_a_neighbours_history_stays(app: Session) -> None:
    kept, gone = (app.add(text, user_id="u").memories[0] for text in ("likes tea", "likes rum"))
    app.update(kept.id, "likes milk")
    app.delete(gone.id)
    assert [s.text for s in app.history(kept.id)] == ["likes tea", "likes milk"]


def test_a_history_of_nothing(clinic: Vault, app: Session) -> None:
    foreign = session_of(clinic, "bank").add("has a loan", user_id="u").memories[0]
    for memory_id in (foreign.id, "7f9c24e8-3b12-4fef-91e0-5a0b93c1d2e4", ""):
        with pytest.raises(NotFoundError):
            app.history(memory_id)
        last = entries(clinic)[-1]
        assert (last["act"], last["res"]) == ("memory.history", "not_found")


def test_a_refused_reason_leaves_no_version(app: Session) -> None:
    memory = app.add("likes tea", user_id="u").memories[0]
    for reason in ("", "x" * 1_025, "why\0"):
        with pytest.raises(InvalidInputError):
            app.update(memory.id, "likes rum", reason=reason)
        with pytest.raises(InvalidInputError):
            app.delete(memory.id, reason=reason)
    assert len(app.history(memory.id)) == 1


def test_the_history_survives_a_restart_and_a_rotation(clinic: Vault, app: Session) -> None:
    memory = app.add("likes tea", user_id="u").memories[0]
    app.update(memory.id, "likes rum", reason="asked")
    app.delete(app.add("likes milk", user_id="u").memories[0].id)
    before = app.history(memory.id)
    for level in ("subject", "ids", "detail", "tenant", "index", "records", "log", "audit", "root"):
        operator(clinic).keys_rotate(level)
        assert app.history(memory.id) == before, level
    clinic.close()
    with Vault.open(clinic.folder) as again:
        assert session_of(again).history(memory.id) == before
