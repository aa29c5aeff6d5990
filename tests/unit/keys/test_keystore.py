"""The keystore: tenants, subjects, what other handles see, and how long unwrapped keys stay in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.pages import PageReader

from vault.crypto.primitives import SecretKey
from vault.errors import ConfigError, IntegrityViolationError, KeyProviderError, NotFoundError, VaultError
from vault.keys import keystore as module
from vault.keys import rotation
from vault.keys.keyring import TENANT_USES, KeyCache, SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore, StoredCheckpoint
from vault.keys.local import LocalProvider
from vault.types import Kid, Sid, TenantId

Open = Callable[[], Keystore]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LocalProvider]:
    made = LocalProvider(tmp_path / "keys")
    made.new_epoch()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path, provider: LocalProvider) -> Path:
    Keystore.create(tmp_path / "keystore", provider, epoch=1)
    return tmp_path / "keystore"


@pytest.fixture
def connect(folder: Path, provider: LocalProvider) -> Iterator[Open]:
    """Each call opens a handle with a cache of its own, as another process has one."""
    opened: list[Keystore] = []

    def make() -> Keystore:
        keystore = Keystore(folder, provider, cache=KeyCache(100, 60), timeout_s=0.3)
        opened.append(keystore)
        return keystore

    yield make
    for keystore in opened:
        keystore.close()


@pytest.fixture
def keystore(connect: Open) -> Keystore:
    return connect()


def code_of(action: Callable[[], Any]) -> str:
    with pytest.raises(VaultError) as caught:
        action()
    return caught.value.code


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_new_keystore_is_complete(folder: Path, keystore: Keystore, provider: LocalProvider) -> None:
    assert sorted(path.name.split(".", 1)[1] for path in folder.iterdir() if "-" not in path.suffix) == [
        "db",
        "db.lock",
        "key",
    ]
    assert keystore.epoch == 1
    assert keystore.tenant_names() == []
    assert keystore.tenant("clinic") is None
    with pytest.raises(ConfigError) as caught:
        Keystore.create(folder, provider, epoch=2)
    assert caught.value.code == "keystore.exists"


def test_what_cannot_be_opened(folder: Path, provider: LocalProvider, tmp_path: Path) -> None:
    def connect(place: Path, by: LocalProvider) -> str:
        return code_of(lambda: Keystore(place, by, cache=KeyCache(10, 60)))

    assert connect(tmp_path / "none", provider) == "keystore.missing"
    stranger = LocalProvider(tmp_path / "other-keys")
    assert connect(folder, stranger) == "keys.epoch_missing"
    stranger.new_epoch()
    assert connect(folder, stranger) == "keystore.key_mismatch"
    key = folder / "keystore-1.key"
    data = key.read_bytes()
    key.unlink()
    assert connect(folder, provider) == "keystore.key_missing"
    key.mkdir()
    assert connect(folder, provider) == "storage.io"
    key.rmdir()
    key.write_bytes(data[:-1])
    assert connect(folder, provider) == "keystore.key_mismatch"
    key.write_bytes(data)
    keystore = Keystore(folder, provider, cache=KeyCache(10, 60))
    with keystore.database.transaction():
        keystore.database.execute("UPDATE meta SET value = 'retired' WHERE key = 'state'")
    keystore.close()
    assert connect(folder, provider) == "keystore.retired"


# --- tenants -------------------------------------------------------------------------------------------------------


def test_a_tenant_has_keys_of_its_own(keystore: Keystore, connect: Open) -> None:
    clinic, bank = keystore.create_tenant("clinic"), keystore.create_tenant("bank")
    assert clinic.tid != bank.tid
    keys = [tenant.key(use) for tenant in (clinic, bank) for use in TENANT_USES]
    keys += [clinic.kek, bank.kek]
    assert len({bytes(key.buffer) for key in keys}) == len(keys)
    assert [name for name, _, _ in keystore.tenant_names()] == ["bank", "clinic"]
    other = connect().tenant("clinic")
    assert other is not None
    assert other.tid == clinic.tid
    assert all(other.key(use) == clinic.key(use) for use in TENANT_USES)
    assert keystore.create_tenant("clinic").tid == clinic.tid  # made once
    assert clinic.tag("agent", "a") != bank.tag("agent", "a")
    assert clinic.tag("agent", "a") != clinic.tag("app", "a")
    assert len(clinic.tag("agent", "a")) == len(clinic.pseudonym("actor", "a")) == 16


def test_two_handles_create_one_tenant(connect: Open) -> None:
    one, other = connect(), connect()
    assert one.create_tenant("clinic").tid == other.create_tenant("clinic").tid


def test_no_name_lies_readable_in_a_page(keystore: Keystore, folder: Path, provider: LocalProvider) -> None:
    tenant = keystore.create_tenant("St. Canary's Hospital")
    keystore.create_subject(tenant, "user", "patient-canary-77")
    key = bytes(module.read_file_key(folder, provider, 1).buffer)
    keystore.close()
    pages = b"".join(PageReader(folder / "keystore-1.db", key).everything())
    assert b"tenant_keys" in pages  # it does read the pages
    for name in (b"Canary", b"canary", b"patient"):
        assert name not in pages


def test_a_row_moved_to_another_tenant_is_refused(keystore: Keystore) -> None:
    keystore.create_tenant("clinic")
    keystore.create_tenant("bank")
    refs = dict(keystore.database.query("SELECT ref, tid FROM tenants"))
    first, second = refs
    with keystore.database.transaction():
        keystore.database.execute("UPDATE tenants SET ref = x'00' WHERE ref = ?", (first,))
        keystore.database.execute("UPDATE tenants SET ref = ? WHERE ref = ?", (first, second))
        keystore.database.execute("UPDATE tenants SET ref = ? WHERE ref = x'00'", (second,))
        keystore.touch()
    with pytest.raises(IntegrityViolationError):
        keystore.tenant("clinic")


# --- subjects ------------------------------------------------------------------------------------------------------


def test_a_subject_is_found_by_kind_and_id(keystore: Keystore, connect: Open) -> None:
    tenant = keystore.create_tenant("clinic")
    assert keystore.subject(tenant, "user", "pat-1") is None
    made = keystore.create_subject(tenant, "user", "pat-1")
    agent = keystore.create_subject(tenant, "agent", "pat-1")
    assert len({made.sid, made.kid, agent.sid, agent.kid}) == 4
    assert keystore.create_subject(tenant, "user", "pat-1").sid == made.sid
    other = connect()
    theirs = other.tenant("clinic")
    assert theirs is not None
    for found in (other.subject(theirs, "user", "pat-1"), other.subject_by_sid(theirs, made.sid)):
        assert found is not None
        assert (found.sid, found.kid, found.kind, found.generation) == (made.sid, made.kid, "user", 1)
        assert found.secret == made.secret
        assert found.deks[1] == made.deks[1]
    assert other.identity(theirs, agent.sid) == ("agent", "pat-1")
    assert other.subject_by_sid(theirs, bytes(16)) is None
    with pytest.raises(NotFoundError):
        other.identity(theirs, bytes(16))
    bank = keystore.create_tenant("bank")
    assert keystore.subject(bank, "user", "pat-1") is None
    assert keystore.subject_by_sid(bank, made.sid) is None


def test_a_subjects_keys_are_one_per_use_and_generation(keystore: Keystore) -> None:
    tenant = keystore.create_tenant("clinic")
    subject = keystore.create_subject(tenant, "user", "pat-1")
    uses = [subject.key(use) for use in ("record", "vector", "history", "tokens", "detail", "replay")]
    assert None not in uses
    assert len({bytes(key.buffer) for key in uses if key is not None}) == 6
    assert subject.key("record") is uses[0]
    assert subject.key("record", 9) is None
    assert subject.pseudonym("subj", b"2026-01") != subject.pseudonym("subj", b"2026-02")


def test_kids_tombstones_and_leaves(keystore: Keystore) -> None:
    tenant = keystore.create_tenant("clinic")
    assert keystore.leaves(tenant.tid) == [b"\0" * 20, b"\xff" * 20]
    subject = keystore.create_subject(tenant, "user", "pat-1")
    assert keystore.live_kids(tenant.tid) == {(subject.kid, 1)}
    rotation.add_generation(keystore, tenant, subject)
    fresh = keystore.subject(tenant, "user", "pat-1")
    assert fresh is not None
    assert (fresh.generation, set(fresh.deks)) == (2, {1, 2})
    assert rotation.drop_generations(keystore, tenant, fresh, erase_id=b"e" * 16) == 1
    assert keystore.live_kids(tenant.tid) == {(subject.kid, 2)}
    assert keystore.tombstones(tenant.tid) == {(subject.kid, 1)}
    leaves = keystore.leaves(tenant.tid)
    assert leaves == sorted(leaves)
    assert leaves[1] == subject.kid + (2).to_bytes(4, "big")


def test_the_newest_checkpoint_wins(keystore: Keystore) -> None:
    tenant = keystore.create_tenant("clinic")
    assert keystore.checkpoint(tenant.tid) is None
    five = StoredCheckpoint(5, b"root 5", b"note 5", 1)
    keystore.put_checkpoint(tenant.tid, five)
    keystore.put_checkpoint(tenant.tid, StoredCheckpoint(4, b"older", b"older", 2))
    keystore.put_checkpoint(tenant.tid, StoredCheckpoint(5, b"another", b"another", 3))
    assert keystore.checkpoint(tenant.tid) == five
    six = StoredCheckpoint(6, b"root 6", b"note 6", 4)
    keystore.put_checkpoint(tenant.tid, six)
    assert keystore.checkpoint(tenant.tid) == six


def test_the_pack_in_force_is_remembered(keystore: Keystore, connect: Open) -> None:
    assert keystore.pack() is None
    keystore.put_pack("digest")
    assert connect().pack() == "digest"


# --- other handles -------------------------------------------------------------------------------------------------


def test_a_handle_follows_a_change_of_keys(connect: Open) -> None:
    one, other = connect(), connect()
    tenant = one.create_tenant("clinic")
    other.refresh()
    theirs = other.tenant("clinic")
    assert theirs is not None
    assert other.tenant("clinic") is theirs  # cached
    rotation.add_tenant_key(one, tenant, "ids", current=True)
    other.refresh()
    again = other.tenant("clinic")
    assert again is not None
    assert (again.current["ids"], set(again.versions["ids"])) == (2, {1, 2})
    one.create_subject(again, "user", "pat-1")  # a new subject drops nobody's cache
    other.refresh()
    assert other.tenant("clinic") is again


def test_a_handle_follows_a_roll(connect: Open, folder: Path) -> None:
    one, other = connect(), connect()
    one.create_tenant("clinic")
    other.refresh()
    other.tenant("clinic")
    epoch, destroyed = rotation.roll(one, folder, None, keep_old=False)
    assert epoch == one.epoch == 2
    assert destroyed is not None
    assert destroyed.epoch == 1
    assert other.epoch == 1
    other.refresh()
    assert other.epoch == 2
    assert [name for name, _, _ in other.tenant_names()] == ["clinic"]
    other.create_tenant("bank")
    one.refresh()
    assert one.tenant("bank") is not None


# --- keys in memory ------------------------------------------------------------------------------------------------


def tenant_keys(name: str) -> TenantKeys:
    versions = {use: {1: SecretKey.random()} for use in TENANT_USES}
    current = dict.fromkeys(TENANT_USES, 1)
    return TenantKeys(TenantId(bytes(16)), name, SecretKey.random(), 1, versions, current, 0)


def subject_keys(number: int) -> SubjectKeys:
    deks = {1: SecretKey.random()}
    return SubjectKeys(Sid(bytes([number]) * 16), Kid(bytes(16)), 1, deks, SecretKey.random(), "user")


def test_the_cache_is_bounded() -> None:
    cache = KeyCache(16, 60)
    for number in range(40):
        cache.put_tenant(tenant_keys(f"tenant-{number}"))
        cache.put_subject(bytes(16), bytes([number]), subject_keys(number))
    assert sum(cache.tenant(f"tenant-{n}") is not None for n in range(40)) == 16
    assert [n for n in range(40) if cache.subject(bytes(16), bytes([n])) is not None] == list(range(24, 40))


def test_the_cache_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past it a key is not handed out, and at the next operation it is not in memory any more."""
    now = 1_000.0
    monkeypatch.setattr("vault.keys.keyring.time", SimpleNamespace(monotonic=lambda: now))
    cache = KeyCache(16, 60)
    early, late = subject_keys(1), subject_keys(2)
    cache.put_tenant(tenant_keys("clinic"))
    cache.put_subject(b"t", b"early", early)
    now += 40
    cache.put_subject(b"t", b"late", late)
    now += 30
    assert cache.tenant("clinic") is None
    assert cache.subject(b"t", b"early") is None
    assert cache.subject(b"t", b"late") is late
    cache.expire()
    assert list(cache._subjects) == [(b"t", b"late")]
    assert cache._tenants == {}


