"""Backups: made while others write, complete or not there, checked by themselves, removed when they are old."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.pages import PageReader

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.audit import verify
from vault.errors import (
    ConfigError,
    DeniedError,
    IntegrityViolationError,
    InvalidInputError,
    KeyProviderError,
    VaultError,
)
from vault.flows.backups import shelf
from vault.flows.backups.shelf import Backup, Keep


def app(vault: Vault, tenant: str = "clinic") -> Session:
    return vault.session(Principal(tenant, "bot", ("app",)), purpose="service")


def operator(vault: Vault) -> Admin:
    return vault.admin(Principal("clinic", "op", ("operator",)))


@pytest.fixture
def vault(make_vault: Callable[..., Vault], tmp_path: Path) -> Vault:
    made = make_vault(keystore_backup=tmp_path / "keystores")
    for number in range(40):
        app(made).add(f"Fact {number} of ana.rivera@example.org", user_id=f"pat-{number % 4}")
    app(made, "bank").add("Account opened", user_id="c-1")
    return made


def data_backup(vault: Vault, to: Path, **options: Any) -> Path:
    return Path(operator(vault).backup_create("data", to=to, **options)["folder"])


# --- what is in one ------------------------------------------------------------------------------------------------


def test_a_data_backup_holds_every_tenants_file_and_says_so_without_names(
    vault: Vault, tmp_path: Path
) -> None:
    made = operator(vault).backup_create("data", to=tmp_path / "backups")
    assert (made["tenants"], made["memories"]) == (3, 41)
    folder = Path(made["folder"])
    said = json.loads((folder / "manifest.json").read_text())
    tids = {tid.hex() for _, tid, _ in vault._opened().keystore.tenant_names()}
    assert {part["tid"] for part in said["tenants"]} == tids
    assert sum(part["memories"] for part in said["tenants"]) == 41
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"manifest.json", "manifest.sig", *(f"tenants/{tid}/records.db" for tid in tids)}
    for path in (folder, *folder.rglob("*")):
        assert not path.stat().st_mode & 0o077, path
    text = (folder / "manifest.json").read_text() + (folder / "manifest.sig").read_text()
    for name in ("clinic", "bank", "pat-", '"ana"', '"op"', str(tmp_path)):
        assert name not in text


def test_every_log_in_a_backup_is_signed_to_its_end(vault: Vault, tmp_path: Path) -> None:
    folder = data_backup(vault, tmp_path / "backups")
    said = json.loads((folder / "manifest.json").read_text())
    for part in said["tenants"]:
        assert part["size"] == part["entries"]
        checkpoint = verify.parse_checkpoint(part["checkpoint"].partition("\n\n")[0] + "\n")
        assert (checkpoint.size, checkpoint.root.hex()) == (part["size"], part["root"])


def test_a_copy_opens_with_the_tenants_file_key_and_with_no_other(vault: Vault, tmp_path: Path) -> None:
    folder = data_backup(vault, tmp_path / "backups")
    clinic = vault._opened().keystore.tenant("clinic")
    bank = vault._opened().keystore.tenant("bank")
    assert clinic is not None
    assert bank is not None
    path = folder / "tenants" / clinic.tid.hex() / "records.db"
    assert list(PageReader(path, bytes(clinic.key("records").buffer)).pages())
    with pytest.raises(Exception, match="page 1"):
        list(PageReader(path, bytes(bank.key("records").buffer)).pages())


def test_a_backup_is_one_moment_while_others_write(vault: Vault, tmp_path: Path) -> None:
    """Every copy verifies as a whole: rows, hash, chain and history fit together."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(number: int) -> None:
        session, done = app(vault), 0
        try:
            while not stop.is_set():
                session.add(f"Fact {done} of writer {number}", user_id=f"writer-{number}")
                done += 1
        except BaseException as error:  # noqa: BLE001 - shown in the main thread
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        counts = []
        for number in range(4):
            folder = data_backup(vault, tmp_path / f"backups-{number}")
            counts.append(operator(vault).backup_verify(folder)["memories"])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    assert operator(vault).audit_verify()


def test_a_backup_stays_as_it_is_when_it_is_looked_at(vault: Vault, tmp_path: Path) -> None:
    """Also on a medium that cannot be written."""
    folder = data_backup(vault, tmp_path / "backups")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path in folder.rglob("*"):
        path.chmod(0o500 if path.is_dir() else 0o400)
    operator(vault).backup_verify(folder)
    Vault.restore(vault.folder, folder, Principal("clinic", "op", ("operator",)), kind="data")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("part", ["records", "manifest.json", "manifest.sig", "missing"])
