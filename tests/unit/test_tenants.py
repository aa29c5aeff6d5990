"""Tenants: how they come to be, that they stay apart, and that many of them work with few open files."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.calls import auditor, entries, operator, session_of, stages_of

from vault import Principal, Session, Vault
from vault.errors import DeniedError, InvalidInputError, NotFoundError, UnavailableError


def configured(vault: Vault, line: str) -> Vault:
    """The same vault with a line of its `[tenants]` section changed, open again."""
    vault.close()
    config = vault.folder / "memvault.toml"
    key = line.partition("=")[0]
    kept = [old for old in config.read_text().splitlines() if not old.startswith(key)]
    config.write_text("\n".join(kept).replace("[tenants]", f"[tenants]\n{line}"))
    return Vault.open(vault.folder)


def names(vault: Vault) -> list[str]:
    return [tenant.name for tenant in operator(vault).tenants()]


# --- coming to be -----------------------------------------------------------------------------------------


def test_the_first_session_creates_the_tenant(clinic: Vault) -> None:
    assert names(clinic) == []
    session_of(clinic, "clinic").add("likes tea", user_id="u")
    session_of(clinic, "bank")
    session_of(clinic, "bank")
    assert names(clinic) == ["bank", "clinic"]
    made = [e["act"] for e in entries(clinic, "memvault:system")].count("tenant.create")
    assert made == 3  # the two, and the log of the vault itself
    assert [e["act"] for e in entries(clinic, "bank")] == ["tenant.create"]


def test_explicit_tenants_are_created_by_the_operator_only(make_vault: Callable[..., Vault]) -> None:
    vault = make_vault(explicit_tenants=True)
    with pytest.raises(NotFoundError) as caught:
        session_of(vault)
    assert caught.value.code == "tenant.unknown"
    assert names(vault) == []
    made = operator(vault).create_tenant("clinic")
    assert (made.name, names(vault)) == ("clinic", ["clinic"])
    session_of(vault).add("likes tea", user_id="u")
    with pytest.raises(InvalidInputError) as taken:
        operator(vault).create_tenant("clinic")
    assert taken.value.code == "tenant.exists"
    for unknown in ("Clinic", "bank"):
        with pytest.raises(NotFoundError):
            session_of(vault, unknown)
        with pytest.raises(NotFoundError):
            operator(vault, unknown).keys_status()
    assert names(vault) == ["clinic"]


@pytest.mark.parametrize("name", ["memvault:system", "memvault:", "MemVault:x", "MEMVAULT:SYSTEM"])
def test_names_of_memvaults_own_are_refused(clinic: Vault, name: str) -> None:
    before = [e["seq"] for e in entries(clinic, "memvault:system")]
    for attempt in (
        lambda: session_of(clinic, name),
        lambda: clinic.admin(Principal(name, "op", ("operator",))),
        lambda: operator(clinic).create_tenant(name),
    ):
        with pytest.raises(InvalidInputError) as caught:
            attempt()
        assert caught.value.code == "tenant.reserved"
    assert [e["seq"] for e in entries(clinic, "memvault:system")] == before
    assert session_of(clinic, "memvault").list(user_id="u").memories == ()  # only the prefix is


@pytest.mark.parametrize(
    "name", ["Bank of Łódź", "銀行", "a/../b", "..", "con", "x" * 256, "'; --", "café ☕", ".hidden"]
)
def test_any_name_is_only_a_name(clinic: Vault, name: str) -> None:
    memory = session_of(clinic, name).add("likes tea", user_id="u").memories[0]
    assert session_of(clinic, name).get(memory.id) == memory
    assert name in names(clinic)
    found = {path.name for path in clinic.folder.rglob("*")} | {
        path.name for path in clinic.folder.parent.iterdir()
    }
    assert name not in found


def test_a_name_is_compared_composed(clinic: Vault) -> None:
    session_of(clinic, "cafe\u0301").add("likes tea", user_id="u")
    assert len(session_of(clinic, "caf\u00e9").list(user_id="u").memories) == 1
    assert session_of(clinic, "cafe").list(user_id="u").memories == ()
    assert names(clinic) == ["cafe", "caf\u00e9"]


def test_creating_a_tenant_from_many_threads_makes_one(clinic: Vault) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: session_of(clinic, "rush"), range(16)))
    assert names(clinic) == ["rush"]


# --- apart --------------------------------------------------------------------------------------------------


def test_the_same_ids_in_two_tenants_are_two_people(clinic: Vault) -> None:
    first, second = session_of(clinic, "clinic"), session_of(clinic, "bank")
    memories = [s.add("write to ana@example.org", user_id="u").memories[0] for s in (first, second)]
    assert memories[0].text != memories[1].text  # another token for the same value
    for session, own, foreign in ((first, *memories), (second, *memories[::-1])):
        assert session.list(user_id="u").memories == (own,)
        assert [hit.memory for hit in session.search("ana@example.org", user_id="u")] == [own]
        with pytest.raises(NotFoundError):
            session.get(foreign.id)
    assert first.delete_all(user_id="u").deleted == 1
    assert second.list(user_id="u").memories == (memories[1],)


def test_a_log_tells_of_its_own_tenant_only(clinic: Vault) -> None:
    for tenant, text in (("clinic", "likes tea"), ("bank", "has a loan")):
        session_of(clinic, tenant).add(text, user_id="u")
    ids = {m.id for m in session_of(clinic, "bank").list(user_id="u").memories}
    seen = auditor(clinic, "clinic").audit_show()
    assert {memory_id for entry in seen for memory_id in entry.memory_ids}.isdisjoint(ids)


def test_an_operator_of_one_tenant_rotates_no_other(clinic: Vault) -> None:
    for tenant in ("clinic", "bank"):
        session_of(clinic, tenant).add("likes tea", user_id="u")
    before = operator(clinic, "bank").keys_status()
    operator(clinic, "clinic").keys_rotate("tenant")
    after = operator(clinic, "bank").keys_status()
    assert (before["kek"], before["keys"]) == (after["kek"], after["keys"])


def test_tenants_are_listed_and_made_by_operators(clinic: Vault) -> None:
    bot = clinic.admin(Principal("clinic", "bot", ("app",)), purpose="service")
    for attempt in (bot.tenants, lambda: bot.create_tenant("x"), lambda: auditor(clinic).create_tenant("x")):
        with pytest.raises(DeniedError):
            attempt()
    assert names(clinic) == []


# --- many -----------------------------------------------------------------------------------------------------


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0  # noqa: PTH208


def test_three_hundred_tenants_with_four_open_files(make_vault: Callable[..., Vault]) -> None:
    vault = configured(make_vault(), "open_files = 4")
    gc.collect()
    before = _open_files()
    tenants = [f"tenant {n}" for n in range(300)]
    ids = {}
    with vault:
        for n, tenant in enumerate(tenants):
            ids[tenant] = session_of(vault, tenant).add(f"secret number {n}", user_id="u").memories[0].id
        assert names(vault) == sorted(tenants)
        assert len(stages_of(vault).stores._open) <= 4
        if before:
            assert _open_files() - before < 40
        for n, tenant in enumerate(tenants[::37]):
            session = session_of(vault, tenant)
            (memory,) = session.list(user_id="u").memories
            assert (memory.id, memory.text) == (ids[tenant], f"secret number {n * 37}")
            with pytest.raises(NotFoundError):
                session.get(ids[tenants[n * 37 + 1]])
        operator(vault, tenants[7]).audit_verify()
    with Vault.open(vault.folder) as again:
        assert session_of(again, tenants[299]).get(ids[tenants[299]]).text == "secret number 299"


def test_threads_on_more_tenants_than_open_files(make_vault: Callable[..., Vault]) -> None:
    """A store in use is never closed under somebody's feet."""
    vault = configured(make_vault(), "open_files = 1")

    def work(n: int) -> int:
        session = session_of(vault, f"tenant {n % 5}")
        session.add(f"fact {n}", user_id="u")
        assert session.search(f"fact {n}", user_id="u")
        return n

    with vault, ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(40))) == list(range(40))
        for n in range(5):
            assert len(session_of(vault, f"tenant {n}").list(user_id="u").memories) == 8
            operator(vault, f"tenant {n}").audit_verify()


