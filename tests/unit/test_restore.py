"""Restore: what it says before it does it, what it keeps and refuses, and how those who had the vault open go on."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.errors import (
    ConflictError,
    HeldError,
    IntegrityViolationError,
    InvalidInputError,
    NotFoundError,
    RollbackError,
    StorageError,
    VaultError,
)

OP = Principal("clinic", "op", ("operator",))
EMAIL = "kim@example.org"


def app(vault: Vault, tenant: str = "clinic") -> Session:
    return vault.session(Principal(tenant, "bot", ("app",)), purpose="service")


def operator(vault: Vault, tenant: str = "clinic") -> Admin:
    return vault.admin(Principal(tenant, "op", ("operator",)))


def privacy(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "officer", ("privacy",)), purpose="rights-request")


def log(vault: Vault, tenant: str = "clinic") -> list[Any]:
    return vault.admin(Principal(tenant, "aud", ("auditor",)), purpose="audit").audit_show()


def texts(vault: Vault, user: str, tenant: str = "clinic") -> list[str]:
    return [memory.text for memory in app(vault, tenant).list(user_id=user, order="created_at").memories]


class Place:
    """A vault's folder, and where its backups go."""

    def __init__(self, base: Path, vault: Vault) -> None:
        self.base, self.folder = base, vault.folder

    def open(self) -> Vault:
        return Vault.open(self.folder)

    def back_up(self, kind: str = "data") -> Path:
        with self.open() as vault:
            to = self.base / "backups" if kind == "data" else None
            return Path(operator(vault).backup_create(kind, to=to)["folder"])

    def restore(self, backup: Path, kind: str = "data", **options: Any) -> dict[str, Any]:
        return Vault.restore(self.folder, backup, OP, kind=kind, **{"execute": True, **options})

    def tenant_folder(self, tenant: str = "clinic") -> Path:
        with self.open() as vault:
            keys = vault._opened().keystore.tenant(tenant)
            assert keys is not None
            return self.folder / "tenants" / keys.tid.hex()

    def contents(self) -> dict[str, bytes]:
        kept = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
        return {str(path): path.read_bytes() for path in kept if not path.name.endswith(("-shm", "-wal"))}


@pytest.fixture
def place(make_vault: Callable[..., Vault], tmp_path: Path) -> Place:
    vault = make_vault(keystore_backup=tmp_path / "keystores")
    for number in range(3):
        app(vault).add(f"Note {number} on the garden, ask {EMAIL}", user_id="ana", agent_id="desk")
        app(vault).add(f"Note {number} on the roof", user_id="ben")
    app(vault, "bank").add("Account opened", user_id="ana")
    vault.close()
    return Place(tmp_path, vault)


# --- what is kept --------------------------------------------------------------------------------------------------


def test_it_says_what_would_happen_and_changes_nothing(place: Place) -> None:
    backup = place.back_up()
    with place.open() as vault:
        app(vault).add("A note of later", user_id="ana")
    before = place.contents()
    said = place.restore(backup, execute=False)
    assert place.contents() == before
    assert not (place.folder / "memvault.restoring").exists()
    assert not said["executed"]
    by_name = {one["tenant"]: one for one in said["tenants"]}
    assert set(by_name) == {"clinic", "bank", "memvault:system"}
    assert by_name["clinic"]["memories"] == 6
    assert by_name["clinic"]["entries_from_archive"] > 0
    done = place.restore(backup)
    assert done["executed"]
    for now, then in zip(done["tenants"], said["tenants"], strict=True):
        assert {**now, "entries_from_archive": 0} == {**then, "entries_from_archive": 0}
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 3


def test_older_rows_come_back_and_the_log_stays_whole(place: Place) -> None:
    """Who saw what after the backup is still known, and still verifies."""
    backup = place.back_up()
    with place.open() as vault:
        added = app(vault).add("A note of later", user_id="ana").memories[0]
        app(vault).search("which note?", user_id="ana")
        app(vault).update(added.id, "A note of later, corrected", reason="typing error")
        before = [
            (one.seq, one.action, one.actor, one.reason, one.about, one.memory_ids) for one in log(vault)
        ]
    place.restore(backup)
    with place.open() as vault:
        assert texts(vault, "ana") == [text for text in texts(vault, "ana") if "of later" not in text]
        after = [
            (one.seq, one.action, one.actor, one.reason, one.about, one.memory_ids) for one in log(vault)
        ]
        assert after[: len(before)] == before
        assert [action for _, action, *_ in after[len(before) :]][:4] == [
            "audit.show", "state", "backup.restore", "restore.reconciled",
        ]  # fmt: skip
        assert operator(vault).audit_verify()["records"] == 6
        assert operator(vault).index_verify()["stale"] == 0
        with pytest.raises(NotFoundError):
            app(vault).get(added.id)


