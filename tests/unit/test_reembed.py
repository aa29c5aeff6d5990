"""Changing the model: counted, filled, switched, trimmed; one model or the other answers, and never both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.calls import auditor, entries, held, operator, rows, session_of
from support.models import NarrowEmbedder, configure, configured, stored_models

from vault import SearchHit, Vault
from vault.embedding.interface import FIRST_IDENTITY, Embedder, identity
from vault.embedding.static import StaticEmbedder
from vault.errors import ConfigError, DeniedError, VectorIndexError
from vault.flows import reembed
from vault.records.interface import BLOCK

NARROW, STATIC = NarrowEmbedder(), StaticEmbedder()
ONLY_STATIC, ONLY_NARROW = frozenset({STATIC.name}), frozenset({NARROW.name})
QUESTION = "who prunes the roses?"
MANY = BLOCK + 8
PEOPLE = {"pat-1": MANY, "pat-2": 3, "pat-3": 1}
TOTAL = sum(PEOPLE.values())


@pytest.fixture
def vault(clinic: Vault) -> Vault:
    """Three people's memories by the shipped model; the configuration then names another."""
    session = session_of(clinic)
    for user, count in PEOPLE.items():
        session.add_many(
            [
                {"content": f"Note {n}: {user} has roses, ask kim@example.org", "user_id": user}
                for n in range(count)
            ]
        )
    configure(clinic, NARROW, STATIC)
    return clinic


def answered(vault: Vault, user: str = "pat-1") -> list[tuple[str, float]]:
    hits: list[SearchHit] = session_of(vault).search(QUESTION, user_id=user, limit=MANY)
    return sorted((hit.memory.id, round(hit.score, 4)) for hit in hits)


def whole(vault: Vault) -> None:
    verified = operator(vault).index_verify()
    assert (verified["checked"], verified["stale"]) == (rows(vault, "memories"), 0)
    assert operator(vault).audit_verify()["records"] == rows(vault, "memories")


def test_a_dry_run_counts_and_changes_nothing(vault: Vault) -> None:
    before = held(vault)
    planned = operator(vault).reembed(dry_run=True)
    assert planned == reembed.Reembedding(FIRST_IDENTITY, identity(NARROW), None, TOTAL, TOTAL)
    assert held(vault) == before
    assert stored_models(vault) == {ONLY_STATIC: TOTAL}


def test_every_memory_gets_the_new_vector_and_no_old_one_stays(vault: Vault) -> None:
    before, blocks = answered(vault), rows(vault, "blocks")
    seen: list[tuple[int, int]] = []
    done = operator(vault).reembed(progress=lambda *numbers: seen.append(numbers))
    assert done.embedded == TOTAL
    assert seen[-1] == (2 * TOTAL, 2 * TOTAL)
    assert seen == sorted(seen)
    assert stored_models(vault) == {ONLY_NARROW: TOTAL}
    assert rows(vault, "blocks") == blocks > 0
    assert [memory_id for memory_id, _ in answered(vault)] == [memory_id for memory_id, _ in before]
    assert answered(vault) != before
    assert operator(vault).index_status()["embedder"] == identity(NARROW)
    whole(vault)


def test_a_second_run_has_nothing_to_do_and_the_way_back_is_the_same(vault: Vault) -> None:
    before = answered(vault)
    operator(vault).reembed()
    assert operator(vault).reembed().embedded == 0
    configure(vault, STATIC, NARROW)
    assert operator(vault).reembed(dry_run=True).embedded == TOTAL
    operator(vault).reembed()
    assert stored_models(vault) == {ONLY_STATIC: TOTAL}
    assert answered(vault) == before


def test_one_model_answers_until_the_switch_and_the_other_after_it(vault: Vault) -> None:
    with Vault.open(vault.folder) as other:  # opened before the change: it embeds by the shipped model
        configure(other, STATIC, NARROW)
        seen = [answered(other)]
        operator(vault).reembed(progress=lambda *_: seen.append(answered(other)))
        seen.append(answered(other))
        assert answered(vault) == seen[-1]
    first, last = seen[0], seen[-1]
    assert first != last
    changed = seen.index(last)
    assert 1 < changed < len(seen) - 1
    assert seen == [first] * changed + [last] * (len(seen) - changed)


