"""Blocks of points: a quick copy that never says anything but what its points say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.thief import mend_hash, records_thief

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.errors import IntegrityViolationError
from vault.flows.points import StoredPoints
from vault.records.interface import BLOCK
from vault.records.sqlcipher import SqlcipherRecords

COUNT = 3 * BLOCK + 5


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault.init(tmp_path / "clinic", key_folder=tmp_path / "clinic-keys", keystore_backup="none") as made:
        yield made


def app(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


def operator(vault: Vault) -> Admin:
    return vault.admin(Principal("clinic", "op", ("operator",)))


def filled(vault: Vault) -> list[str]:
    """The ids of COUNT memories of pat-1, numbered from 1."""
    session, texts = app(vault), [f"Fact number {n}, about {n * n} things" for n in range(COUNT)]
    session.add(texts[0], user_id="pat-1")
    session.add_many([{"content": text, "user_id": "pat-1"} for text in texts[1:]])
    listed = session.list(user_id="pat-1", limit=COUNT).memories
    return [memory.id for text in texts for memory in listed if memory.text == text]


def blocks(vault: Vault) -> list[int]:
    return [row["b"] for row in records_thief(vault, "clinic").rows("blocks")]


def answers(vault: Vault) -> list[Any]:
    """What a search finds without anything in memory."""
    vault._opened().index.clear()
    session = app(vault)
    asked = ("fact number 7", "49 things", "number 99 about 100 things")
    return [
        [(hit.memory.id, round(hit.score, 6)) for hit in session.search(text, user_id="pat-1", limit=20)]
        for text in asked
    ]


def without_blocks(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    with monkeypatch.context() as patched:
        patched.setattr(SqlcipherRecords, "blocks", lambda *_, **__: [])
        return answers(vault)


def test_every_full_block_is_there(vault: Vault) -> None:
    filled(vault)
    assert blocks(vault) == [0, 1, 2]
    assert operator(vault).audit_verify()["records"] == COUNT


def test_a_search_finds_the_same_with_and_without(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = filled(vault)
    assert answers(vault) == without_blocks(vault, monkeypatch)
    session = app(vault)
    session.update(ids[5], "The cardiologist said 49 things")
    session.delete(ids[40])
    session.add("Fact number 100", user_id="pat-1")
    assert blocks(vault) == [0, 1, 2]
    assert answers(vault) == without_blocks(vault, monkeypatch)
    operator(vault).audit_verify()


def test_a_cold_search_opens_blocks_instead_of_points(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(vault)
    read: list[int] = []
    single = StoredPoints._single

    def counting(self: StoredPoints, after_n: int, before_n: int | None) -> Any:
        points = single(self, after_n, before_n)
        read.extend(points.n)
        return points

    monkeypatch.setattr(StoredPoints, "_single", counting)
    answers(vault)
    assert read == list(range(3 * BLOCK, COUNT + 1))  # the last, unfinished block


def test_blocks_follow_rotation_rebuilding_and_expiry(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(vault)
    before = answers(vault)
    for level in ("subject", "index"):
        operator(vault).keys_rotate(level)
        assert blocks(vault) == [0, 1, 2], level
        assert answers(vault) == before, level
    operator(vault).index_rebuild()
    assert blocks(vault) == [0, 1, 2]
    assert answers(vault) == before == without_blocks(vault, monkeypatch)
    operator(vault).audit_verify()
    soon = datetime.now(UTC) + timedelta(hours=1)
    app(vault).add_many(
        [{"content": f"Soon gone {n}", "user_id": "pat-2", "expires_at": soon} for n in range(BLOCK + 1)]
    )
    assert len(blocks(vault)) == 4
    stages = vault._opened()
    stages.now = lambda: soon + timedelta(hours=1)
    assert operator(vault).sweep() == BLOCK + 1
    assert blocks(vault) == [0, 1, 2]
    app(vault).delete_all(user_id="pat-1")
    assert blocks(vault) == []


@pytest.mark.parametrize("mended", [False, True])
def test_an_older_block_is_noticed(vault: Vault, mended: bool) -> None:
    ids = filled(vault)
    thief = records_thief(vault, "clinic")
    old = thief.rows("blocks")[0]
    app(vault).update(ids[3], "Something else")
    thief.change("blocks", thief.rows("blocks")[0], body=old["body"])
    if mended:
        mend_hash(vault, "clinic")
    with pytest.raises(IntegrityViolationError):
        operator(vault).audit_verify()


def test_a_block_of_another_place_does_not_open(vault: Vault) -> None:
    filled(vault)
    thief = records_thief(vault, "clinic")
    first, second, _ = thief.rows("blocks")
    thief.change("blocks", first, body=second["body"])
    with pytest.raises(IntegrityViolationError):
        answers(vault)