def test_a_value_keeps_its_token_and_what_is_added_afterwards_is_found(place: Place) -> None:
    backup = place.back_up()
    with place.open() as vault:
        before = texts(vault, "ana")
    place.restore(backup)
    with place.open() as vault:
        assert texts(vault, "ana") == before
        token = before[0].split("ask ")[1]
        assert app(vault).add(f"Again {EMAIL}", user_id="ana").memories[0].text == f"Again {token}"
        assert len(app(vault).search(EMAIL, user_id="ana")) == 4


def test_one_tenant_alone(place: Place) -> None:
    backup = place.back_up()
    with place.open() as vault:
        for tenant in ("clinic", "bank"):
            app(vault, tenant).add("A note of later", user_id="ana")
    done = place.restore(backup, tenant="bank")
    assert [one["tenant"] for one in done["tenants"]] == ["bank"]
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 4
        assert texts(vault, "ana", "bank") == ["Account opened"]
        assert operator(vault, "bank").audit_verify()["records"] == 1
        assert "backup.restore" not in [one.action for one in log(vault)]


def test_a_newer_backup_can_be_restored_after_an_older_one(place: Place) -> None:
    first = place.back_up()
    with place.open() as vault:
        app(vault).add("A second note", user_id="cy")
    second = place.back_up()
    for backup, wanted in ((first, 0), (second, 1), (first, 0), (second, 1)):
        place.restore(backup)
        with place.open() as vault:
            assert len(texts(vault, "cy")) == wanted
            assert operator(vault).audit_verify()


def test_it_takes_the_place_of_files_that_do_not_open(place: Place) -> None:
    backup = place.back_up()
    for path in (place.folder / "tenants").glob("*/records.db"):
        path.write_bytes(b"\x00" * 8192)
    with pytest.raises(VaultError):
        place.back_up()
    place.restore(backup)
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 3
        assert operator(vault).audit_verify()


def test_it_takes_the_place_of_files_that_are_gone(place: Place) -> None:
    backup = place.back_up()
    shutil.rmtree(place.folder / "tenants")
    place.restore(backup)
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 3
        assert operator(vault).audit_verify()


def test_a_tenant_that_no_backup_has_is_said_and_its_log_can_be_saved(place: Place) -> None:
    backup = place.back_up()
    with place.open() as vault:
        app(vault, "late").add("The late tenant's first note", user_id="u")
    shutil.rmtree(place.folder / "tenants")
    with pytest.raises(RollbackError) as caught:
        place.restore(backup)
    assert caught.value.code == "records.missing"
    place.restore(backup, accept_loss=True)
    with place.open() as vault:
        assert texts(vault, "u", "late") == []
        assert [one.action for one in log(vault, "late")][:4] == [
            "tenant.create", "subject.create", "memory.add", "state",
        ]  # fmt: skip
        assert operator(vault, "late").audit_verify()["records"] == 0
        app(vault, "late").add("Another", user_id="u")


# --- what was removed or replaced since ----------------------------------------------------------------------------


def test_what_was_deleted_expired_and_examined_again_since_does_not_come_back(place: Place) -> None:
    with place.open() as vault:
        session = app(vault)
        soon = datetime.now(UTC) + timedelta(days=1)
        session.add("This expires soon", user_id="ana", expires_at=soon)
        gone = session.list(user_id="ben", order="created_at", limit=1).memories[0]
    backup = place.back_up()
    with place.open() as vault:
        app(vault).delete(gone.id)
        assert app(vault).delete_all(user_id="ana", agent_id="desk").deleted == 3
        later = datetime.now(UTC) + timedelta(days=2)
        vault._opened().now = lambda: later
        assert operator(vault).sweep() == 1
    place.restore(backup)
    with place.open() as vault:
        assert texts(vault, "ana") == []
        assert texts(vault, "ben") == ["Note 1 on the roof", "Note 2 on the roof"]
        assert operator(vault).audit_verify()["records"] == 2
        stages = vault._opened()
        keys = stages.keystore.tenant("clinic")
        assert keys is not None
        with stages.stores.use(keys) as store:
            assert [t for row in store.records.subjects() for t in store.records.tokens(row.s)] == []


