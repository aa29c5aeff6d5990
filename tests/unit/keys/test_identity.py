"""Ids of a subject in the keystore: aliases, another first id, two subjects that become one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.pages import PageReader

from vault.crypto.primitives import SecretKey
from vault.errors import ConflictError, DecryptionError, IntegrityViolationError, NotFoundError
from vault.keys import aliases, cases, identity, repair, rotation
from vault.keys import keystore as module
from vault.keys.identity import Names
from vault.keys.keyring import KeyCache, SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.keys.local import LocalProvider
from vault.keys.sealing import subject_ref

ONE, OTHER, THIRD = ("user", "pat-1"), ("user", "old-1"), ("user", "MRN 77")


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
def connect(folder: Path, provider: LocalProvider) -> Iterator[Callable[[], Keystore]]:
    opened: list[Keystore] = []

    def make() -> Keystore:
        opened.append(Keystore(folder, provider, cache=KeyCache(100, 60), timeout_s=0.3))
        return opened[-1]

    yield make
    for keystore in opened:
        keystore.close()


@pytest.fixture
def keystore(connect: Callable[[], Keystore]) -> Keystore:
    return connect()


@pytest.fixture
def tenant(keystore: Keystore) -> TenantKeys:
    return keystore.create_tenant("clinic")


@pytest.fixture
def person(keystore: Keystore, tenant: TenantKeys) -> SubjectKeys:
    return keystore.create_subject(tenant, "user", "pat-1")


def found(keystore: Keystore, tenant: TenantKeys, value: str) -> bytes | None:
    keys = keystore.subject(tenant, "user", value)
    return keys.sid if keys is not None else None


def test_an_alias_finds_whom_it_names(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys, connect: Callable[[], Keystore]
) -> None:
    other = connect()
    theirs = other.tenant("clinic")
    assert theirs is not None
    assert found(other, theirs, "old-1") is None
    identity.add_alias(keystore, tenant, person.sid, OTHER)
    identity.add_alias(keystore, tenant, person.sid, OTHER)
    other.refresh()  # which forgets what it had cached
    for store, keys in ((keystore, tenant), (other, theirs)):
        assert found(store, keys, "old-1") == found(store, keys, "pat-1") == person.sid
        assert identity.aliases(store, keys, person.sid) == [OTHER]
        assert store.identity(keys, person.sid) == ONE
        assert identity.primary(store, keys, "user", "old-1") == "pat-1"
        assert identity.primary(store, keys, "user", "pat-1") == "pat-1"
        assert identity.primary(store, keys, "user", "nobody") == "nobody"
        assert store.subject(keys, "agent", "old-1") is None
    assert keystore.create_subject(tenant, "user", "old-2").sid != person.sid
    assert found(keystore, keystore.create_tenant("bank"), "old-1") is None


def test_a_rename_keeps_the_old_id_or_not(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys
) -> None:
    assert identity.rename(keystore, tenant, person.sid, OTHER, keep_old=True) == Names(OTHER, (ONE,))
    assert keystore.identity(tenant, person.sid) == OTHER
    assert identity.rename(keystore, tenant, person.sid, ONE, keep_old=False) == Names(ONE)
    assert found(keystore, tenant, "old-1") is None
    assert found(keystore, tenant, "pat-1") == person.sid
    assert identity.names(keystore, tenant, person.sid) == Names(ONE)
    stranger = keystore.create_subject(tenant, "user", "old-1")
    assert stranger.sid != person.sid


def test_what_somebody_else_has_is_refused(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys
) -> None:
    second = keystore.create_subject(tenant, "user", "old-1")
    identity.add_alias(keystore, tenant, second.sid, THIRD)
    for name in (OTHER, THIRD):
        with pytest.raises(ConflictError):
            identity.add_alias(keystore, tenant, person.sid, name)
        with pytest.raises(ConflictError):
            identity.rename(keystore, tenant, person.sid, name, keep_old=True)
    assert identity.names(keystore, tenant, person.sid) == Names(ONE)


def test_an_older_state_put_back_takes_nothing_from_others(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys
) -> None:
    """As when the log is replayed: A had the id first, gave it up, and B has it since."""
    second = keystore.create_subject(tenant, "user", "b")
    told = [
        (person.sid, Names(OTHER)),
        (person.sid, Names(THIRD)),
        (second.sid, Names(OTHER, (("user", "b"),))),
    ]
    for start in range(len(told) + 1):
        for sid, names in told[:start]:
            identity.set_names(keystore, tenant, sid, names)
        for sid, names in told:
            identity.set_names(keystore, tenant, sid, names)
        assert identity.names(keystore, tenant, person.sid) == Names(THIRD)
        assert identity.names(keystore, tenant, second.sid) == Names(OTHER, (("user", "b"),))
        assert found(keystore, tenant, "old-1") == second.sid
        assert rotation._verify_tenant(keystore, tenant) == 2
    assert identity.set_names(keystore, tenant, person.sid, Names(THIRD)) == 0
    assert identity.set_names(keystore, tenant, bytes(16), Names(("user", "x"))) == 0


def test_every_change_of_names_ends_where_it_says(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys
) -> None:
    pool = [ONE, OTHER, THIRD]
    states = [
        Names(first, tuple(sorted(more)))
        for first in pool
        for size in range(3)
        for more in itertools.combinations([name for name in pool if name != first], size)
    ]
    for before, after in itertools.product(states, repeat=2):
        identity.set_names(keystore, tenant, person.sid, before)
        changed = identity.set_names(keystore, tenant, person.sid, after)
        assert identity.names(keystore, tenant, person.sid) == after
        assert (changed == 0) == (before == after)
        assert {name for name in pool if found(keystore, tenant, name[1])} == set(after.all())
    assert rotation._verify_tenant(keystore, tenant) == 1


def test_a_new_key_for_finding_takes_the_aliases_along(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys, folder: Path, provider: LocalProvider
) -> None:
    identity.add_alias(keystore, tenant, person.sid, OTHER)
    before = keystore.database.query("SELECT ref, ident FROM aliases")
    rotation.rotate_refs(keystore, tenant)
    fresh = keystore.tenant("clinic")
    assert fresh is not None
    assert found(keystore, fresh, "old-1") == person.sid
    assert not {row[0] for row in before} & {
        row[0] for row in keystore.database.query("SELECT ref FROM aliases")
    }
    rotation.rotate_kek(keystore, fresh)
    rotation.roll(keystore, folder, None, keep_old=False)
    again = keystore.tenant("clinic")
    assert again is not None
    assert found(keystore, again, "old-1") == person.sid
    assert rotation.verify_copy(folder, provider, keystore.epoch) == {"tenants": 1, "subjects": 1}


def test_the_aliases_of_who_is_erased_are_gone(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys, folder: Path, provider: LocalProvider
) -> None:
    kept = keystore.create_subject(tenant, "user", "pat-2")
    identity.add_alias(keystore, tenant, person.sid, ("user", "canary-alias"))
    identity.add_alias(keystore, tenant, kept.sid, THIRD)
    repair.bury(keystore, tenant.tid, [(person.kid, 1)], erase_id=b"e" * 16)
    assert found(keystore, tenant, "canary-alias") is None
    assert found(keystore, tenant, "MRN 77") == kept.sid
    assert len(keystore.database.query("SELECT 1 FROM aliases")) == 1
    with pytest.raises(NotFoundError):
        identity.names(keystore, tenant, person.sid)
    assert keystore.create_subject(tenant, "user", "canary-alias").sid != person.sid
    key = bytes(module.read_file_key(folder, provider, 1).buffer)
    keystore.close()
    assert b"canary" not in b"".join(PageReader(folder / "keystore-1.db", key).everything())


@pytest.mark.parametrize("change", ["owner", "ref", "gone", "first"])
def test_a_changed_alias_is_noticed(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys, change: str
) -> None:
    second = keystore.create_subject(tenant, "user", "pat-2")
    identity.add_alias(keystore, tenant, person.sid, OTHER)
    identity.add_alias(keystore, tenant, second.sid, THIRD)
    database = keystore.database
    with database.transaction():
        if change == "owner":
            database.execute("UPDATE aliases SET sid = ? WHERE sid = ?", (second.sid, person.sid))
        elif change == "ref":
            other = subject_ref(tenant, "user", "somebody")
            database.execute("UPDATE aliases SET ref = ? WHERE sid = ?", (other, person.sid))
        elif change == "gone":
            database.execute("UPDATE aliases SET sid = ? WHERE sid = ?", (bytes(16), person.sid))
        else:
            aliases.put(database, tenant, person.sid, ("user", "pat-2"))
    with pytest.raises((IntegrityViolationError, DecryptionError)):
        rotation._verify_tenant(keystore, tenant)
    if change != "first":
        with pytest.raises((IntegrityViolationError, DecryptionError)):
            keystore.subject(tenant, "user", "somebody" if change == "ref" else "old-1")


def test_a_keystore_from_before_there_were_aliases_verifies(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys
) -> None:
    with keystore.database.transaction():
        for table in ("cases", "aliases", "stale"):
            keystore.database.execute(f"DROP TABLE {table}")
    assert rotation._verify_tenant(keystore, tenant) == 1


def test_two_become_one(keystore: Keystore, tenant: TenantKeys, person: SubjectKeys) -> None:
    source = keystore.create_subject(tenant, "user", "old-1")
    rotation.add_generation(keystore, tenant, source)
    identity.add_alias(keystore, tenant, source.sid, THIRD)
    cases.put(keystore, tenant, cases.Case(cases.new_id(), "hold", "released", source.sid, 1, {}))
    cases.mark_stale(keystore, tenant.tid, source.sid)
    told = identity.names(keystore, tenant, person.sid).plus(
        *identity.names(keystore, tenant, source.sid).all()
    )
    keys = [(source.kid, 1), (source.kid, 2)]
    for number in range(2):
        gone = identity.merge(keystore, tenant, source.sid, person.sid, keys, erase_id=b"m" * 16)
        assert gone == (0 if number else 2)
        identity.set_names(keystore, tenant, person.sid, told)
    assert identity.names(keystore, tenant, person.sid) == Names(ONE, (THIRD, OTHER))
    assert {found(keystore, tenant, value) for value in ("pat-1", "old-1", "MRN 77")} == {person.sid}
    assert keystore.tombstones(tenant.tid) == set(keys)
    assert keystore.live_kids(tenant.tid) == {(person.kid, 1)}
    assert keystore.subject_by_sid(tenant, source.sid) is None
    assert [case.sid for case in cases.every(keystore, tenant, "hold")] == [person.sid]
    assert [sid for sid, _ in cases.stale(keystore, tenant.tid)] == [person.sid]
    assert rotation._verify_tenant(keystore, tenant) == 1


def test_what_the_log_remembers_opens_for_the_subject_alone(
    keystore: Keystore, tenant: TenantKeys, person: SubjectKeys
) -> None:
    told = Names(ONE, (OTHER, THIRD))
    blob = identity.seal_names(tenant, person, told)
    assert b"pat-1" not in blob
    assert identity.open_names(tenant, person, blob) == told
    rotation.add_generation(keystore, tenant, person)
    later = keystore.subject(tenant, "user", "pat-1")
    assert later is not None
    rotation.drop_generations(keystore, tenant, later, erase_id=b"e" * 16)
    assert identity.open_names(tenant, later, blob) == told  # a rotation of the data key does not lose it
    with pytest.raises(DecryptionError):
        identity.open_names(tenant, keystore.create_subject(tenant, "user", "pat-2"), blob)
    stranger = SubjectKeys(person.sid, person.kid, 1, {}, SecretKey.random(), "user")
    with pytest.raises(DecryptionError):
        identity.open_names(tenant, stranger, blob)
