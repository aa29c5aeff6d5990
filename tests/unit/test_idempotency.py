"""Repeated writes: the same key within a day answers what the first call stored, and stores nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from support.calls import Clock, entries, held, operator, rows, session_of

from vault import Session, Vault
from vault.errors import ConflictError, InvalidInputError

KEY = "request-4711"
REQUEST: dict[str, Any] = {
    "content": [
        {"role": "user", "content": "write to ana@example.org"},
        {"role": "assistant", "content": "noted"},
    ],
    "user_id": "u",
    "agent_id": "a",
    "metadata": {"n": 1, "list": [1, {"b": 2}]},
}


def test_a_repeated_call_answers_the_same_and_stores_nothing(clinic: Vault, app: Session) -> None:
    first = app.add(**REQUEST, idempotency_key=KEY)
    before = held(clinic)
    for _ in range(3):
        assert app.add(**REQUEST, idempotency_key=KEY) == first
    assert app.add(**{**REQUEST, "metadata": {"list": [1, {"b": 2}], "n": 1}}, idempotency_key=KEY) == first
    assert held(clinic) == before
    assert len(first.memories) == 2
    assert [(e["act"], e["n"]) for e in entries(clinic)[-4:]] == [("memory.add", 0)] * 4  # and each is logged


def test_without_a_key_or_with_another_it_is_stored_again(clinic: Vault, app: Session) -> None:
    app.add(**REQUEST, idempotency_key=KEY)
    app.add(**REQUEST)
    app.add(**REQUEST, idempotency_key=KEY + "x")
    assert rows(clinic, "memories") == 6


OTHER: dict[str, dict[str, Any]] = {
    "another text": {"content": "write to bob@example.org"},
    "another role": {
        "content": [{"role": "tool", "content": "write to ana@example.org"}, {"content": "noted"}]
    },
    "one message less": {"content": REQUEST["content"][:1]},
    "another order": {"content": REQUEST["content"][::-1]},
    "other metadata": {"metadata": {"n": 2, "list": [1, {"b": 2}]}},
    "no metadata": {"metadata": None},
    "another user": {"user_id": "v"},
    "no user": {"user_id": None},
    "another agent": {"agent_id": "b"},
    "an expiry": {"expires_in": 3_600},
}


@pytest.mark.parametrize("change", OTHER)
def test_the_same_key_with_another_request_is_a_conflict(clinic: Vault, app: Session, change: str) -> None:
    clock = Clock(clinic)
    first = app.add(**REQUEST, idempotency_key=KEY)
    app.add("likes tea", user_id="v")
    before = held(clinic)
    request = {**REQUEST, **OTHER[change]}
    if "expires_in" in request:
        request["expires_at"] = clock.now + timedelta(seconds=request.pop("expires_in"))
    for attempt in (
        lambda: app.add(**request, idempotency_key=KEY),
        lambda: app.add(**request, idempotency_key=KEY),
    ):
        with pytest.raises(ConflictError) as caught:
            attempt()
        assert caught.value.code == "idempotency.mismatch"
    assert held(clinic) == before
    assert app.add(**REQUEST, idempotency_key=KEY) == first


def test_a_key_is_remembered_for_a_day(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    first = app.add(**REQUEST, idempotency_key=KEY)
    clock.move(hours=24)
    assert app.add(**REQUEST, idempotency_key=KEY) == first
    clock.move(seconds=1)
    second = app.add(**REQUEST, idempotency_key=KEY)
    assert {m.id for m in second.memories}.isdisjoint(m.id for m in first.memories)
    assert rows(clinic, "replays") == 1  # what is over a day old is forgotten with the next write
    clock.move(hours=25)
    app.add("another request altogether", user_id="u", idempotency_key=KEY)


def test_a_key_belongs_to_one_caller_in_one_tenant(clinic: Vault, app: Session) -> None:
    first = app.add(**REQUEST, idempotency_key=KEY)
    for other in (session_of(clinic, name="another-bot"), session_of(clinic, "bank")):
        second = other.add(**REQUEST, idempotency_key=KEY)
        assert second.memories[0].id != first.memories[0].id


def test_a_repeat_answers_the_memories_as_they_are_now(app: Session) -> None:
    first = app.add(**REQUEST, idempotency_key=KEY)
    updated = app.update(first.memories[0].id, "write to carol@example.org")
    assert app.add(**REQUEST, idempotency_key=KEY).memories == (updated, first.memories[1])
    app.delete(updated.id)
    assert app.add(**REQUEST, idempotency_key=KEY).memories == first.memories[1:]  # nothing is stored anew
    app.delete_all(user_id="u")
    assert app.add(**REQUEST, idempotency_key=KEY).memories == ()


def test_a_refused_call_uses_up_no_key(clinic: Vault, app: Session) -> None:
    with pytest.raises(InvalidInputError):
        app.add("", user_id="u", idempotency_key=KEY)
    assert rows(clinic, "replays") == 0
    assert len(app.add("likes tea", user_id="u", idempotency_key=KEY).memories) == 1


@pytest.mark.parametrize(
    "level", ["detail", "subject", "tenant", "index", "records", "log", "audit", "ids", "root"]
)
def test_a_repeat_is_recognised_after_a_rotation(clinic: Vault, app: Session, level: str) -> None:
    first = app.add(**REQUEST, idempotency_key=KEY)
    operator(clinic).keys_rotate(level)
    assert app.add(**REQUEST, idempotency_key=KEY) == first
    with pytest.raises(ConflictError):
        app.add("something else", user_id="u", idempotency_key=KEY)


def test_a_repeat_is_recognised_after_a_restart(clinic: Vault, app: Session) -> None:
    first = app.add(**REQUEST, idempotency_key=KEY)
    clinic.close()
    with Vault.open(clinic.folder) as again:
        assert session_of(again).add(**REQUEST, idempotency_key=KEY) == first


def test_keys_of_many_items(clinic: Vault, app: Session) -> None:
    items = [
        {"content": f"fact {n}", "user_id": f"u{n % 3}", "idempotency_key": f"line-{n:04}"} for n in range(20)
    ]
    first = app.add_many(items[:12], batch=5)
    before = held(clinic)
    assert app.add_many(items[:12], batch=7).ids == first.ids
    assert held(clinic) == before
    whole = app.add_many(items, batch=20)
    assert whole.ids[:12] == first.ids
    assert rows(clinic, "memories") == 20


@pytest.mark.parametrize("batch", [1, 2, 10])
def test_one_key_twice_in_a_list(clinic: Vault, app: Session, batch: int) -> None:
    """The second of two equal items is answered with the first; another request under the same key is refused."""
    same = {"content": "likes tea", "user_id": "u", "idempotency_key": KEY}
    result = app.add_many([same, {"content": "likes milk", "user_id": "u"}, same], batch=batch)
    assert result.ids[0] == result.ids[2] != result.ids[1]
    assert rows(clinic, "memories") == 2
    others = [{**same, "content": "likes rum"}, {**same, "user_id": "v"}]
    raising: list[Callable[[], object]] = [lambda o=o: app.add_many([same, o], batch=batch) for o in others]  # type: ignore[misc]
    for attempt in raising:
        with pytest.raises(ConflictError):
            attempt()
    collected = app.add_many(
        [same, *others, {"content": "likes gin", "user_id": "v"}], batch=batch, on_error="collect"
    )
    assert [(r.position, r.code) for r in collected.refused] == [
        (1, "idempotency.mismatch"),
        (2, "idempotency.mismatch"),
    ]
    assert collected.ids[0] == result.ids[0]
    assert rows(clinic, "memories") == 3