# --- the vault as a context manager -----------------------------------------------------------------------------


def test_a_vault_is_a_context_manager(tmp_path: Path) -> None:
    with Vault.init(tmp_path / "v", key_folder=tmp_path / "k", keystore_backup="none") as vault:
        session = session_of(vault)
        session.add("likes tea", user_id="u")
        assert repr(vault) == "<Vault open>"
    assert repr(vault) == "<Vault closed>"
    with pytest.raises(UnavailableError):
        session.list(user_id="u")
    with pytest.raises(ValueError, match="mine"), Vault.open(tmp_path / "v") as vault:
        raise ValueError("mine")
    assert repr(vault) == "<Vault closed>"
    assert _files_of(tmp_path / "v") == []


def _files_of(folder: Path) -> list[str]:
    """Open handles of this process inside a folder."""
    gc.collect()
    links = Path("/proc/self/fd")
    if not links.is_dir():
        return []
    found = []
    for link in links.iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:
            continue
    return [path for path in found if path.startswith(str(folder))]


def test_sessions_of_one_vault_share_it(clinic: Vault, app: Session) -> None:
    memory = app.add("likes tea", user_id="u").memories[0]
    with ThreadPoolExecutor(6) as pool:
        read = list(pool.map(lambda n: session_of(clinic, name=f"bot {n}").get(memory.id), range(24)))
    assert read == [memory] * 24
