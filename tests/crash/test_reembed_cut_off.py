"""`kill -9` in a change of the model, and others at work meanwhile: nothing lost, answers by one model at a time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.calls import operator, session_of
from support.children import CLI, environment
from support.models import (
    NarrowEmbedder,
    Service,
    configure,
    configured,
    service_lines,
    serving,
    stored_models,
)
from support.nursery import Nursery
from support.remote import Remote
from support.soak import markdown, record
from test_steps import deaths, intact, snapshot, template, tmp_path, usable

from vault import Vault
from vault.embedding.static import StaticEmbedder

pytest_plugins = ("support.crash_fixtures",)
__all__ = ["template", "tmp_path"]  # fixtures

NARROW = NarrowEmbedder()
EMBEDDER = StaticEmbedder()
ONLY_STATIC, ONLY_NARROW = frozenset({EMBEDDER.name}), frozenset({NARROW.name})
ONLY_SERVED = frozenset({"openai:m"})
PEOPLE, EACH = 6, 20
QUESTION = "who prunes the roses?"


def answered(vault: Vault) -> list[tuple[str, float]]:
    hits = session_of(vault).search(QUESTION, user_id="pat-1", limit=50)
    return sorted((hit.memory.id, round(hit.score, 4)) for hit in hits)


# --- between all steps ----------------------------------------------------------------------------------------------


def cut_off(nursery: Nursery, template: Path, place: Path, *, every: bool = False) -> int:
    with Vault.open(template / "vault") as vault:
        before, by_static = snapshot(vault), answered(vault)
        count = sum(stored_models(vault).values())
    by_narrow: list[tuple[str, float]] = []
    switched = []
    for base, witness in deaths(nursery, template, place, "reembed", every=every):
        assert witness is not None
        configure(witness, EMBEDDER, NARROW)
        with Vault.open(base / "vault") as vault:
            configure(vault, NARROW, EMBEDDER)
            now = answered(vault)
            assert answered(witness) == now
            switched.append(now != by_static)
            if switched[-1]:
                by_narrow = by_narrow or now
                assert now == by_narrow
            assert snapshot(witness) == snapshot(vault) == before
            intact(vault)
            operator(vault).reembed()
            by_narrow = by_narrow or answered(vault)
            assert answered(vault) == answered(witness) == by_narrow
            assert stored_models(vault) == {ONLY_NARROW: count}
            assert snapshot(witness) == snapshot(vault) == before
            intact(vault)
            usable(witness)
            assert set(stored_models(vault)) == {ONLY_NARROW}
    assert switched == sorted(switched)  # from one step on it has happened
    assert not switched[0]
    assert switched[-1]
    return len(switched)


def test_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    assert cut_off(nursery, template, tmp_path) >= 3


@pytest.mark.soak
def test_every_statement(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    died = cut_off(nursery, template, tmp_path, every=True)
    table = markdown(
        ["cut off", "places", "memories lost", "answers by two models"], [["reembed", died, 0, 0]]
    )
    record("reembed", "Killed between all statements of a change of the model", table)
    assert died > 20


# --- the command, killed, while other processes work ------------------------------------------------------------------


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """Six people, twenty memories each, by the shipped model."""
    with Vault.init(tmp_path / "clinic", key_folder=tmp_path / "keys", keystore_backup="none") as made:
        for person in range(1, PEOPLE + 1):
            user = f"pat-{person}"
            items = [
                {"content": f"Note {n} on the roses, ask kim@example.org", "user_id": user}
                for n in range(EACH)
            ]
            session_of(made).add_many(items)
        yield made


def reembedding(folder: Path) -> subprocess.Popen[str]:
    command = [*CLI, "--vault", str(folder), "--tenant", "clinic", "--json", "reembed", "--execute"]
    return subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def killed_at(service: Service, folder: Path, request: int) -> None:
    """Run the command; the service kills it in place of the answer to one of its requests."""
    asked: list[list[str]] = []

    def answer(handler: Any, texts: list[str]) -> None:
        asked.append(texts)
        if len(asked) == request:
            os.kill(process.pid, 9)
        else:
            handler.reply(json.dumps(service.document(handler.path, texts)).encode())

    service.answer = answer
    process = reembedding(folder)
    process.communicate(timeout=60)
    service.answer = None
    assert process.returncode == -9
    assert len(asked) == request


def test_the_command_is_killed_again_and_again_while_others_read_and_write(
    vault: Vault, nursery: Nursery
) -> None:
    folder, by_static, texts = vault.folder, answered(vault), stored(vault)
    with ExitStack() as stack:
        service = stack.enter_context(serving(Service()))
        reader = stack.enter_context(
            Vault.open(folder)
        )  # opened under the old configuration, as the two others
        others = [stack.enter_context(Remote(nursery, folder)) for _ in range(2)]
        configured(vault, service_lines(service.url))
        for request in (1, 2, 2):  # one, and with what went before two, of six people are done
            killed_at(service, folder, request)
            assert answered(reader) == by_static
        assert stored_models(reader) == {
            ONLY_STATIC: (PEOPLE - 2) * EACH,
            ONLY_STATIC | ONLY_SERVED: 2 * EACH,
        }
        for number, other in enumerate(others):
            other.begin("work", 4.0, f"busy-{number}")
        process = reembedding(folder)
        seen = [answered(reader)]
        while process.poll() is None:
            seen.append(answered(reader))
        output, problem = process.communicate()
        assert process.returncode == 0, problem
        assert json.loads(output)["embedded"] >= (PEOPLE - 2) * EACH
        seen.append(answered(reader))
        by_narrow = seen[-1]
        assert by_narrow != by_static
        changed = seen.index(by_narrow)
        assert seen == [by_static] * changed + [by_narrow] * (len(seen) - changed)
        for number, other in enumerate(others):
            worked = other.finish()
            assert worked["errors"] == {}
            listed = session_of(reader).list(user_id=f"busy-{number}", limit=1000).memories
            assert {memory.id: memory.text for memory in listed} == worked["kept"]
        assert stored(reader) == texts
        assert set(stored_models(reader)) == {ONLY_SERVED}
        assert operator(reader).index_verify()["stale"] == 0
        operator(reader).audit_verify()
        assert b"kim@example.org" not in service.received


def stored(vault: Vault) -> dict[str, str]:
    return {
        memory.id: memory.text
        for person in range(1, PEOPLE + 1)
        for memory in session_of(vault).list(user_id=f"pat-{person}", limit=50).memories
    }