def test_what_others_write_meanwhile_is_there_and_embedded(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembed, "_BATCH", 8)
    monkeypatch.setattr(reembed, "_LAST", 1)
    session = session_of(vault)
    kept: dict[str, str] = {}

    def meanwhile(*_: int) -> None:
        number = len(kept)
        if number < 12:
            (memory,) = session.add(f"Meanwhile {number}", user_id="pat-9").memories
            kept[memory.id] = memory.text
            first = session.list(user_id="pat-1", limit=1, order="created_at").memories[0]
            session.update(first.id, f"Changed {number}") if number % 2 else session.delete(first.id)

    operator(vault).reembed(progress=meanwhile)
    assert stored_models(vault) == {ONLY_NARROW: TOTAL + 12 - 6}
    assert {m.id: m.text for m in session.list(user_id="pat-9").memories} == kept
    assert len(answered(vault, "pat-9")) == 12
    whole(vault)


class _Meanwhile:
    """An embedder; something happens between its first answer and the transaction that follows."""

    address = None

    def __init__(self, inner: Embedder, happens: Callable[[], Any]) -> None:
        self._inner = inner
        self._happens: list[Callable[[], Any]] = [happens]
        self.name, self.version, self.dimension = inner.name, inner.version, inner.dimension

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        made = self._inner.embed(texts)
        while self._happens:
            self._happens.pop()()
        return made


@pytest.mark.parametrize("method", ["add", "update", "search", "index_rebuild"])
def test_a_model_that_changes_under_a_call_is_noticed(vault: Vault, method: str) -> None:
    (memory,) = session_of(vault).list(user_id="pat-3").memories
    with Vault.open(vault.folder) as other:
        configure(other, _Meanwhile(STATIC, operator(vault).reembed), NARROW)
        session = session_of(other)
        if method == "add":
            session.add("Roses once more", user_id="pat-3")
        elif method == "update":
            session.update(memory.id, "Roses once more")
        elif method == "search":
            assert answered(other, "pat-3") == answered(vault, "pat-3")
        else:
            assert operator(other).index_rebuild() == TOTAL
    assert set(stored_models(vault)) == {ONLY_NARROW}
    whole(vault)


def test_two_at_once_end_as_one(vault: Vault) -> None:
    with Vault.open(vault.folder) as other:
        configure(other, _Meanwhile(NARROW, operator(vault).reembed), STATIC)
        operator(other).reembed()
    assert stored_models(vault) == {ONLY_NARROW: TOTAL}
    whole(vault)


def test_a_rebuild_leaves_what_was_written_meanwhile(vault: Vault) -> None:
    (memory,) = session_of(vault).list(user_id="pat-3").memories
    with Vault.open(vault.folder) as other:
        session = session_of(vault)
        configure(
            other,
            _Meanwhile(STATIC, lambda: session.delete(session.list(user_id="pat-1").memories[0].id)),
            NARROW,
        )
        operator(other).index_rebuild()
        configure(other, _Meanwhile(STATIC, lambda: session.update(memory.id, "Tulips now")), NARROW)
        operator(other).index_rebuild()
    assert session_of(vault).get(memory.id).text == "Tulips now"
    whole(vault)


def test_a_point_without_the_model_in_force_is_an_error_and_no_silence(vault: Vault) -> None:
    stages = vault._opened()
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    with stages.stores.use(tenant) as store, store.records.transaction():
        store.records.set_embedder(identity(NARROW))  # as no flow would do it
    with pytest.raises(VectorIndexError) as caught:
        answered(vault)
    assert caught.value.code == "index.model"


