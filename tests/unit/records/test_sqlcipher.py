"""The embedded record store's own business: its file, its schema, and who may open it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vault.crypto.lthash import LtHash
from vault.crypto.primitives import SecretKey
from vault.errors import IntegrityViolationError, VaultError
from vault.records.interface import MemoryRow
from vault.records.schema import TABLES
from vault.records.sqlcipher import SqlcipherRecords
from vault.storage import Database, create_file
from vault.types import TenantId

TID = TenantId(b"t" * 16)


@pytest.fixture
def key() -> SecretKey:
    return SecretKey.random()


@pytest.fixture
def path(tmp_path: Path, key: SecretKey) -> Path:
    place = tmp_path / "tenants" / "one" / "records.db"
    place.parent.mkdir(parents=True)
    SqlcipherRecords.create(place, key, TID)
    return place


@pytest.fixture
def store(path: Path, key: SecretKey) -> Iterator[SqlcipherRecords]:
    opened = SqlcipherRecords(path, key, TID)
    yield opened
    opened.close()


def code_of(action: Callable[[], Any]) -> str:
    with pytest.raises(VaultError) as caught:
        action()
    return caught.value.code


def row(s: int, n: int, body: bytes = b"sealed body") -> MemoryRow:
    return MemoryRow(s, n, b"nonce6", 1, 1, 1, 1, None, None, None, None, body, b"sealed point")


def test_a_new_file_is_whole_and_alone(path: Path) -> None:
    assert sorted(p.name for p in path.parent.iterdir()) == ["records.db", "records.db.lock"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def first_schema(tmp_path: Path, key: SecretKey) -> Path:
    """A file as schema 1 had it: `meta` without a rowid, fewer indexes, no table of an index kept elsewhere."""
    place = tmp_path / "tenants" / "old" / "records.db"
    place.parent.mkdir(parents=True)
    tables = TABLES.replace("value);", "value) WITHOUT ROWID;", 1)
    meta = [("schema", 1), ("tid", TID), ("state", LtHash().state())]
    create_file(place, key, tables, [("INSERT INTO meta(key, value) VALUES(?, ?)", meta)])
    return place


def parts_of(path: Path, key: SecretKey) -> set[tuple[str, str]]:
    database = Database(path, key)
    try:
        return {(kind, name) for kind, name in database.query("SELECT type, name FROM sqlite_master")}
    finally:
        database.close()


def test_a_file_of_the_first_schema_is_brought_up_to_date(
    first_schema: Path, path: Path, key: SecretKey
) -> None:
    before = parts_of(first_schema, key)
    SqlcipherRecords(first_schema, key, TID).close()
    assert parts_of(first_schema, key) == parts_of(path, key) > before
    store = SqlcipherRecords(first_schema, key, TID)
    with store.transaction():
        subject = store.ensure_subject(bytes(16), bytes(16))
        store.insert([row(subject.s, 1)])
    assert (store.outbox.kept, store.outbox.counts(), store.count()) == (False, {}, 1)
    store.close()


def test_a_file_of_the_first_schema_is_brought_up_to_date_at_once_or_not_at_all(
    first_schema: Path, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, true = parts_of(first_schema, key), Database.execute

    def cut_off(self: Database, sql: str, *arguments: Any) -> Any:
        if "placed_open" in sql:  # the last of the statements
            raise KeyboardInterrupt
        return true(self, sql, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Database, "execute", cut_off)
        with pytest.raises(KeyboardInterrupt):
            SqlcipherRecords(first_schema, key, TID)
    assert parts_of(first_schema, key) == before
    SqlcipherRecords(first_schema, key, TID).close()
    assert ("index", "placed_open") in parts_of(first_schema, key)


def test_creating_again_keeps_what_is_there(path: Path, key: SecretKey, store: SqlcipherRecords) -> None:
    with store.transaction():
        s = store.ensure_subject(bytes(16), bytes(16)).s
        store.insert([row(s, 1)])
    SqlcipherRecords.create(path, SecretKey.random(), TID)
    assert store.count() == 1


def test_many_create_one(tmp_path: Path, key: SecretKey) -> None:
    """As processes do that meet a new tenant: each then writes, and finds every other's write."""
    place = tmp_path / "records.db"

    def work(number: int) -> None:
        SqlcipherRecords.create(place, key, TID)
        store = SqlcipherRecords(place, key, TID)
        with store.transaction():
            s = store.ensure_subject(bytes([number]) * 16, bytes(16)).s
            store.insert([row(s, 1)])
        store.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    store = SqlcipherRecords(place, key, TID)
    assert store.count() == 8
    assert store.recount() == store.digest()
    store.close()


def test_leftovers_of_a_creation_that_was_cut_off(tmp_path: Path, key: SecretKey) -> None:
    place = tmp_path / "records.db"
    for suffix in (".new", ".new-wal", ".new-shm", ".new.lock"):
        place.with_name(place.name + suffix).write_bytes(os.urandom(100))
    SqlcipherRecords.create(place, key, TID)
    SqlcipherRecords(place, key, TID).close()
    assert [p.name for p in tmp_path.iterdir() if ".new" in p.name] == []