def test_a_removal_that_the_log_names_in_part_takes_the_whole_subject(place: Place) -> None:
    """Over a hundred at once: the entry counts them all and names a hundred."""
    with place.open() as vault:
        many = [{"content": f"Fact {n}", "user_id": "ana", "agent_id": "bulk"} for n in range(120)]
        app(vault).add_many(many)
    backup = place.back_up()
    with place.open() as vault:
        app(vault).delete_all(user_id="ana", agent_id="bulk")
    place.restore(backup)
    with place.open() as vault:
        assert texts(vault, "ana") == []
        assert len(texts(vault, "ben")) == 3
        assert operator(vault).audit_verify()["records"] == 3


def test_a_person_who_was_renamed_keeps_the_new_id(place: Place) -> None:
    backup = place.back_up()
    with place.open() as vault:
        vault.session(Principal("clinic", "officer", ("privacy",)), purpose="rights-request").subjects.rename(
            "ana", "ana-2", reason="typing error"
        )
    place.restore(backup)
    with place.open() as vault:
        memories = app(vault).list(user_id="ana-2").memories
        assert {memory.user_id for memory in memories} == {"ana-2"}
        assert len(memories) == 3


@pytest.mark.parametrize("level", ["root", "tenant", "index", "log", "audit", "ids", "detail"])
def test_keys_that_were_rotated_since_are_no_obstacle(place: Place, level: str) -> None:
    backup = place.back_up()
    with place.open() as vault:
        before = texts(vault, "ana")
        operator(vault).keys_rotate(level)
        app(vault).add("A note of later", user_id="ana")
    place.restore(backup)
    with place.open() as vault:
        assert texts(vault, "ana") == before
        assert len(app(vault).list(user_id="ana", agent_id="desk").memories) == 3
        assert len(app(vault).search("garden", user_id="ana", agent_id="desk")) == 3
        assert operator(vault).audit_verify()["records"] == 6
        assert all(one.actor for one in log(vault))
        operator(vault).keys_rotate("subject")
        assert texts(vault, "ana") == before


def test_older_rows_of_a_rotated_subject_are_purged_and_said(place: Place) -> None:
    backup = place.back_up()
    with place.open() as vault:
        seen = len([one for one in log(vault) if one.action == "memory.add"])
        operator(vault).keys_rotate("subject")
        app(vault).add("A note of later", user_id="ana")
    said = place.restore(backup, execute=False)
    clinic = next(one for one in said["tenants"] if one["tenant"] == "clinic")
    assert (clinic["memories"], clinic["purged"]) == (0, 6)
    place.restore(backup)
    with place.open() as vault:
        assert texts(vault, "ana") == []
        assert operator(vault).audit_verify()["records"] == 0
        adds = [one for one in log(vault) if one.action == "memory.add"]
        assert len(adds) == seen + 1
        assert all(one.memory_ids for one in adds)  # the archive has the details sealed anew
        app(vault).add("And on", user_id="ana")


def test_a_file_key_that_was_replaced_since_is_said_to_be_so(place: Place) -> None:
    backup = place.back_up()
    with place.open() as vault:
        operator(vault).keys_rotate("records")
    with pytest.raises(IntegrityViolationError, match="keys rotate records") as caught:
        place.restore(backup)
    assert caught.value.code == "backup.sealed"
    place.restore(backup, tenant="bank")
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 3


# --- holds ---------------------------------------------------------------------------------------------------------


def hold(place: Place, **scope: Any) -> str:
    with place.open() as vault:
        return privacy(vault).holds.place(matter="case 2026-117", **scope).id


def test_a_hold_wins_over_an_older_state(place: Place) -> None:
    backup = place.back_up()
    hold_id = hold(place, user_id="ana")
    place.restore(backup)  # of whom it is about, nothing changed
    with place.open() as vault:
        assert [one.id for one in privacy(vault).holds.list()] == [hold_id]
        app(vault).add("A note of later", user_id="ana")
    with pytest.raises(HeldError):
        place.restore(backup)
    assert not (place.folder / "memvault.restoring").exists()
    with pytest.raises(HeldError):
        place.restore(backup, accept_loss=True)
    place.restore(backup, tenant="bank")
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 4
        refused = [one for one in log(vault) if (one.action, one.result) == ("backup.restore", "refused")]
        assert len(refused) == 2
        privacy(vault).holds.release(hold_id)
    place.restore(backup)


def test_a_hold_on_the_tenant_wins_too(place: Place) -> None:
    backup = place.back_up()
    hold(place, tenant=True)
    with place.open() as vault:
        app(vault).add("A note of later", user_id="cy")
    with pytest.raises(HeldError):
        place.restore(backup)