def test_a_changed_or_missing_file_is_noticed(vault: Vault, tmp_path: Path, part: str) -> None:
    folder = data_backup(vault, tmp_path / "backups")
    path = next(folder.rglob("records.db")) if part in ("records", "missing") else folder / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if part == "missing":
        path.unlink()
    with pytest.raises(IntegrityViolationError) as caught:
        operator(vault).backup_verify(folder)
    assert caught.value.code in ("backup.damaged", "backup.foreign")


def test_a_file_of_another_backup_in_its_place_is_noticed(vault: Vault, tmp_path: Path) -> None:
    older = data_backup(vault, tmp_path / "backups")
    app(vault).add("A fact of later", user_id="pat-1")
    newer = data_backup(vault, tmp_path / "backups")
    for path in older.rglob("records.db"):
        shutil.copyfile(path, newer / path.relative_to(older))
    with pytest.raises(IntegrityViolationError):
        operator(vault).backup_verify(newer)


def test_a_backup_of_another_vault_is_refused(
    vault: Vault, make_vault: Callable[..., Vault], tmp_path: Path
) -> None:
    other = make_vault("other")
    app(other).add("Elsewhere", user_id="u")
    folder = data_backup(other, tmp_path / "backups")
    with pytest.raises(IntegrityViolationError) as caught:
        operator(vault).backup_verify(folder)
    assert caught.value.code == "backup.foreign"


# --- where ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["data", "keystore"])
def test_backups_lie_apart_from_the_vault_and_from_each_other(
    vault: Vault, tmp_path: Path, kind: str
) -> None:
    wrong = [vault.folder / "backups", vault.folder / "archive" / "x"]
    wrong += [tmp_path / "keystores", tmp_path / "clinic-keys" / "data"] if kind == "data" else []
    for place in wrong:
        with pytest.raises(ConfigError) as caught:
            operator(vault).backup_create(kind, to=place)
        assert caught.value.code == "backup.place"
        assert not place.exists() or place.name == "keystores"