def test_who_may_not_open_it(path: Path, key: SecretKey, tmp_path: Path) -> None:
    assert code_of(lambda: SqlcipherRecords(path, key, TenantId(b"u" * 16))) == "records.foreign"
    assert code_of(lambda: SqlcipherRecords(path, SecretKey.random(), TID)) == "storage.unreadable"
    assert code_of(lambda: SqlcipherRecords(tmp_path / "none.db", key, TID)) == "storage.missing"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE meta SET value = value + 1 WHERE key = 'schema'", "records.newer"),
        ("UPDATE meta SET value = 'x' WHERE key = 'schema'", "records.damaged"),
        ("DELETE FROM meta WHERE key = 'schema'", "records.damaged"),
        ("DELETE FROM meta WHERE key = 'tid'", "records.foreign"),
    ],
)
def test_a_schema_it_does_not_know(path: Path, key: SecretKey, statement: str, code: str) -> None:
    database = Database(path, key)
    with database.transaction():
        database.execute(statement)
    database.close()
    assert code_of(lambda: SqlcipherRecords(path, key, TID)) == code


@pytest.mark.parametrize(
    "statement", ["DELETE FROM meta WHERE key = 'state'", "UPDATE meta SET value = x'00' WHERE key = 'state'"]
)
def test_a_multiset_hash_that_is_gone_or_cut(store: SqlcipherRecords, statement: str) -> None:
    with store.database.transaction():
        store.database.execute(statement)
    assert code_of(store.digest) == "records.damaged"
    before = store.subjects()

    def write() -> None:
        with store.transaction():
            store.ensure_subject(bytes(16), bytes(16))

    assert code_of(write) == "records.damaged"
    assert store.subjects() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE memories SET body = x'00' WHERE n = 1",
        "UPDATE memories SET version = 9 WHERE n = 1",
        "UPDATE memories SET expires_ms = 5 WHERE n = 1",
        "UPDATE points SET point = x'00' WHERE n = 1",
        "DELETE FROM points WHERE n = 2",
        "DELETE FROM memories WHERE n = 1",
        "UPDATE memories SET n = 7 WHERE n = 1",
        "UPDATE subjects SET kid = zeroblob(16)",
    ],
)
def test_rows_changed_behind_its_back_are_counted(store: SqlcipherRecords, statement: str) -> None:
    with store.transaction():
        s = store.ensure_subject(bytes(16), b"k" * 16).s
        store.insert([row(s, 1), row(s, 2)])
    assert store.recount() == store.digest()
    with store.database.transaction():
        assert store.database.execute(statement) >= 1
    assert store.recount() != store.digest()


def test_the_count_is_kept_is_compared_and_begins_where_an_older_version_kept_none(
    store: SqlcipherRecords,
) -> None:
    with store.transaction():
        s = store.ensure_subject(bytes(16), b"k" * 16).s
        store.insert([row(s, 1), row(s, 2), row(s, 3)])
    with store.database.transaction():
        assert store.database.execute("DELETE FROM meta WHERE key = 'count'") == 1
    assert (store.count(), store.intact()) == (3, True)
    with store.transaction():
        store.remove(row(s, 2))
    assert (store.count(), store.counted(), store.intact()) == (2, 2, True)

    def fails() -> None:
        with store.transaction():
            store.insert([row(s, 4)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (store.count(), store.counted()) == (2, 2)
    with store.database.transaction():
        assert store.database.execute("UPDATE meta SET value = 7 WHERE key = 'count'") == 1
    assert (store.count(), store.counted(), store.intact()) == (7, 2, False)


def test_a_removed_blob_is_in_no_page(store: SqlcipherRecords, path: Path, key: SecretKey) -> None:
    """`secure_delete` and the emptied WAL: read by an independent reader under the file's key."""
    from support.pages import PageReader

    body = os.urandom(5_000)
    with store.transaction():
        s = store.ensure_subject(bytes(16), bytes(16)).s
        store.insert([row(s, 1, body), row(s, 2)])
    raw = bytes(key.buffer)
    assert any(body[:64] in page for page in PageReader(path, raw).everything())
    with store.transaction():
        store.remove(row(s, 1, body))
    assert store.purge_free_space() is True
    store.close()
    pages = list(PageReader(path, raw).everything())
    assert pages
    assert not any(body[offset : offset + 64] in page for page in pages for offset in range(0, 4_900, 64))


def test_a_purge_waits_for_no_reader(path: Path, key: SecretKey) -> None:
    writer, reader = SqlcipherRecords(path, key, TID, timeout_s=0.1), SqlcipherRecords(path, key, TID)
    with reader.reading():
        reader.count()
        with writer.transaction():
            writer.ensure_subject(bytes(16), bytes(16))
        assert writer.purge_free_space() is False
    assert writer.purge_free_space() is True
    writer.close()
    reader.close()


def test_errors_inside_a_transaction_leave_no_half_state(store: SqlcipherRecords) -> None:
    """The hash held in memory belongs to one transaction: what was rolled back is not in the next one's."""
    with store.transaction():
        s = store.ensure_subject(bytes(16), bytes(16)).s

    def twice() -> None:
        with store.transaction():
            store.insert([row(s, 1)])
            store.insert([row(s, 1)])

    assert code_of(twice) == "storage.failed"
    with store.transaction():
        store.insert([row(s, 1)])
    assert store.recount() == store.digest()
    with pytest.raises(IntegrityViolationError), store.transaction():
        store.ensure_subject(bytes(16), b"other" * 3 + b"x")
    assert store.recount() == store.digest()
