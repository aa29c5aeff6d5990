"""Many memories at once: batches are stored whole, refusals raised or collected, a run can be taken up again."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calls import entries, held, rows, session_of

from vault import Principal, Session, Vault
from vault.errors import DeniedError, InvalidInputError, RejectedError
from vault.flows import bulk


def items(count: int) -> list[dict[str, Any]]:
    return [
        {"content": f"visit number {n}", "user_id": f"u{n % 4}", "run_id": "r", "metadata": {"n": n}}
        for n in range(count)
    ]


@pytest.mark.parametrize("batch", [1, 7, 50, 10_000])
def test_everything_is_stored_in_order(clinic: Vault, app: Session, batch: int) -> None:
    result = app.add_many(items(50), batch=batch)
    assert result.refused == []
    assert [app.get(memory_id).metadata["n"] for memory_id in result.ids] == list(range(50))
    assert [m.metadata["n"] for m in app.list(user_id="u1", run_id="r").memories] == list(range(1, 50, 4))
    assert app.search("visit number 17", user_id="u1")[0].memory.metadata["n"] == 17


def test_items_are_what_add_takes(app: Session) -> None:
    talk = [
        {"role": "user", "content": "likes tea"},
        {"role": "system", "content": "be kind"},
        {"content": "likes milk"},
    ]
    result = app.add_many(
        [{"content": talk, "user_id": "u"}, {"content": {"role": "tool", "content": "x"}, "agent_id": "a"}]
    )
    assert len(result.ids) == 3
    assert [m.text for m in app.list(user_id="u").memories] == ["likes tea", "likes milk"]
    assert app.list(agent_id="a").memories[0].role == "tool"


def test_everything_is_redacted(app: Session) -> None:
    app.add_many(
        [{"content": "write to ana@example.org", "user_id": "u", "metadata": {"m": "ana@example.org"}}] * 2
    )
    first, second = app.list(user_id="u").memories
    assert "ana@example.org" not in f"{first}{second}"
    assert first.text == second.text
    assert first.metadata == second.metadata


def test_nothing_is_an_empty_result(app: Session) -> None:
    assert app.add_many([]).ids == []
    assert app.add_many(iter(())).ids == []


def test_items_are_taken_as_they_come(clinic: Vault, app: Session) -> None:
    """A generator is never read further than the batch that is being stored."""
    seen: list[int] = []

    def feed() -> Iterator[dict[str, Any]]:
        for n, item in enumerate(items(30)):
            seen.append(rows(clinic, "memories") if n else 0)
            yield item

    app.add_many(feed(), batch=10)
    assert seen == [0] * 10 + [10] * 10 + [20] * 10


def test_progress_counts_what_is_done(app: Session) -> None:
    told: list[int] = []
    app.add_many(items(25), batch=10, progress=told.append)
    assert told == [10, 20, 25]


def test_a_refused_item_takes_its_batch_along(clinic: Vault, app: Session) -> None:
    spoiled = [*items(25)[:17], {"content": "", "user_id": "u"}, *items(25)[17:]]
    before = held(clinic)
    with pytest.raises(InvalidInputError) as caught:
        app.add_many(spoiled, batch=100)
    assert caught.value.code == "text.empty"
    assert held(clinic) == before
    with pytest.raises(InvalidInputError):
        app.add_many(spoiled, batch=10)
    assert rows(clinic, "memories") == 10  # the batch before it is stored: resume with idempotency keys


def test_refusals_are_collected_by_position_and_code(clinic: Vault, app: Session) -> None:
    good = items(10)
    spoiled: list[Any] = [
        good[0], "no item", good[1], {"content": "x", "user_id": "*"}, {"content": "x"},
        {"content": "x", "user_id": "u", "id": 1}, good[2],
        {"content": [{"content": "fine"}, {"content": ""}], "user_id": "u"}, None, good[3],
    ]  # fmt: skip
    for batch in (1, 3, 100):
        result = app.add_many(spoiled, batch=batch, on_error="collect")
        assert [(r.position, r.code) for r in result.refused] == [
            (1, "item.type"), (3, "scope.wildcard"), (4, "scope.missing"), (5, "item.field"), (7, "text.empty"),
            (8, "item.type"),
        ]  # fmt: skip
        assert [app.get(memory_id).metadata["n"] for memory_id in result.ids] == [0, 1, 2, 3]
    assert rows(clinic, "memories") == 12


def test_a_run_that_broke_off_is_taken_up_again(clinic: Vault, app: Session) -> None:
    lines = [{**item, "idempotency_key": f"line-{n:05}"} for n, item in enumerate(items(40))]

    def broken() -> Iterator[dict[str, Any]]:
        yield from lines[:23]
        raise OSError("the disk with the lines was pulled out")

    with pytest.raises(OSError, match="pulled out"):
        app.add_many(broken(), batch=10)
    assert rows(clinic, "memories") == 20
    result = app.add_many(lines, batch=10)
    assert len(set(result.ids)) == rows(clinic, "memories") == 40


def test_a_caller_without_the_right_stores_nothing(clinic: Vault) -> None:
    nobody = session_of(clinic, roles=("auditor",))
    before = held(clinic)
    for on_error in ("raise", "collect"):
        with pytest.raises(DeniedError):
            nobody.add_many(items(3), on_error=on_error)
    assert held(clinic) == before


def test_an_import_is_logged_as_one(clinic: Vault, app: Session) -> None:
    app.add("likes tea", user_id="u0")
    before = len(entries(clinic))
    importer = clinic.admin(Principal("clinic", "importer", ("app",)), purpose="service")
    told: list[int] = []
    result = importer.import_many([*items(4), {"content": ""}, *items(4)], batch=100, progress=told.append)
    assert len(result.ids) == 8
    assert [r.position for r in result.refused] == [4]
    assert told == [9]
    written = [e for e in entries(clinic)[before:] if e["act"] == "memory.import"]
    assert sum(e["n"] for e in written) == 8
    assert not [e for e in entries(clinic)[before:] if e["act"] == "memory.add"]


# --- content a pack refuses -------------------------------------------------------------------------------


@pytest.fixture
def strict(make_vault: Callable[..., Vault], tmp_path: Path) -> Vault:
    """A vault whose pack stores no text with a social security number in it."""
    pack = tmp_path / "strict"
    pack.mkdir()
    (pack / "pack.yaml").write_text(
        textwrap.dedent("""\
            id: strict
            version: 1.0.0
            title: No social security numbers
            min_engine: 0.1.0
            jurisdictions: [us]
            extends: [baseline]
            disclaimer: An aid, not a certification.
            not_covered: [Everything else.]
            changes: [{version: 1.0.0, text: first version}]
            """)
    )
    (pack / "detection.yaml").write_text("operators: {US_SSN: block}\n")
    vault = make_vault("strict-clinic")
    config = vault.folder / "memvault.toml"
    vault.close()
    config.write_text(config.read_text().replace('pack = "baseline"', f'pack = "{pack}"'))
    return Vault.open(vault.folder)


def test_content_that_a_pack_blocks_is_not_stored(strict: Vault) -> None:
    with strict:
        app = session_of(strict)
        kept = app.add("likes tea", user_id="u").memories[0]
        before = held(strict)
        for attempt in (
            lambda: app.add("her SSN is 536-90-4399", user_id="new"),
            lambda: app.add([{"content": "fine"}, {"content": "SSN 536-90-4399"}], user_id="new"),
            lambda: app.add("fine", user_id="new", metadata={"ssn": 536904399}),
            lambda: app.update(kept.id, "her SSN is 536-90-4399"),
            lambda: app.add_many([*items(3), {"content": "her SSN is 536-90-4399", "user_id": "new"}]),
        ):
            with pytest.raises(RejectedError) as caught:
                attempt()
            assert caught.value.code == "content.blocked"
            assert "536" not in str(caught.value)
        assert held(strict) == before


def test_blocked_items_are_collected_and_each_item_is_stored_whole_or_not(strict: Vault) -> None:
    with strict:
        app = session_of(strict)
        talk = [{"content": "fine"}, {"content": "SSN 536-90-4399"}, {"content": "fine too"}]
        keyed = {
            "content": [{"content": "one"}, {"content": "two"}],
            "user_id": "u",
            "idempotency_key": "talk-0001",
        }
        lines = [
            items(1)[0],
            {"content": talk, "user_id": "u"},
            keyed,
            {"content": "SSN 536-90-4399", "user_id": "new"},
        ]
        result = app.add_many(lines, on_error="collect")
        assert [(r.position, r.code) for r in result.refused] == [
            (1, "content.blocked"),
            (3, "content.blocked"),
        ]
        assert [m.text for m in app.list(user_id="u").memories] == ["one", "two"]
        assert len(result.ids) == 3
        assert app.add_many([keyed]).ids == result.ids[1:]
        assert rows(strict, "memories") == 3
        assert rows(strict, "subjects") == 2


def test_what_a_pack_blocks_comes_back_from_a_worker_as_itself(
    strict: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "ALONE_S", -1.0)
    lines = [*items(9), {"content": "her SSN is 536-90-4399", "user_id": "new"}, *items(9)]
    with strict:
        with pytest.raises(RejectedError) as caught:
            session_of(strict).add_many(lines, batch=3)
        assert caught.value.code == "content.blocked"
        assert "536" not in str(caught.value)
        assert rows(strict, "memories") == 9
        result = session_of(strict).add_many(lines, batch=3, on_error="collect")
        assert [(one.position, one.code) for one in result.refused] == [(9, "content.blocked")]
        assert rows(strict, "memories") == 9 + len(result.ids)
