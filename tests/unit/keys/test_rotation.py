"""Replacing keys inside the keystore, the roll of the root, and backups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.errors import DecryptionError, IntegrityViolationError, KeyProviderError, StorageError
from vault.keys import rotation
from vault.keys.keyring import TENANT_USES, KeyCache, TenantKeys
from vault.keys.keystore import Keystore
from vault.keys.local import LocalProvider


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LocalProvider]:
    made = LocalProvider(tmp_path / "keys")
    made.new_epoch()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keystore"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def keystore(folder: Path, provider: LocalProvider) -> Iterator[Keystore]:
    """With two tenants, two subjects each."""
    Keystore.create(folder, provider, epoch=1)
    made = Keystore(folder, provider, cache=KeyCache(100, 60))
    for name in ("clinic", "bank"):
        tenant = made.create_tenant(name)
        for number in range(2):
            made.create_subject(tenant, "user", f"{name}-{number}")
    yield made
    made.close()


def tenant_of(keystore: Keystore, name: str = "clinic") -> TenantKeys:
    keystore.refresh(force=True)
    keystore._cache.flush()
    found = keystore.tenant(name)
    assert found is not None
    return found


def secrets(keystore: Keystore) -> dict[str, bytes]:
    """Every key below the KEKs: a rotation of what wraps them must not change one."""
    found: dict[str, bytes] = {}
    for name in ("clinic", "bank"):
        tenant = tenant_of(keystore, name)
        for use in TENANT_USES:
            found[f"{name} {use}"] = bytes(tenant.key(use).buffer)
        for number in range(2):
            subject = keystore.subject(tenant, "user", f"{name}-{number}")
            assert subject is not None
            found[f"{name} {number} secret"] = bytes(subject.secret.buffer)
            found[f"{name} {number} dek"] = bytes(subject.deks[subject.generation].buffer)
    return found


def test_a_new_kek_wraps_the_same_keys(keystore: Keystore) -> None:
    before, tenant = secrets(keystore), tenant_of(keystore)
    old_kek = bytes(tenant.kek.buffer)
    blobs = set(keystore.database.query("SELECT wrapped FROM tenant_keys UNION SELECT wrapped FROM deks"))
    rotation.rotate_kek(keystore, tenant)
    after = tenant_of(keystore)
    assert after.kek_no == 2
    assert bytes(after.kek.buffer) != old_kek
    assert secrets(keystore) == before
    now = set(keystore.database.query("SELECT wrapped FROM tenant_keys UNION SELECT wrapped FROM deks"))
    assert len(blobs & now) == len(TENANT_USES) + 2  # the bank's are untouched
    assert tenant_of(keystore, "bank").kek_no == 1


def test_a_kek_rotation_that_meets_a_changed_row_changes_nothing(keystore: Keystore) -> None:
    tenant = tenant_of(keystore)
    with keystore.database.transaction():
        keystore.database.execute("UPDATE deks SET wrapped = zeroblob(100) WHERE tid = ?", (tenant.tid,))
    before = keystore.database.query("SELECT * FROM tenant_keys ORDER BY tid, use, no")
    with pytest.raises(DecryptionError):
        rotation.rotate_kek(keystore, tenant)
    assert keystore.database.query("SELECT * FROM tenant_keys ORDER BY tid, use, no") == before
    assert tenant_of(keystore).kek_no == 1


def test_versions_of_a_tenant_key(keystore: Keystore) -> None:
    tenant = tenant_of(keystore)
    assert rotation.add_tenant_key(keystore, tenant, "tags", current=False) == 2
    waiting = tenant_of(keystore)
    assert (waiting.current["tags"], set(waiting.versions["tags"])) == (1, {1, 2})
    assert waiting.versions["tags"][1] != waiting.versions["tags"][2]
    rotation.set_current(keystore, waiting, "tags", 2, drop_others=False)
    assert tenant_of(keystore).current["tags"] == 2
    rotation.set_current(keystore, waiting, "tags", 2, drop_others=True)
    done = tenant_of(keystore)
    assert (done.current["tags"], set(done.versions["tags"])) == (2, {2})
    assert rotation.add_tenant_key(keystore, done, "ids", current=True) == 2
    assert tenant_of(keystore).current["ids"] == 2
    assert set(tenant_of(keystore).versions["ids"]) == {1, 2}
    assert tenant_of(keystore, "bank").current["ids"] == 1


def test_a_new_key_for_finding_subjects(keystore: Keystore) -> None:
    before, tenant = secrets(keystore), tenant_of(keystore)
    refs = set(keystore.database.query("SELECT ref FROM subjects WHERE tid = ?", (tenant.tid,)))
    rotation.rotate_refs(keystore, tenant)
    after = tenant_of(keystore)
    assert (after.current["refs"], set(after.versions["refs"])) == (2, {2})
    assert not refs & set(keystore.database.query("SELECT ref FROM subjects WHERE tid = ?", (tenant.tid,)))
    changed = secrets(keystore)
    assert {name for name in before if before[name] != changed[name]} == {"clinic refs"}
    subject = keystore.subject(after, "user", "clinic-1")
    assert subject is not None
    assert keystore.identity(after, subject.sid) == ("user", "clinic-1")


def test_a_roll_changes_what_the_root_wraps_and_nothing_below(
    keystore: Keystore, folder: Path, backup: Path, provider: LocalProvider
) -> None:
    before = secrets(keystore)
    subject_rows = keystore.database.query("SELECT * FROM subjects")
    old_file = (folder / "keystore-1.key").read_bytes()
    epoch, destroyed = rotation.roll(keystore, folder, backup, keep_old=False)
    assert (epoch, keystore.epoch, provider.live_epochs()) == (2, 2, {2})
    assert destroyed is not None
    assert destroyed.state == "asserted"
    assert secrets(keystore) == before
    assert keystore.database.query("SELECT * FROM subjects") == subject_rows
    assert {path.name.split(".")[0] for path in folder.iterdir()} == {"keystore-2"}
    assert (folder / "keystore-2.key").read_bytes() != old_file
    place, number = rotation.newest_backup(backup) or (backup, 0)
    assert number == 2
    assert rotation.verify_copy(place, provider, 2) == {"tenants": 2, "subjects": 4}
    again, _ = rotation.roll(keystore, folder, backup, keep_old=False)
    assert (again, provider.live_epochs()) == (3, {3})
    with pytest.raises(KeyProviderError):
        rotation.verify_copy(place, provider, 2)  # the backup of a destroyed root is closed for ever


def test_a_roll_may_keep_the_old_root(
    keystore: Keystore, folder: Path, backup: Path, provider: LocalProvider
) -> None:
    old = rotation.back_up(folder, provider, 1, backup)
    epoch, destroyed = rotation.roll(keystore, folder, None, keep_old=True)
    assert (epoch, destroyed, provider.live_epochs()) == (2, None, {1, 2})
    assert rotation.verify_copy(old, provider, 1)["tenants"] == 2
    assert rotation.newest_backup(backup) == (old, 1)  # none was made by this roll


def test_a_roll_keeps_tombstones_and_checkpoints(keystore: Keystore, folder: Path) -> None:
    from vault.keys.keystore import StoredCheckpoint

    tenant = tenant_of(keystore)
    subject = keystore.subject(tenant, "user", "clinic-0")
    assert subject is not None
    rotation.add_generation(keystore, tenant, subject)
    fresh = keystore.subject(tenant_of(keystore), "user", "clinic-0")
    assert fresh is not None
    rotation.drop_generations(keystore, tenant, fresh, erase_id=bytes(16))
    keystore.put_checkpoint(tenant.tid, StoredCheckpoint(9, b"root", b"note", 1))
    keystore.put_pack("digest")
    kids, dead = keystore.live_kids(tenant.tid), keystore.tombstones(tenant.tid)
    rotation.roll(keystore, folder, None, keep_old=False)
    assert (keystore.live_kids(tenant.tid), keystore.tombstones(tenant.tid)) == (kids, dead)
    assert keystore.checkpoint(tenant.tid) == StoredCheckpoint(9, b"root", b"note", 1)
    assert keystore.pack() == "digest"


def test_a_roll_that_cannot_back_up_destroys_nothing(
    keystore: Keystore, folder: Path, tmp_path: Path, provider: LocalProvider
) -> None:
    before = secrets(keystore)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        rotation.roll(keystore, folder, tmp_path / "file", keep_old=False)
    assert 1 in provider.live_epochs()
    assert (keystore.epoch, secrets(keystore)) == (1, before)
    fresh = Keystore(folder, provider, cache=KeyCache(10, 60))
    assert fresh.epoch == 1  # the unfinished file is not taken for the keystore
    fresh.close()
    assert rotation.roll(keystore, folder, None, keep_old=False)[0] == 3
    assert provider.live_epochs() == {3}
    assert {path.name.split(".")[0] for path in folder.iterdir()} == {"keystore-3"}


def test_a_roll_verifies_its_backup_before_it_destroys(
    keystore: Keystore, folder: Path, backup: Path, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = rotation.back_up

    def spoiled(*arguments: object) -> Path:
        place = make(*arguments)  # type: ignore[arg-type]
        path = place / "keystore-2.db"
        data = bytearray(path.read_bytes())
        data[9_000] ^= 1
        path.write_bytes(data)
        return place

    monkeypatch.setattr(rotation, "back_up", spoiled)
    with pytest.raises(IntegrityViolationError):
        rotation.roll(keystore, folder, backup, keep_old=False)
    assert 1 in provider.live_epochs()
    keystore.refresh(force=True)
    assert keystore.epoch == 1


def test_a_copy_is_complete_or_has_another_name(
    keystore: Keystore, folder: Path, backup: Path, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "write_private", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rotation.back_up(folder, provider, 1, backup)
    assert rotation.newest_backup(backup) is None
    first = rotation.back_up(folder, provider, 1, backup)
    second = rotation.back_up(folder, provider, 1, backup)
    assert rotation.newest_backup(backup) == (second, 1)
    assert first != second
    rotation.roll(keystore, folder, backup, keep_old=False)
    assert [path.name for path in backup.iterdir() if not path.name.startswith("keystore-")] == []
    assert rotation.newest_backup(backup.parent / "nowhere") is None


@pytest.mark.parametrize("column", ["tenant_keys.wrapped", "subjects.secret", "deks.wrapped", "tenants.kek"])
def test_verification_unwraps_every_key(
    keystore: Keystore, folder: Path, provider: LocalProvider, column: str
) -> None:
    table, name = column.split(".")
    assert rotation.verify_copy(folder, provider, 1) == {"tenants": 2, "subjects": 4}
    with keystore.database.transaction():
        (blob,) = keystore.database.query(f"SELECT {name} FROM {table} ORDER BY {name} LIMIT 1")[0]  # noqa: S608
        changed = blob[:-1] + bytes([blob[-1] ^ 1])
        sql = f"UPDATE {table} SET {name} = ? WHERE {name} = ?"  # noqa: S608
        keystore.database.execute(sql, (changed, blob))
    with pytest.raises(DecryptionError):
        rotation.verify_copy(folder, provider, 1)
