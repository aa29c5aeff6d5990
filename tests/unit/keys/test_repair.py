"""A keystore that is older than the log: what was destroyed since is destroyed again, with every earlier generation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.keys import rotation
from vault.keys.keyring import KeyCache, SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore, StoredCheckpoint
from vault.keys.local import LocalProvider
from vault.keys.repair import DataKeys, bury, forget_checkpoint

ERASE = b"e" * 16


@pytest.fixture
def keystore(tmp_path: Path) -> Iterator[Keystore]:
    provider = LocalProvider(tmp_path / "keys")
    provider.new_epoch()
    Keystore.create(tmp_path / "keystore", provider, epoch=1)
    made = Keystore(tmp_path / "keystore", provider, cache=KeyCache(100, 60))
    made.create_tenant("clinic")
    yield made
    made.close()
    provider.close()


def tenant_of(keystore: Keystore) -> TenantKeys:
    found = keystore.tenant("clinic")
    assert found is not None
    return found


def subject_of(keystore: Keystore, name: str = "ana") -> SubjectKeys | None:
    keystore.refresh()
    return keystore.subject(tenant_of(keystore), "user", name)


def person(keystore: Keystore, name: str = "ana", generations: int = 1) -> SubjectKeys:
    """A subject with so many generations, the last in force."""
    keystore.create_subject(tenant_of(keystore), "user", name)
    for _ in range(generations - 1):
        subject = subject_of(keystore, name)
        assert subject is not None
        rotation.add_generation(keystore, tenant_of(keystore), subject)
    subject = subject_of(keystore, name)
    assert subject is not None
    return subject


def test_a_buried_subject_is_gone_and_cannot_be_found(keystore: Keystore) -> None:
    ana, ben = person(keystore), person(keystore, "ben")
    tid = tenant_of(keystore).tid
    assert bury(keystore, tid, [(ana.kid, 1)], erase_id=ERASE) == 1
    assert subject_of(keystore) is None
    assert subject_of(keystore, "ben") is not None
    assert keystore.tombstones(tid) == {(ana.kid, 1)}
    assert keystore.live_kids(tid) == {(ben.kid, 1)}
    assert bury(keystore, tid, [(ana.kid, 1)], erase_id=b"f" * 16) == 0
    assert person(keystore).kid != ana.kid


def test_earlier_generations_go_with_a_later_one(keystore: Keystore) -> None:
    """A rotation dropped them from the keystore of its time, and an erasure named what was left."""
    ana = person(keystore, generations=3)
    tid = tenant_of(keystore).tid
    assert bury(keystore, tid, [(ana.kid, 2)], erase_id=ERASE) == 2
    left = subject_of(keystore)
    assert left is not None
    assert sorted(left.deks) == [3]
    assert keystore.tombstones(tid) == {(ana.kid, 1), (ana.kid, 2)}
    assert bury(keystore, tid, [(ana.kid, 5)], erase_id=ERASE) == 1
    assert subject_of(keystore) is None
    assert keystore.database.query("SELECT * FROM deks") == []


def test_nothing_is_buried_by_no_name_and_by_a_foreign_one(keystore: Keystore) -> None:
    person(keystore)
    tid = tenant_of(keystore).tid
    assert bury(keystore, tid, [], erase_id=ERASE) == 0
    assert bury(keystore, tid, [(b"x" * 16, 1)], erase_id=ERASE) == 0
    assert subject_of(keystore) is not None
    assert keystore.tombstones(tid) == {(b"x" * 16, 1)}


def test_a_key_is_live_destroyed_or_missing(keystore: Keystore) -> None:
    ana, ben = person(keystore, generations=3), person(keystore, "ben")
    tid = tenant_of(keystore).tid
    bury(keystore, tid, [(ana.kid, 1)], erase_id=ERASE)
    keys = DataKeys.of(keystore, tid)
    assert [keys.known(ana.kid, n) for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert [keys.destroyed(ana.kid, n) for n in (1, 2, 3, 4)] == [True, False, False, False]
    assert not keys.known(b"x" * 16, 1)
    later = DataKeys.of(keystore, tid, iter([(ana.kid, 3)]))  # as it would be
    assert [later.destroyed(ana.kid, n) for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert later.live == {(ben.kid, 1)}
    assert subject_of(keystore) is not None


def test_an_older_head_takes_the_place_of_a_newer_one_only_here(keystore: Keystore) -> None:
    tid = tenant_of(keystore).tid
    newer, older = (StoredCheckpoint(size, bytes(32), b"note", size) for size in (9, 4))
    keystore.put_checkpoint(tid, newer)
    keystore.put_checkpoint(tid, older)
    assert keystore.checkpoint(tid) == newer
    forget_checkpoint(keystore, tid, older)
    assert keystore.checkpoint(tid) == older
    forget_checkpoint(keystore, tid, None)
    assert keystore.checkpoint(tid) is None


def test_an_open_keystore_follows_a_file_that_took_its_place(keystore: Keystore, tmp_path: Path) -> None:
    from vault.keys import putback

    copy = rotation.back_up(tmp_path / "keystore", keystore.provider, 1, tmp_path / "copies")
    person(keystore)
    trial = putback.lay_out(copy, 1, tmp_path)
    putback.move_in(trial, 1, tmp_path / "keystore")
    putback.clear(tmp_path)
    assert subject_of(keystore) is None
    assert person(keystore, "ben") is not None
    assert not (tmp_path / putback.TRIAL).exists()
    again = Keystore(tmp_path / "keystore", keystore.provider, cache=KeyCache(100, 60))
    assert again.live_kids(tenant_of(keystore).tid) == keystore.live_kids(tenant_of(keystore).tid)
    again.close()