def test_a_refresh_drops_what_is_past_its_time(folder: Path, provider: LocalProvider) -> None:
    cache = KeyCache(16, 0.05)
    keystore = Keystore(folder, provider, cache=cache)
    tenant = keystore.create_tenant("clinic")
    keystore.create_subject(tenant, "user", "pat-1")
    assert len(cache._subjects) == 1
    time.sleep(0.06)
    keystore.refresh()
    assert (len(cache._subjects), len(cache._tenants)) == (0, 0)
    keystore.close()


def test_wiping_overwrites_and_flushing_forgets() -> None:
    cache = KeyCache(16, 60)
    tenant, subject = tenant_keys("clinic"), subject_keys(1)
    subject.key("record")
    derived = list(subject._uses.values())
    cache.put_tenant(tenant)
    cache.put_subject(b"t", b"s", subject)
    cache.flush()
    assert cache.tenant("clinic") is None
    assert not tenant.kek.closed  # a call may still use it
    cache.put_tenant(tenant)
    cache.put_subject(b"t", b"s", subject)
    cache.wipe()
    assert cache.subject(b"t", b"s") is None
    closed = [tenant.kek, subject.secret, *derived]
    closed += [key for versions in tenant.versions.values() for key in versions.values()]
    assert all(key.closed and not any(key._buffer) for key in closed)
    with pytest.raises(KeyProviderError):
        tenant.tag("agent", "a")