def test_a_place_is_asked_for_or_configured(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        operator(vault).backup_create("data")
    assert "backup.data" in caught.value.message
    folder = vault.folder
    vault.close()
    toml = folder / "memvault.toml"
    toml.write_text(toml.read_text().replace("# data = ", f'data = "{tmp_path / "configured"}"', 1))
    with Vault.open(folder) as again:
        made = Path(operator(again).backup_create("data")["folder"])
        assert made.parent == tmp_path / "configured"
        copy = Path(operator(again).backup_create("keystore")["folder"])
        assert copy.parent == tmp_path / "keystores"
        kinds = [(one.kind, one.folder) for one in operator(again).backup_list()]
        assert set(kinds) == {("data", made), ("keystore", copy)}


def test_only_the_operator_backs_up_and_it_is_logged(vault: Vault, tmp_path: Path) -> None:
    for role in ("app", "staff", "privacy", "auditor"):
        admin = vault.admin(Principal("clinic", "someone", (role,)))
        with pytest.raises(DeniedError):
            admin.backup_create("data", to=tmp_path / "backups")
        with pytest.raises(DeniedError):
            admin.backup_list()
        with pytest.raises(DeniedError):
            admin.backup_verify(tmp_path)
        with pytest.raises(DeniedError):
            Vault.restore(vault.folder, tmp_path, Principal("clinic", "someone", (role,)), kind="data")
    assert not (tmp_path / "backups").exists()
    data_backup(vault, tmp_path / "backups")
    assert _own_log(vault).count(("backup.create", "denied")) == 4
    assert _own_log(vault).count(("backup.verify", "denied")) == 8
    assert _own_log(vault).count(("backup.restore", "denied")) == 4
    assert _own_log(vault)[-2:] != []
    assert ("backup.create", "ok") in _own_log(vault)


def _own_log(vault: Vault) -> list[tuple[str, str]]:
    from vault.audit.jcs import strict_loads
    from vault.flows.context import SYSTEM_TENANT

    stages = vault._opened()
    system = stages.keystore.tenant(SYSTEM_TENANT)
    assert system is not None
    with stages.stores.use(system) as store:
        entries = [strict_loads(row.entry) for row in store.records.log()]
    return [(entry["act"], entry["res"]) for entry in entries]


# --- keystore ------------------------------------------------------------------------------------------------------


def test_a_keystore_backup_opens_and_one_of_a_destroyed_epoch_is_said_to_be_useless(vault: Vault) -> None:
    first = operator(vault).backup_create("keystore")
    assert operator(vault).backup_verify(first["folder"])["subjects"] == 5
    operator(vault).keys_rotate("root")
    (newest, older) = operator(vault).backup_list()
    assert (newest.usable, older.usable) == (True, False)
    with pytest.raises(KeyProviderError, match="nobody can open it"):
        operator(vault).backup_verify(older.folder)
    assert operator(vault).backup_verify(older.folder.parent)["epoch"] == 2  # the newest that is of use


# --- retention -----------------------------------------------------------------------------------------------------

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def standing(*ages: float, dead: tuple[int, ...] = ()) -> list[Backup]:
    """Backups so many days old, newest first; `dead` are positions whose epoch is destroyed."""
    return [
        Backup("keystore", f"b{age}", Path(f"b{age}"), NOW - timedelta(days=age), 1, 1, position not in dead)
        for position, age in enumerate(sorted(ages))
    ]


@pytest.mark.parametrize(
    ("ages", "dead", "keep", "goes"),
    [
        ((0, 1, 2, 3), (), Keep(None, None), []),
        ((0, 1, 2, 3), (1,), Keep(None, None), []),
        ((0, 1, 2, 3), (), Keep(2, None), ["b2", "b3"]),
        ((0, 1, 2, 3), (), Keep(None, 2), ["b2", "b3"]),
        ((0, 1, 2, 3), (), Keep(1, 3), ["b3"]),
        ((0, 1, 2, 3), (), Keep(3, 1), ["b3"]),
        ((40, 50), (), Keep(None, 7), ["b50"]),  # the newest stays however old
        ((40,), (), Keep(1, 1), []),
        ((0, 1, 2, 3), (0, 2), Keep(5, None), ["b0", "b2"]),  # what nobody can open
        ((0, 1), (0, 1), Keep(1, None), ["b0", "b1"]),
        ((0, 1, 9), (0,), Keep(1, None), ["b0", "b9"]),
    ],
)
def test_what_goes(ages: tuple[float, ...], dead: tuple[int, ...], keep: Keep, goes: list[str]) -> None:
    assert sorted(one.name for one in shelf.surplus(standing(*ages, dead=dead), keep, NOW)) == sorted(goes)


def test_older_backups_go_with_the_new_one(vault: Vault, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    made = [data_backup(vault, place) for _ in range(3)]
    foreign = place / "photos"
    foreign.mkdir()
    rehearsed = operator(vault).backup_create("data", to=place, keep=2, dry_run=True)
    assert rehearsed["would_remove"] == [made[1].name, made[0].name]
    assert all(path.is_dir() for path in made)
    answer = operator(vault).backup_create("data", to=place, keep=2)
    assert sorted(answer["removed"]) == sorted(path.name for path in made[:2])
    left = sorted(path.name for path in place.iterdir())
    assert left == sorted([made[2].name, Path(answer["folder"]).name, "photos", "backup.lock"])


def test_what_a_cut_off_backup_left_is_removed_by_the_next(vault: Vault, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    made = data_backup(vault, place)
    made.rename(place / f".partial-{made.name}")
    assert operator(vault).backup_list(to=place) == []
    with pytest.raises(InvalidInputError):
        operator(vault).backup_verify(place)
    data_backup(vault, place)
    assert not list(place.glob(".partial-*"))


def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VaultError) as caught:
        data_backup(vault, tmp_path / "backups")
    assert caught.value.code == "storage.full"
    monkeypatch.undo()
    assert operator(vault).backup_list(to=tmp_path / "backups") == []


def test_a_damaged_tenant_is_named_by_its_id(vault: Vault, tmp_path: Path) -> None:
    bank = vault._opened().keystore.tenant("bank")
    assert bank is not None
    folder = vault.folder
    vault.close()
    path = folder / "tenants" / bank.tid.hex() / "records.db"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with Vault.open(folder) as again:
        with pytest.raises(IntegrityViolationError) as caught:
            data_backup(again, tmp_path / "backups")
        assert bank.tid.hex() in caught.value.message
        assert "bank" not in caught.value.message
        assert operator(again).backup_list(to=tmp_path / "backups") == []
