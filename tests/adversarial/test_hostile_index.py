"""G3 against a Qdrant that lies: the tenancy attacks on search, and each kind of wrong answer. Nothing crosses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.elsewhere import COLLECTION, FAILURES, HARMLESS, LIES, Hostile, elsewhere
from support.soak import markdown, record
from test_tenancy import (
    ADDRESS,
    ALICE,
    BOB,
    SECRET,
    SESSION_ATTACKS,
    A,
    World,
    _answer,
    admin,
    attempt,
    made_world,
    session,
    visible,
    world,
)

from vault import Vault
from vault.errors import VaultError, VectorIndexError
from vault.flows.points import StoredPoints
from vault.index import qdrant

__all__ = ["world"]  # the fixture, made on the vaults of this module


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Hostile:
    client = Hostile()
    monkeypatch.setattr("vault.index.qdrant.connect", lambda *_args, **_options: client)
    return client


@pytest.fixture
def make_vault(tmp_path: Path, engine: Hostile) -> Iterator[Callable[..., Vault]]:
    made: list[Vault] = []

    def make(name: str = "clinic") -> Vault:
        made.append(elsewhere(tmp_path, name))
        return made[-1]

    yield make
    for vault in made:
        vault.close()


def alarms(vault: Vault, tenant: str) -> list[Any]:
    log = admin(vault, tenant, "auditor", "audit").audit_show(limit=10_000)
    return [entry for entry in log if entry.action == "integrity.alarm"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, int]]:
    """(subject, number) of every point that a search opened for ranking."""
    seen: list[tuple[bytes, int]] = []
    around, whole = StoredPoints.around, StoredPoints.points

    def watched(self: StoredPoints, *asked: Any) -> Any:
        runs = around(self, *asked)
        seen.extend((self.key[1], n) for run in runs for n in run.n)
        return runs

    def watched_whole(self: StoredPoints, after_n: int) -> Any:
        points = whole(self, after_n)
        seen.extend((self.key[1], n) for n in points.n)
        return points

    monkeypatch.setattr(StoredPoints, "around", watched)
    monkeypatch.setattr(StoredPoints, "points", watched_whole)
    return seen


@pytest.fixture(params=["whole scope", "candidates"])
def ranked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Scopes here are small, and small ones are ranked whole: in the second mode one point is a large scope."""
    if request.param == "candidates":
        monkeypatch.setattr(qdrant, "LEAST", 1)
        monkeypatch.setattr(qdrant, "OVERSAMPLE", 0)
    return str(request.param)


def crossings(world: World, method: str) -> tuple[int, list[str]]:
    """How many attacks on one method were tried, and the answers among them that show anything of Alice's."""
    tried, crossed = 0, []
    said = [world.victim, ADDRESS]  # what is added has words that the attacker put there itself
    said += [] if method in ("add", "add_many") else ["quorvanthine"]
    for number, attack in enumerate(SESSION_ATTACKS[method]):
        for attacker in world.attackers():
            answer = visible(attempt(attack, world, attacker))
            tried += 1
            if any(word in answer for word in said):
                crossed.append(f"{method} {number}")
    return tried, crossed


@pytest.mark.parametrize("lie", [*LIES, *HARMLESS])
def test_no_answer_crosses_and_the_alarm_is_logged(
    world: World, engine: Hostile, opened: list[tuple[bytes, int]], ranked: str, lie: str
) -> None:
    gone = world.alice.add("A quorvanthine fact that goes", user_id=ALICE).memories[0]
    world.alice.delete(gone.id)
    mine = world.bob.add("A third fact of my own, on lilies", user_id=BOB).memories[0]
    world.bob.delete(mine.id)
    wanted = [
        [hit.memory.id for hit in s.search("fact", user_id=u)]
        for s, u in ((world.bob, BOB), (world.mallory, ALICE))
    ]
    opened.clear()
    engine.lie = {**LIES, **HARMLESS}[lie]
    got = [
        [hit.memory.id for hit in s.search("fact", user_id=u)]
        for s, u in ((world.bob, BOB), (world.mallory, ALICE))
    ]
    # The same memories or, where the whole scope came back under wrong payloads, from the records: never fewer.
    assert [sorted(ids) for ids in got] == [sorted(ids) for ids in wanted]
    subjects = {sid for sid, _ in opened}
    assert len(subjects) <= 2
    assert {n for _, n in opened} <= {1, 2}
    for tenant in (A, "bank"):
        assert bool(alarms(world.vault, tenant)) == (lie in LIES), lie


@pytest.mark.parametrize("lie", [*LIES, *HARMLESS])
def test_the_attacks_of_the_core_on_search_cross_nothing(
    world: World, engine: Hostile, ranked: str, lie: str
) -> None:
    before = world.everything()
    engine.lie = {**LIES, **HARMLESS}[lie]
    tried, crossed = crossings(world, "search")
    engine.lie = None
    assert (crossed, tried) == ([], 2 * len(SESSION_ATTACKS["search"]))
    assert world.everything() == before
    assert bool(alarms(world.vault, A)) == (lie in LIES)


@pytest.mark.parametrize("method", sorted(SESSION_ATTACKS.keys() - {"search"}))
def test_the_attacks_of_the_core_on_other_methods_cross_nothing(
    world: World, engine: Hostile, method: str
) -> None:
    engine.lie = LIES["foreign points under one's own name"]
    before = world.everything()
    _, crossed = crossings(world, method)
    assert crossed == []
    assert world.everything() == before


@pytest.mark.soak
def test_table(make_vault: Callable[..., Vault], engine: Hostile) -> None:
    rows = []
    for wrong, lie in {**LIES, **HARMLESS, **FAILURES}.items():
        tried, crossed = 0, 0
        for method in sorted(SESSION_ATTACKS):
            vault = make_vault(f"{wrong} {method}".replace(" ", "-").replace("'", ""))
            world = made_world(vault)
            engine.lie = lie
            one, found = crossings(world, method)
            engine.lie = None
            tried, crossed = tried + one, crossed + len(found)
            vault.close()
            engine.delete_collection(COLLECTION)
            engine.gone.clear()
        rows.append((wrong, tried, crossed))
    head = ("what Qdrant answers", "attacks", "crossings")
    record("hostile-index", "Tenancy attacks while Qdrant lies", markdown(head, rows))
    assert all(crossed == 0 for _, _, crossed in rows)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_answers_nothing(world: World, engine: Hostile, ranked: str, failure: str) -> None:
    engine.lie = FAILURES[failure]
    assert crossings(world, "search")[1] == []
    for searcher, user in ((world.alice, ALICE), (world.bob, BOB), (world.mallory, ALICE)):
        with pytest.raises(VectorIndexError) as caught:
            searcher.search(SECRET, user_id=user)
        assert "quorvanthine" not in f"{caught.value!r} {caught.value}"


def test_points_of_one_subject_put_under_anothers_name_open_for_nobody(world: World, engine: Hostile) -> None:
    """Whoever can write to Qdrant labels Alice's points as Bob's: their ids are not his."""
    points = engine.all()
    names = {point.payload["sid"]: point.payload for point in points}
    for payload in names.values():
        engine.set_payload("memvault-256", payload=payload, points=[point.id for point in points])
        for attacker, user in ((world.bob, BOB), (world.mallory, ALICE)):
            answer = visible(_answer(attacker.search, "quorvanthine ledger", user_id=user))
            assert "quorvanthine" not in answer
    with pytest.raises(VaultError):
        session(world.vault, A, user_id=BOB).get(world.victim)
