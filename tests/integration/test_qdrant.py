"""A whole vault with its index in Qdrant (the client's in-memory mode): verbs, outages, rotation, erasure, moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models
from support.elsewhere import CANARY, FAILURES, Hostile, configure, elsewhere
from support.models import NarrowEmbedder
from support.models import configure as configure_models

from vault import Principal, Session, Vault
from vault.audit.certificate import statement_of
from vault.embedding.static import StaticEmbedder
from vault.errors import ConfigError, VaultError, VectorIndexError
from vault.index import qdrant

USER = "pat-1"
FACTS = [
    "Prefers tea over coffee in the morning",
    "Walks the dog to the harbour every evening",
    "The garden has roses and a lemon tree",
    "Reads detective stories on the train",
    "Plays chess on Thursdays with a neighbour",
]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Hostile:
    client = Hostile()
    monkeypatch.setattr("vault.index.qdrant.connect", lambda *_args, **_options: client)
    return client


@pytest.fixture
def vault(tmp_path: Path, engine: Hostile) -> Iterator[Vault]:
    with elsewhere(tmp_path) as opened:
        yield opened


def session(vault: Vault, tenant: str = "clinic", role: str = "app", purpose: str = "service") -> Session:
    return vault.session(Principal(tenant, "bot", (role,)), purpose=purpose)


def operator(vault: Vault) -> Any:
    return vault.admin(Principal("clinic", "op", ("operator",)))


def filled(vault: Vault) -> Session:
    app = session(vault)
    for fact in FACTS:
        app.add(fact, user_id=USER)
    app.add("Somebody else likes roses and tea", user_id="pat-2")
    session(vault, "bank").add("An account for roses and tea", user_id=USER)
    return app


def found(app: Session, query: str, user: str = USER) -> list[tuple[str, float]]:
    return [(hit.memory.text, hit.score) for hit in app.search(query, user_id=user)]


QUESTIONS = (
    "tea in the morning",
    "roses",
    "detective chess",
    "dog at the harbour",
    "something quite unrelated",
)


def test_it_answers_as_a_vault_with_the_sealed_index_does(vault: Vault, tmp_path: Path) -> None:
    app = filled(vault)
    with Vault.init(tmp_path / "other", key_folder=tmp_path / "k", keystore_backup="none") as other:
        plain = filled(other)
        for query in QUESTIONS:
            assert found(app, query) == found(plain, query)


def test_qdrant_gets_stand_ins_and_nothing_else(vault: Vault, engine: Hostile) -> None:
    filled(vault)
    points = engine.all()
    assert len(points) == len(FACTS) + 2
    for point in points:
        assert set(point.payload or {}) == {"tenant", "sid"}
        assert set(point.vector) == {"dense", "terms"}  # type: ignore[arg-type]
    assert len({point.payload["tenant"] for point in points if point.payload}) == 2
    assert len({point.payload["sid"] for point in points if point.payload}) == 3
    assert not any(word in repr(points) for word in ("roses", USER, "clinic", "bank"))


def test_changes_and_removals_reach_qdrant(vault: Vault, engine: Hostile) -> None:
    app = filled(vault)
    memory = app.search("lemon tree", user_id=USER)[0].memory
    before = {point.id for point in engine.all()}
    app.update(memory.id, "The garden has a quince tree")
    changed = {point.id for point in engine.all()}
    assert (len(changed), len(before - changed), len(changed - before)) == (len(before), 1, 1)
    assert found(app, "quince tree")[0][0] == "The garden has a quince tree"
    app.delete(memory.id)
    assert {point.id for point in engine.all()} < changed
    app.delete_all(user_id=USER)
    assert len(engine.all()) == 2
    assert operator(vault).index_verify() == {
        "adapter": "qdrant", "collection": "memvault", "checked": 1, "stale": 0,
        "there": 1, "waiting": 0, "missing": 0, "surplus": 0,
    }  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_qdrant_loses_no_write_and_tells_nothing(
    vault: Vault, engine: Hostile, failure: str
) -> None:
    app = filled(vault)

    def fails(**_arguments: Any) -> Any:
        FAILURES[failure](engine, None, [])  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        for name in ("upsert", "delete", "query_batch_points"):
            patched.setattr(engine, name, fails)
        app.add("Bought a cello last week", user_id=USER)
        with pytest.raises(VectorIndexError) as caught:
            app.search("cello", user_id=USER)
        assert caught.value.code == "index.unavailable"
        assert caught.value.__cause__ is None
        assert CANARY not in str(caught.value)
        assert operator(vault).index_status()["waiting"] == 1
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "upsert", fails)
        assert found(app, "cello")[0][0] == "Bought a cello last week"  # from the records
        assert operator(vault).index_status()["waiting"] == 1
    app.get(app.list(user_id=USER).memories[0].id)
    assert operator(vault).index_status()["waiting"] == 0
    assert found(app, "cello")[0][0] == "Bought a cello last week"


def _busiest(points: list[Any]) -> str:
    """The stand-in of the tenant with the most points: the clinic."""
    return Counter(point.payload["tenant"] for point in points).most_common(1)[0][0]


def test_rotation_renames_everything_there(vault: Vault, engine: Hostile) -> None:
    app = filled(vault)
    answers = [found(app, query) for query in QUESTIONS]
    before = engine.all()
    for level in ("subject", "index"):
        operator(vault).keys_rotate(level)
        assert [found(app, query) for query in QUESTIONS] == answers
    session(vault, "bank").search("tea", user_id=USER)
    after = engine.all()
    assert len(after) == len(before)
    mine = {point.id for point in before if point.payload["tenant"] == _busiest(before)}
    assert not mine & {point.id for point in after}
    facts = operator(vault).index_verify()
    assert (facts["missing"], facts["surplus"], facts["waiting"]) == (0, 0, 0)


def erased(vault: Vault, **scope: Any) -> Any:
    officer = session(vault, role="privacy", purpose="rights-request")
    request = officer.requests.open(ground="gdpr.17.1.b", **scope)
    request.preview()
    return request


def test_an_erased_person_is_gone_from_qdrant_and_the_certificate_counts_it(
    vault: Vault, engine: Hostile
) -> None:
    app = filled(vault)
    request = erased(vault, user_id=USER)
    request.run(roll=True)
    assert len(engine.all()) == 2
    predicate = statement_of(request.certificate())["predicate"]
    counts = {one["store"]: (one["before"], one["after"]) for one in predicate["counts"]}
    assert counts["index points"] == (len(FACTS), 0)
    assert found(app, "roses", "pat-2")[0][0].startswith("Somebody")


def test_an_erased_memory_is_gone_from_qdrant(vault: Vault, engine: Hostile) -> None:
    app = filled(vault)
    memory = app.search("lemon tree", user_id=USER)[0].memory
    before = {point.id for point in engine.all()}
    request = erased(vault, memory_ids=[memory.id])
    request.run(roll=True)
    counts = statement_of(request.certificate())["predicate"]["counts"]
    assert {"store": "index points", "before": 1, "after": 0} in counts
    app.search("roses", user_id=USER)
    after = {point.id for point in engine.all()}
    assert len(after) == len(before) - 1
    assert operator(vault).index_verify()["surplus"] == 0


def test_no_certificate_while_qdrant_is_away_or_keeps_points(vault: Vault, engine: Hostile) -> None:
    filled(vault)
    request = erased(vault, user_id=USER)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "delete", lambda **_: FAILURES["no connection"](engine, None, []))  # type: ignore[arg-type]
        with pytest.raises(VectorIndexError):
            request.run(roll=False)
    with pytest.MonkeyPatch.context() as patched:
        done = models.UpdateResult(operation_id=1, status=models.UpdateStatus.COMPLETED)
        patched.setattr(engine, "delete", lambda **_: done)
        with pytest.raises(VectorIndexError) as caught:
            request.run(roll=False)
        assert caught.value.code == "index.left"
        with pytest.raises(VaultError):
            request.certificate()
    request.run(roll=False)
    assert len(engine.all()) == 2
    assert request.certificate()


def test_a_tenant_moves_there_and_back_while_it_is_in_use(tmp_path: Path, engine: Hostile) -> None:
    with Vault.init(tmp_path / "clinic", key_folder=tmp_path / "k", keystore_backup="none") as opened:
        answers = [found(filled(opened), query) for query in QUESTIONS[:1]]
        answers += [found(session(opened), query) for query in QUESTIONS[1:]]
    configure(tmp_path / "clinic")
    with Vault.open(tmp_path / "clinic") as opened:
        app = session(opened)
        assert operator(opened).index_status()["adapter"] == "sealed"
        assert engine.all() == []
        assert operator(opened).index_move()["moved"] == len(FACTS) + 1
        assert operator(opened).index_move()["moved"] == 0
        assert len(engine.all()) == len(FACTS) + 1
        assert operator(opened).index_status()["adapter"] == "qdrant"
        assert [found(app, query) for query in QUESTIONS] == answers
        assert operator(opened).index_rebuild() == len(FACTS) + 1
        assert [found(app, query) for query in QUESTIONS] == answers
    configure(tmp_path / "clinic", "sealed")
    with Vault.open(tmp_path / "clinic") as opened:
        assert operator(opened).index_move() == {"adapter": "sealed", "moved": len(FACTS) + 1}
        assert engine.all() == []
        assert operator(opened).index_status()["adapter"] == "sealed"
        assert [found(session(opened), query) for query in QUESTIONS] == answers
    text = (tmp_path / "clinic" / "memvault.toml").read_text()
    (tmp_path / "clinic" / "memvault.toml").write_text(text.replace("[index.qdrant]", ""))
    with Vault.open(tmp_path / "clinic") as opened:
        assert [found(session(opened), query) for query in QUESTIONS] == answers


@pytest.mark.parametrize("away", [False, True])
def test_another_model_is_sent_anew_while_searches_go_on(
    vault: Vault, engine: Hostile, tmp_path: Path, away: bool
) -> None:
    app = filled(vault)
    before = [found(app, query) for query in QUESTIONS]
    old = {point.id for point in engine.all()}
    with Vault.init(tmp_path / "other", key_folder=tmp_path / "k", keystore_backup="none") as other:
        plain = filled(other)
        configure_models(other, NarrowEmbedder(), StaticEmbedder())
        operator(other).reembed()
        after = [found(plain, query) for query in QUESTIONS]
    configure_models(vault, NarrowEmbedder(), StaticEmbedder())
    seen = []

    def search(*_progress: int) -> None:
        seen.append([found(app, query) for query in QUESTIONS])

    with pytest.MonkeyPatch.context() as patched:
        if away:  # from the first step on; what was sent before is found as before
            for name in ("upsert", "delete"):
                patched.setattr(engine, name, lambda **_: FAILURES["no connection"](engine, None, []))  # type: ignore[arg-type]
        operator(vault).reembed(progress=search)
        search()
    assert {str(answers) for answers in seen} == {str(before), str(after)}
    assert seen[-1] == after
    if away:
        assert {point.id for point in engine.all()} == old
        for _ in range(2):  # each call carries out one step: what is there is cleared away, all is sent
            operator(vault).index_status()
    facts = operator(vault).index_verify()
    assert (facts["there"], facts["missing"], facts["surplus"], facts["waiting"]) == (len(FACTS) + 1, 0, 0, 0)
    assert len(engine.within("memvault-256")) == 1  # the bank's, whose model is the old one
    assert len(engine.within("memvault-64")) == len(FACTS) + 1
    assert [found(app, query) for query in QUESTIONS] == after
    assert found(session(vault, "bank"), "roses")[0][0].startswith("An account")


def test_only_the_switch_sends_anything(vault: Vault, engine: Hostile) -> None:
    filled(vault)
    sent: list[int] = []
    configure_models(vault, NarrowEmbedder(), StaticEmbedder())
    with pytest.MonkeyPatch.context() as patched:
        true = engine.upsert
        patched.setattr(engine, "upsert", lambda **a: (sent.append(len(a["points"])), true(**a))[1])
        operator(vault).reembed()
    assert sum(sent) == len(FACTS) + 1


def test_a_vault_that_lacks_its_index_answers_no_search(vault: Vault, tmp_path: Path) -> None:
    filled(vault)
    vault.close()
    configure(tmp_path / "clinic", "sealed")
    config = tmp_path / "clinic" / "memvault.toml"
    config.write_text(config.read_text().replace("[index.qdrant]", ""))
    with Vault.open(tmp_path / "clinic") as opened:
        with pytest.raises(VectorIndexError) as caught:
            session(opened).search("tea", user_id=USER)
        assert caught.value.code == "index.unconfigured"
        assert len(session(opened).list(user_id=USER).memories) == len(FACTS)


def test_an_index_that_lost_points_is_noticed_and_made_anew(vault: Vault, engine: Hostile) -> None:
    app = filled(vault)
    lost = next(point.id for point in engine.all() if point.payload["tenant"] == _busiest(engine.all()))
    engine.delete(collection_name="memvault-256", points_selector=[lost])
    assert operator(vault).index_verify()["missing"] == 1
    answers = [found(app, query) for query in QUESTIONS]
    operator(vault).index_rebuild()
    assert operator(vault).index_verify()["missing"] == 0
    assert [found(app, query) for query in QUESTIONS] == answers


def test_a_collection_that_somebody_dropped_is_made_again(vault: Vault, engine: Hostile) -> None:
    app = filled(vault)
    answers = [found(app, query) for query in QUESTIONS]
    engine.delete_collection("memvault-256")
    with pytest.raises(VectorIndexError):
        found(app, QUESTIONS[0])
    operator(vault).index_rebuild()
    assert [found(app, query) for query in QUESTIONS] == answers


def test_a_scope_of_which_most_was_deleted_is_ranked_by_what_is_left(
    vault: Vault, engine: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = session(vault)
    ids = app.add_many([{"content": f"Note {n} on nothing", "user_id": USER} for n in range(200)]).ids
    filled(vault)
    for memory_id in ids:
        app.delete(memory_id)
    answers = [found(app, query) for query in QUESTIONS]
    monkeypatch.setattr(qdrant, "LEAST", 1)
    monkeypatch.setattr(qdrant, "OVERSAMPLE", 0)
    monkeypatch.setattr(qdrant, "SAMPLE", 64)  # two blocks, both from among the deleted
    got = [[hit.memory.text for hit in app.search(query, user_id=USER, limit=1)] for query in QUESTIONS[:4]]
    assert got == [[best[0][0]] for best in answers[:4]]


@pytest.mark.parametrize(
    "line",
    [
        'url = "http://qdrant.example.org:6333"',
        'url = "ftp://localhost"',
        'api_key = "secret"',
        "timeout_s = 0",
    ],
)
def test_a_configuration_that_would_leak_or_hang_is_refused(vault: Vault, tmp_path: Path, line: str) -> None:
    vault.close()
    config = tmp_path / "clinic" / "memvault.toml"
    config.write_text(f"{config.read_text()}{line}\n")
    with pytest.raises(ConfigError) as caught:
        Vault.open(tmp_path / "clinic")
    assert caught.value.code == "config.invalid"
    assert "secret" not in str(caught.value)