def test_a_hold_is_no_reason_to_leave_a_damaged_file_where_it_is(place: Place) -> None:
    backup = place.back_up()
    hold(place, user_id="ana")
    with place.open() as vault:
        app(vault).add("A note of later", user_id="ana")
    (place.tenant_folder() / "records.db").write_bytes(b"\x00" * 8192)
    place.restore(backup)
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 3


def test_an_older_keystore_learns_of_holds_again(place: Place) -> None:
    copy = place.back_up("keystore")
    hold_id = hold(place, user_id="ana")
    place.restore(copy, "keystore")
    with place.open() as vault:
        assert [one.id for one in privacy(vault).holds.list()] == [hold_id]
        with pytest.raises(HeldError):
            app(vault).delete_all(user_id="ana")


# --- those who have it open ----------------------------------------------------------------------------------------


def test_a_handle_from_before_goes_on_with_what_was_restored(place: Place) -> None:
    backup = place.back_up()
    witness, idle = place.open(), place.open()
    try:
        app(witness).add("A note of later", user_id="ana")
        for vault in (witness, idle):
            assert len(app(vault).search("note", user_id="ana", limit=20)) == 4
        place.restore(backup)
        for vault in (witness, idle):
            assert len(texts(vault, "ana")) == 3
            assert not [
                hit for hit in app(vault).search("later", user_id="ana") if "later" in hit.memory.text
            ]
        added = app(witness).add("A note of afterwards", user_id="ana").memories[0]
        assert app(idle).get(added.id) == added
        assert operator(idle).audit_verify()["records"] == 7
    finally:
        idle.close()
        app(witness).add("And one more", user_id="ana")
        witness.close()
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 5
        assert operator(vault).audit_verify()["records"] == 8


def test_a_handle_from_before_follows_a_restored_keystore(place: Place) -> None:
    copy = place.back_up("keystore")
    witness = place.open()
    try:
        assert len(texts(witness, "ana")) == 3
        place.restore(copy, "keystore")
        assert len(texts(witness, "ana")) == 3
        app(witness).add("For somebody new", user_id="cy")
    finally:
        witness.close()
    with place.open() as vault:
        assert texts(vault, "cy") == ["For somebody new"]
        assert operator(vault).keys_verify()["keystore"]["subjects"] == 4


