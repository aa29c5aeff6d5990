"""`kill -9` between every two steps of a merge, a rename, an alias, and a redaction of mentions.

After each death a process that was open all the time and a fresh one see the same: everything as it was, or everything
as it is to be; every memory once, by every id it has had. Done again, it ends as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.nursery import Nursery
from support.soak import markdown, record
from support.steps import ACTIONS
from test_steps import EMAIL, deaths, intact, session_in, template, tmp_path

from vault import Principal, Vault
from vault.errors import NotFoundError
from vault.flows import naming

pytest_plugins = ("support.crash_fixtures",)
__all__ = ["template", "tmp_path"]  # fixtures

USERS = ("pat-1", "pat-2", "MRN-1")


def people(vault: Vault) -> Any:
    return vault.session(Principal("clinic", "officer", ("privacy",)), purpose="rights-request").subjects


def seen(vault: Vault) -> dict[str, list[str]]:
    """By user id: every memory as a caller sees it, with its history, but for ids and the names of tokens."""
    session, found = session_in(vault), {}
    for user in USERS:
        told = []
        for memory in session.list(user_id=user, order="created_at", limit=100).memories:
            steps = [(s.version, s.event, (s.text or "").split("[")[0]) for s in session.history(memory.id)]
            told.append(f"{memory.user_id} {memory.agent_id} {memory.run_id} {memory.version} {steps}")
        found[user] = told
        hits = {h.memory.id for h in session.search(f"{EMAIL} garden pruning", user_id=user, limit=100)}
        assert len(hits) == len(told)
    return found


def ids_of(vault: Vault) -> dict[str, str]:
    """Every memory's id of before, and what it says."""
    session = session_in(vault)
    return {
        memory.id: memory.text.split("[")[0]
        for user in USERS
        for memory in session.list(user_id=user, limit=100).memories
    }


def done_again(action: str, base: Path, vault: Vault) -> None:
    """The same call; after a rename that happened and kept no alias, nobody has the old id."""
    with suppress(*([NotFoundError] if action == "rename" else [])):
        ACTIONS[action](base, vault)


def whole(vault: Vault, action: str) -> None:
    """What holds after the action, whenever its process died."""
    stages = vault._opened()
    keys = stages.keystore.tenant("clinic")
    assert keys is not None
    with stages.stores.use(keys) as store:
        assert store.records.setting(naming.PENDING) == 1
    session = session_in(vault)
    for user in USERS[:2] if action in ("merge", "redact mentions") else ("MRN-1", "pat-2"):
        (added,) = session.add(f"One more from {EMAIL}", user_id=user).memories
        assert session.get(added.id).user_id == ("pat-2" if action == "merge" else added.user_id)
        session.delete(added.id)
    if action == "merge":
        assert people(vault).aliases("pat-1").user_id == "pat-2"
        live = {kid for kid, _ in stages.keystore.live_kids(keys.tid)}
        assert {row.kid for row in store.records.subjects()} <= live
        token = {
            m.text.split("ask ")[1] for m in session.list(user_id="pat-2").memories if "ask [EMAIL" in m.text
        }
        assert len(token) == 2  # one note goes on behind the token
    if action == "redact mentions":
        assert not any(one.clear for one in people(vault).find_mentions("roses").found)
    intact(vault)


def cut_off(nursery: Nursery, template: Path, place: Path, action: str, *, every: bool = False) -> int:
    with Vault.open(template / "vault") as vault:
        before, old = seen(vault), ids_of(vault)
    after: dict[str, list[str]] = {}
    outcomes = []
    for base, witness in deaths(nursery, template, place, action, every=every):
        assert witness is not None
        with Vault.open(base / "vault") as vault:
            now = seen(vault)
            assert seen(witness) == now
            outcomes.append(now != before)
            if now != before:
                after = after or now
                assert now == after
            for memory_id, text in old.items():
                assert (
                    session_in(vault).get(memory_id).text.split("[")[0] == text or action == "redact mentions"
                )
                assert session_in(witness).get(memory_id)
            intact(vault)
            done_again(action, base, vault)
            ended = seen(vault)
            assert seen(witness) == ended
            after = after or ended
            assert ended == after
            assert {session_in(vault).get(memory_id).id for memory_id in old} <= set(ids_of(vault))
            assert len(ids_of(vault)) == len(old)
            whole(vault, action)
    assert outcomes == sorted(outcomes)  # from one step on it has happened
    assert not outcomes[0]
    assert outcomes[-1]
    return len(outcomes)


WHAT: dict[str, Callable[[dict[str, list[str]]], bool]] = {
    "merge": lambda after: len(after["pat-1"]) == len(after["pat-2"]) == 6,
    "rename": lambda after: (len(after["pat-1"]), len(after["MRN-1"])) == (0, 3),
    "alias": lambda after: after["MRN-1"] == after["pat-1"] != [],
    "redact mentions": lambda after: "REDACT" in repr(after["pat-1"]),
}


@pytest.mark.parametrize("action", sorted(WHAT))
def test_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path, action: str) -> None:
    assert cut_off(nursery, template, tmp_path, action) >= 3
    with Vault.open(template / "vault") as vault:
        assert seen(vault)["MRN-1"] == []


@pytest.mark.parametrize("action", sorted(WHAT))
def test_it_does_what_it_says(template: Path, tmp_path: Path, action: str) -> None:
    import shutil

    shutil.copytree(template, tmp_path / "copy")
    with Vault.open(tmp_path / "copy" / "vault") as vault:
        before = seen(vault)
        ACTIONS[action](tmp_path, vault)
        after = seen(vault)
        assert WHAT[action](after), after
        assert not WHAT[action](before)
        whole(vault, action)


@pytest.mark.soak
def test_every_statement(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    died = {action: cut_off(nursery, template, tmp_path, action, every=True) for action in sorted(WHAT)}
    table = markdown(
        ["cut off", "places", "memories lost or twice", "not resumed"],
        [[name, number, 0, 0] for name, number in died.items()],
    )
    record(
        "people",
        "Killed between all statements of a merge, a rename, an alias, a redaction of mentions",
        table,
    )
    assert all(number > 20 for number in died.values())