def test_it_is_logged(vault: Vault) -> None:
    operator(vault).reembed(dry_run=True)
    operator(vault).reembed()
    found = [entry for entry in entries(vault) if entry["act"] == "index.reembed"]
    assert [(entry["res"], entry["n"], entry["pur"]) for entry in found] == [("ok", TOTAL, "operations")] * 3
    shown = [one for one in auditor(vault).audit_show() if one.action == "index.reembed"]
    assert len(shown) == 3  # counted, begun, done


def test_one_that_is_cut_off_is_logged_too(vault: Vault) -> None:
    configure(vault, _Meanwhile(NARROW, lambda: 1 / 0), STATIC)
    with pytest.raises(ZeroDivisionError):
        operator(vault).reembed()
    assert [entry["act"] for entry in entries(vault)].count("index.reembed") == 1


def test_without_the_right_nothing_happens(vault: Vault) -> None:
    before = held(vault)
    for dry_run in (True, False):
        with pytest.raises(DeniedError):
            auditor(vault).reembed(dry_run=dry_run)
    assert stored_models(vault) == {ONLY_STATIC: TOTAL}
    assert held(vault) == before


def test_other_tenants_stay_with_their_model(vault: Vault) -> None:
    configure(vault, STATIC, NARROW)
    session_of(vault, "bank").add("An account", user_id="c-1")
    configure(vault, NARROW, STATIC)
    operator(vault).reembed()
    assert stored_models(vault, "bank") == {ONLY_STATIC: 1}
    assert len(session_of(vault, "bank").search("account", user_id="c-1")) == 1


# --- by the configuration ------------------------------------------------------------------------------------------

BEFORE = '[embedder.previous]\nprovider = "static"'


def test_another_model_in_the_configuration_is_refused_until_reembed(clinic: Vault) -> None:
    (memory,) = session_of(clinic).add("The roses were pruned", user_id="pat-1").memories
    with Vault.open(configured(clinic, 'provider = "minilm"')) as vault:
        session, before = session_of(vault), held(vault)
        for attempt in (
            lambda: session.search(QUESTION, user_id="pat-1"),
            lambda: session.add("More", user_id="pat-1"),
            lambda: session.update(memory.id, "Less"),
        ):
            with pytest.raises(ConfigError) as caught:
                attempt()
            assert caught.value.code == "embedder.changed"
        assert held(vault) == before
        assert session.get(memory.id) == memory
        assert ("embedder", "warn") in [(check.area, check.level) for check in operator(vault).doctor()]
        assert operator(vault).reembed().embedded == 1
        assert [hit.memory for hit in session.search(QUESTION, user_id="pat-1")] == [memory]
        session.add("More", user_id="pat-1")
        whole(vault)


def test_with_the_one_before_in_the_configuration_it_goes_on(clinic: Vault) -> None:
    (memory,) = session_of(clinic).add("The roses were pruned", user_id="pat-1").memories
    folder = clinic.folder
    with (
        Vault.open(configured(clinic, f'provider = "minilm"\n{BEFORE}')) as vault,
        Vault.open(folder) as other,
    ):
        session = session_of(vault)
        assert [hit.memory for hit in session.search(QUESTION, user_id="pat-1")] == [memory]
        session.add("The tulips were not", user_id="pat-1")
        assert stored_models(vault) == {ONLY_STATIC: 2}
        operator(vault).reembed()
        assert len(session.search(QUESTION, user_id="pat-1")) == 2
        assert len(session_of(other).search(QUESTION, user_id="pat-1")) == 2
        session_of(other, "bank").add("An account", user_id="c-1")
        assert operator(other, "bank").index_status()["embedder"].startswith("minilm ")


def test_a_process_that_was_opened_before_reads_the_configuration_again(clinic: Vault) -> None:
    (memory,) = session_of(clinic).add("The roses were pruned", user_id="pat-1").memories
    with Vault.open(clinic.folder) as old:
        with Vault.open(configured(clinic, 'provider = "minilm"')) as vault:
            operator(vault).reembed()
        assert [hit.memory for hit in session_of(old).search(QUESTION, user_id="pat-1")] == [memory]
        session_of(old).add("The tulips were not", user_id="pat-1")
        whole(old)