def test_it_waits_for_others_and_gives_up_in_time(place: Place) -> None:
    backup = place.back_up()
    toml = place.folder / "memvault.toml"
    toml.write_text(toml.read_text().replace("lock_timeout_s = 10.0", "lock_timeout_s = 0.2"))
    before = place.contents()
    with (place.folder / "vault.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        for kind, folder in (("data", backup), ("keystore", place.base / "keystores")):
            if folder.exists():
                with pytest.raises(StorageError) as caught:
                    place.restore(folder, kind)
                assert caught.value.code == "storage.locked"
        fcntl.flock(lock, fcntl.LOCK_UN)
    assert place.contents() == before


# --- cut off -------------------------------------------------------------------------------------------------------


@contextmanager
def cut_off(place: Place, monkeypatch: pytest.MonkeyPatch, backup: Path) -> Iterator[None]:
    """A restore that dies when the second tenant's file would be put in place."""
    from vault.flows.backups import restore

    calls = []
    put = restore.put_in_place

    def dying(prepared: Path, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        put(prepared, path)

    monkeypatch.setattr(restore, "put_in_place", dying)
    with pytest.raises(KeyboardInterrupt):
        place.restore(backup)
    monkeypatch.undo()
    yield


def test_after_a_cut_off_restore_nobody_is_served_until_it_is_done_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, other = place.back_up(), place.back_up()
    witness = place.open()
    texts(witness, "ana")
    with cut_off(place, monkeypatch, backup):
        note = json.loads((place.folder / "memvault.restoring").read_text())
        assert (note["kind"], note["backup"], len(note["done"])) == ("data", backup.name, 1)
        with pytest.raises(StorageError) as caught:
            place.open()
        assert caught.value.code == "restore.unfinished"
        with pytest.raises(StorageError):
            texts(witness, "ana")
        with pytest.raises(ConflictError) as other_one:
            place.restore(other)
        assert other_one.value.code == "restore.other"
        assert backup.name in other_one.value.message
        done = place.restore(backup)
        assert done["done_before"] == 1
        assert len(done["tenants"]) == 2
        assert len(texts(witness, "ana")) == 3
    witness.close()
    with place.open() as vault:
        assert operator(vault).audit_verify()["records"] == 6


# --- keystore ------------------------------------------------------------------------------------------------------


def test_a_lost_keystore_comes_back_from_its_newest_backup(place: Place) -> None:
    copy = place.back_up("keystore")
    shutil.rmtree(place.folder / "keystore")
    said = place.restore(copy, "keystore", execute=False)
    assert not said["in_place_opens"]
    assert not (place.folder / "keystore").exists()
    done = place.restore(copy, "keystore")
    assert done["logged"]
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 3
        assert operator(vault).audit_verify()
        assert [one.action for one in log(vault)].count("backup.restore") == 1
    assert not list(place.folder.glob("keystore.restored*"))


def test_an_older_keystore_does_not_take_the_place_of_one_that_opens(place: Place) -> None:
    copy = place.back_up("keystore")
    with place.open() as vault:
        app(vault).add("For somebody new", user_id="cy")
    before = place.contents()
    with pytest.raises(RollbackError) as caught:
        place.restore(copy, "keystore")
    assert caught.value.code == "keystore.newer"
    assert place.contents() == before


def test_people_that_an_older_keystore_lacks_are_lost_only_when_that_is_accepted(place: Place) -> None:
    copy = place.back_up("keystore")
    with place.open() as vault:
        app(vault).add("For somebody new", user_id="cy")
    shutil.rmtree(place.folder / "keystore")
    with pytest.raises(RollbackError, match="newest keystore backup") as caught:
        place.restore(copy, "keystore")
    assert caught.value.code == "keystore.older"
    assert not (place.folder / "keystore").exists()
    place.restore(copy, "keystore", accept_loss=True)
    with place.open() as vault:
        assert texts(vault, "cy") == []
        assert len(texts(vault, "ana")) == 3
        assert operator(vault).audit_verify()["records"] == 6
        assert app(vault).add("Again somebody new", user_id="cy")
        told = [one for one in log(vault) if one.action == "restore.reconciled"]
        assert told[-1].count > 0


def test_an_erasure_that_an_older_keystore_does_not_know_is_done_again(place: Place) -> None:
    copy = place.back_up("keystore")
    with place.open() as vault:
        request = privacy(vault).requests.open(ground="gdpr.17.1.b", user_id="ana")
        request.preview()
        request.run(roll=False)
    shutil.rmtree(place.folder / "keystore")
    said = place.restore(copy, "keystore")
    clinic = next(one for one in said["tenants_in_line"] if one["tenant"] == "clinic")
    assert clinic["keys_destroyed_again"] == 1
    with place.open() as vault:
        assert texts(vault, "ana") == []
        keys = vault._opened().keystore.tenant("clinic")
        assert keys is not None
        assert vault._opened().keystore.subject(keys, "user", "ana") is None
        assert operator(vault).audit_verify()


def test_keystore_and_data_are_restored_one_after_the_other_on_an_empty_machine(place: Place) -> None:
    data, keystore = place.back_up(), place.back_up("keystore")
    for name in ("keystore", "tenants"):
        shutil.rmtree(place.folder / name)
    done = place.restore(keystore, "keystore")
    assert not done["logged"]
    assert len(done["tenants_pending"]) == 3
    with pytest.raises(RollbackError), place.open() as vault:
        texts(vault, "ana")
    place.restore(data)
    with place.open() as vault:
        assert len(texts(vault, "ana")) == 3
        assert operator(vault).audit_verify()


# --- what is asked for wrongly -------------------------------------------------------------------------------------


def test_a_backup_of_the_other_kind_or_none_is_named(place: Place, tmp_path: Path) -> None:
    data, keystore = place.back_up(), place.back_up("keystore")
    for backup, kind in ((data, "keystore"), (keystore, "data")):
        with pytest.raises(InvalidInputError) as caught:
            place.restore(backup, kind)
        assert caught.value.code == "backup.kind"
    for wrong, code in ((tmp_path / "nowhere", "backup.none"), (place.folder / "tenants", "backup.none")):
        with pytest.raises(InvalidInputError) as caught:
            place.restore(wrong)
        assert caught.value.code == code
    with pytest.raises(InvalidInputError):
        place.restore(data, "everything")
    with pytest.raises(NotFoundError):
        place.restore(data, tenant="nobody")


def test_a_renamed_backup_is_still_one(place: Place) -> None:
    for kind in ("data", "keystore"):
        backup = place.back_up(kind)
        moved = backup.rename(backup.with_name(f"{kind} of monday"))
        assert place.restore(moved, kind, execute=False)["backup"] == moved.name
