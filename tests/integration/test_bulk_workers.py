"""A long bulk write in several processes: the same as in one, whole batches or nothing, and no key in a worker."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calls import operator, rows, session_of, stages_of

from vault import Vault, workers
from vault.errors import ConfigError, DeniedError, DetectorError, InvalidInputError
from vault.flows import bulk
from vault.flows.redact import Material

BATCH = 8
STREETS = ("Mill Lane", "Harbour Road", "Church Street")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers from the second batch on."""
    monkeypatch.setattr(bulk, "ALONE_S", -1.0)


@pytest.fixture
def two(make_vault: Callable[..., Vault]) -> Vault:
    return with_workers(make_vault("two"), 2)


def with_workers(vault: Vault, count: int) -> Vault:
    """The vault opened again with another configuration."""
    path = vault.folder / "memvault.toml"
    vault.close()
    text, found = re.subn(r"(# )?workers = \d*", f"workers = {count}", path.read_text())
    assert found == 1
    path.write_text(text)
    return Vault.open(vault.folder)


def items(count: int) -> list[dict[str, Any]]:
    """Talks of two messages, and texts with names, numbers, metadata, and letters that are more than one byte."""
    found: list[dict[str, Any]] = []
    for n in range(count):
        text = f"Mara Quint of {12 + n} {STREETS[n % 3]} writes from mara{n}@example.org – façade №{n}"
        talk = [
            {"role": "user", "content": text, "name": "Mara"},
            {"role": "assistant", "content": f"Noted, {n}"},
        ]
        content = talk if n % 3 == 0 else text
        metadata = {"n": n, "phone": f"+44 20 7946 0{n % 1000:03}", "tags": ["a", None, 1.5]}
        found.append(
            {
                "content": content,
                "user_id": f"u{n % 5}",
                "metadata": metadata,
                "idempotency_key": f"item-{n:05}",
            }
        )
    return found


def stored(vault: Vault) -> list[tuple[Any, ...]]:
    """What every user has, tokens by their class alone, and what finds it."""
    app = session_of(vault)
    seen: list[tuple[Any, ...]] = []
    for user in (f"u{n}" for n in range(5)):
        page = app.list(user_id=user, limit=200, order="created_at").memories
        for memory in page:
            words = [word.partition(":")[0] for word in memory.text.replace("[", " [").split()]
            seen.append((user, words, memory.role, len(str(memory.metadata)), memory.metadata["n"]))
        hits = app.search("Who lives in Harbour Road? façade", user_id=user, limit=5)
        seen.append(tuple((hit.memory.metadata["n"], hit.score) for hit in hits))
    return seen


def children() -> list[int]:
    """The workers of this process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status, command = (entry / "status").read_text(), (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            if f"PPid:\t{os.getpid()}\n" in status and b"vault.workers" in command:
                found.append(int(entry.name))
    return found


def test_workers_store_what_one_process_stores(two: Vault, make_vault: Callable[..., Vault]) -> None:
    one = with_workers(make_vault("one"), 1)
    done: list[int] = []
    with one, two:
        assert len(session_of(one).add_many(items(90), batch=BATCH).ids) == 120
        assert len(session_of(two).add_many(items(90), batch=BATCH, progress=done.append).ids) == 120
        assert done == [*range(BATCH, 90, BATCH), 90]
        assert stored(one) == stored(two)
        for vault in (one, two):
            assert operator(vault).index_verify()["stale"] == 0
            operator(vault).audit_verify()
    assert children() == []


def test_a_worker_holds_no_key_and_opens_no_store(two: Vault) -> None:
    opened: set[str] = set()

    def look(_done: int) -> None:
        for pid in children():
            opened.update(str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())

    with two:
        session_of(two).add_many(items(60), batch=BATCH, progress=look)
    assert opened
    assert not [name for name in opened if "keystore" in name or "records.db" in name or "epoch" in name]


def test_a_killed_worker_refuses_its_batch_and_the_rest_can_be_taken_up(two: Vault) -> None:
    def kill(done: int) -> None:
        if done == 5 * BATCH:
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    with two:
        app = session_of(two)
        with pytest.raises(DetectorError) as caught:
            app.add_many(items(300), batch=BATCH, progress=kill)
        assert caught.value.code == "detector.worker"
        assert children() == []
        kept = rows(two, "memories")
        assert 0 < kept < 400
        result = app.add_many(items(300), batch=BATCH)
        assert len(result.ids) == len(set(result.ids)) == rows(two, "memories") == 400


def test_what_is_invalid_is_raised_once_everything_before_it_is_stored(two: Vault) -> None:
    lines = [*items(40), {"content": "x", "user_id": "u", "colour": "red"}, *items(40)]
    with two:
        app = session_of(two)
        with pytest.raises(InvalidInputError) as caught:
            app.add_many(lines, batch=BATCH)
        assert caught.value.code == "item.field"
        assert len(app.add_many(items(40)).ids) == rows(two, "memories")
        result = app.add_many(lines, batch=BATCH, on_error="collect")
        assert [(one.position, one.code) for one in result.refused] == [(40, "item.field")]


def test_items_are_read_only_a_few_batches_ahead(two: Vault) -> None:
    read = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal read
        for item in items(200):
            read += 1
            yield item

    ahead: list[int] = []
    with two:
        session_of(two).add_many(counted(), batch=BATCH, progress=lambda done: ahead.append(read - done))
    assert max(ahead) <= 5 * BATCH


def test_a_configuration_changed_since_the_vault_was_opened_is_refused(two: Vault) -> None:
    path = two.folder / "memvault.toml"
    path.write_text(path.read_text().replace('pack = "baseline"', 'pack = "gdpr"'))
    with two, pytest.raises(ConfigError) as caught:
        session_of(two).add_many(items(60), batch=BATCH)
    assert caught.value.code == "bulk.configuration"


def test_nothing_is_started_for_a_short_write_or_for_who_may_not_write(
    two: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_arguments: object) -> None:
        raise AssertionError("workers were started")

    monkeypatch.setattr(workers, "Workers", start)
    with two:
        session_of(two).add_many(items(BATCH), batch=BATCH)
        with pytest.raises(DeniedError):
            session_of(two, roles=("auditor",), purpose="audit").add_many(items(60), batch=BATCH)
        with pytest.raises(AssertionError):
            session_of(two).add_many(items(2 * BATCH), batch=BATCH)
        monkeypatch.setattr(bulk, "ALONE_S", 3600.0)
        session_of(two).add_many(items(2 * BATCH), batch=BATCH)


def test_one_worker_is_none_and_a_service_is_asked_by_one_process(two: Vault) -> None:
    with two:
        stages = stages_of(two)
        pool = workers.of(two.folder, stages)
        assert pool is not None
        ready = pool.submit([[Material("Mara Quint likes tea")]]).result()
        pool.close()
        assert len(ready) == 1
        embedder = stages.embedder()
        stages.embedder = lambda: type(
            "Elsewhere", (), {"address": "https://models.example", "dimension": 1}
        )()
        assert workers.of(two.folder, stages) is None
        stages.embedder = lambda: embedder
    alone = with_workers(two, 1)
    with alone:
        assert workers.of(alone.folder, stages_of(alone)) is None
