"""`kill -9` between every two steps of a write whose index is elsewhere: a commit, or a change there, before and after.

The engine is the client's in-memory mode with its changes in a file, so that it has what a server would have. After
each death a search finds what the records hold and nothing else, and the next call carries the rest out.
"""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.elsewhere import Death, Journal, elsewhere
from support.models import NarrowEmbedder, configure
from support.soak import markdown, record

from vault import Principal, Session, Vault
from vault.embedding.static import StaticEmbedder
from vault.errors import VaultError
from vault.records.sqlcipher import SqlcipherRecords

USER = "pat-1"
SAMPLE = 5  # every so many steps under `make test`


def app(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


def operator(vault: Vault) -> Any:
    return vault.admin(Principal("clinic", "op", ("operator",)))


def opened(place: Path) -> Vault:
    """Configured for another model than the one in force, which it has too."""
    vault = Vault.open(place / "clinic")
    configure(vault, NarrowEmbedder(), StaticEmbedder())
    return vault


def add(vault: Vault) -> None:
    app(vault).add("Bought a cello last week", user_id=USER, idempotency_key="cello-0001")


def update(vault: Vault) -> None:
    first = app(vault).list(user_id=USER, order="created_at").memories[0]
    app(vault).update(first.id, "Prefers cocoa over coffee")


def delete(vault: Vault) -> None:
    for memory in app(vault).list(user_id=USER, order="created_at").memories:
        if "tea" in memory.text:
            app(vault).delete(memory.id)


def rotate(vault: Vault) -> None:
    operator(vault).keys_rotate("subject")
    app(vault).list(user_id=USER)


def rebuild(vault: Vault) -> None:
    operator(vault).index_rebuild()


def reembed(vault: Vault) -> None:
    operator(vault).reembed()


def erase(vault: Vault) -> None:
    officer = vault.session(Principal("clinic", "dpo", ("privacy",)), purpose="rights-request")
    known = officer.requests.list()
    request = (
        officer.requests.get(known[0].id)
        if known
        else officer.requests.open(ground="gdpr.17.1.b", user_id=USER)
    )
    request.preview()
    request.run(roll=False)
    request.certificate()


ACTIONS: dict[str, Callable[[Vault], None]] = {
    "add": add, "update": update, "delete": delete, "rotate": rotate, "rebuild": rebuild,
    "reembed": reembed, "erase": erase,
}  # fmt: skip


def dies(place: Path, action: str, at: int) -> bool:
    """Do it in a child that is killed at step `at`; False where it lived to its end."""
    child = os.fork()
    if child == 0:
        status = 9
        try:
            death = Death(at)
            from vault.index import qdrant

            qdrant.connect = lambda *_args, **_options: Journal(place / "engine", death)  # type: ignore[assignment]
            true = SqlcipherRecords._transaction

            @contextmanager
            def counted(self: SqlcipherRecords, durable: bool) -> Any:
                with true(self, durable):
                    yield
                    death()
                death()

            vault = opened(place)
            SqlcipherRecords._transaction = counted  # type: ignore[method-assign,assignment]
            ACTIONS[action](vault)
            status = 0
        except VaultError:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status in (0, 9), "the child ended by itself, with an error"
    return status == 9 and os.WIFSIGNALED(status)


def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, *, stride: int = 1) -> int:
    """Kill it at every `stride`-th step, each time in a vault of its own, and look; how many places there were."""
    template = tmp_path / "template"
    template.mkdir()
    monkeypatch.setattr("vault.index.qdrant.connect", lambda *_a, **_o: Journal(template / "engine"))
    with elsewhere(template) as vault:
        for fact in ("Prefers tea over coffee", "The garden has roses", "Plays chess on Thursdays"):
            app(vault).add(fact, user_id=USER)
    died, at = 0, 1
    while True:
        place = tmp_path / f"{action}-{at}"
        shutil.copytree(template, place)
        text = (place / "clinic" / "memvault.toml").read_text()
        (place / "clinic" / "memvault.toml").write_text(text.replace(str(template), str(place)))
        if not dies(place, action, at):
            break
        died, at = died + 1, at + stride
        engine = Journal(place / "engine")
        monkeypatch.setattr("vault.index.qdrant.connect", lambda *_a, engine=engine, **_o: engine)
        with opened(place) as vault:
            stored = sorted(memory.text for memory in app(vault).list(user_id=USER).memories)
            found = sorted(
                hit.memory.text for hit in app(vault).search("cello tea cocoa roses", user_id=USER)
            )
            assert found == stored
            ACTIONS[action](vault)
            facts = operator(vault).index_verify()
            assert (facts["missing"], facts["surplus"], facts["waiting"]) == (0, 0, 0)
            assert facts["there"] == facts["checked"] == len(engine.all())
            log = vault.admin(Principal("clinic", "aud", ("auditor",)), purpose="audit").audit_show()
            assert "integrity.alarm" not in {entry.action for entry in log}
        shutil.rmtree(place)
    return died


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_killed_between_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    assert killed(tmp_path, monkeypatch, action, stride=SAMPLE) >= 2


@pytest.mark.soak
def test_killed_between_any_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    for action in ACTIONS:
        place = tmp_path / action
        place.mkdir()
        rows.append((action, killed(place, monkeypatch, action), 0, 0, 0))
        assert rows[-1][1] >= 6
    head = ("cut off", "places", "memories not found", "points left or lacking", "alarms")
    record("outbox-steps", "Writes to an index elsewhere killed at every step", markdown(head, rows))
