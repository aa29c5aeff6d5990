"""Many processes, one erasure: who holds keys and open files fails at the next read; writers go on through a roll."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import session_of
from support.hsm import Hsm
from support.nursery import Nursery
from support.remote import Remote, RemoteError

from vault import Principal, Session, Vault

pytest_plugins = ("support.crash_fixtures", "support.hsm_fixtures")

WORD = "quabblor"


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    return memory_path


@pytest.fixture(params=["local", "SoftHSM2"])
def shared_vault(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_vault: Callable[..., Vault],
) -> Iterator[tuple[Vault, Nursery]]:
    """A vault on either provider, and a nursery whose children see the same token."""
    if request.param == "local":
        yield make_vault(), request.getfixturevalue("nursery")
        return
    hsm: Hsm = request.getfixturevalue("hsm")
    monkeypatch.setenv("CLINIC_PIN", hsm.pin)
    token: dict[str, Any] = {
        "pkcs11_module": hsm.module,
        "pkcs11_token": hsm.label,
        "pkcs11_pin": "env:CLINIC_PIN",
    }
    nursery = Nursery(tmp_path / "nursery")
    try:
        with Vault.init(tmp_path / "vault", keystore_backup=tmp_path / "backups", **token) as vault:
            yield vault, nursery
    finally:
        nursery.close()


def privacy(vault: Vault) -> Session:
    return session_of(vault, roles=("privacy",), purpose="rights-request", name="officer")


def erase(vault: Vault, *, roll: bool, **scope: Any) -> str:
    request = privacy(vault).requests.open(ground="gdpr.17.1.b", **scope)
    request.preview()
    return request.run(roll=roll).state


def seen(reader: Remote, user: str) -> list[str]:
    """Everything one process still reads of a person, by list and by search."""
    listed = reader.call("list", user_id=user)["memories"]
    hits = reader.call("search", f"{WORD} garden", user_id=user, limit=20)
    return [str(one) for one in (*listed, *hits)]


def test_readers_with_warm_caches_fail_at_the_next_read(shared_vault: tuple[Vault, Nursery]) -> None:
    vault, nursery = shared_vault
    here = session_of(vault)
    people = [f"pat-{n}" for n in range(6)]
    memories = {
        user: [here.add(f"Ordered more {WORD} for garden {n}", user_id=user).memories[0] for n in range(3)]
        for user in people
    }
    with ExitStack() as stack:
        readers = [stack.enter_context(Remote(nursery, vault.folder)) for _ in range(3)]
        for reader in readers:
            for user in people:
                assert len(seen(reader, user)) == 6
        for number, user in enumerate(people[:4]):
            part = number % 2 == 1
            gone = memories[user][:1] if part else memories[user]
            scope: dict[str, Any] = {"memory_ids": [gone[0].id]} if part else {"user_id": user}
            assert erase(vault, roll=number >= 2, **scope) == "erased"
            for reader in readers:  # the very next read of each process
                with pytest.raises(RemoteError, match=r"memory\.unknown"):
                    reader.call("get", gone[0].id)
                assert len(seen(reader, user)) == (4 if part else 0)
            for reader in readers:
                assert len(seen(reader, people[5])) == 6
        for reader in readers:
            reader.call("add", "Something new", user_id=people[0])
        assert len(here.list(user_id=people[0]).memories) == 3


def test_writers_go_on_through_rolls(shared_vault: tuple[Vault, Nursery]) -> None:
    vault, nursery = shared_vault
    here = session_of(vault)
    for number in range(8):
        here.add(f"Ordered more {WORD}", user_id=f"gone-{number}")
        here.add("And again", user_id=f"gone-{number}")
    with ExitStack() as stack:
        writers = [stack.enter_context(Remote(nursery, vault.folder)) for _ in range(2)]
        epoch = vault._opened().keystore.epoch
        for number, writer in enumerate(writers):
            writer.begin("work", 2.5, f"writer-{number}")
        ends, rolls = time.monotonic() + 2.0, 0
        while time.monotonic() < ends and rolls < 4:
            first = here.list(user_id=f"gone-{2 * rolls}").memories[0]
            assert erase(vault, roll=False, memory_ids=[first.id]) == "erased"
            assert erase(vault, roll=True, user_id=f"gone-{2 * rolls + 1}") == "erased"
            rolls += 1
        told = [writer.finish() for writer in writers]
    assert rolls
    assert vault._opened().keystore.epoch == epoch + rolls
    with Vault.open(vault.folder) as fresh:
        session = session_of(fresh)
        for number, one in enumerate(told):
            assert one["errors"] == {}
            assert one["done"] >= 10
            stored = {m.id: m.text for m in session.list(user_id=f"writer-{number}", limit=1_000).memories}
            assert stored == one["kept"]
        operator = fresh.admin(Principal("clinic", "operator", ("operator",)))
        assert operator.audit_verify()["records"] == operator.index_verify()["checked"]
        operator.keys_verify()
