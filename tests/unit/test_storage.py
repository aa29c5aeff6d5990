"""Private files, locks with bounded waits, and keyed database files."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3

import vault.files
from vault.crypto.primitives import SecretKey
from vault.errors import ConfigError, IntegrityViolationError, StorageError, VaultError
from vault.files import convert_os, private_folder, sync_folder, write_private
from vault.locks import FileLock, Lease
from vault.storage import Database, copy_file, put_in_place


def code_of(action: Callable[[], Any]) -> str:
    with pytest.raises(VaultError) as caught:
        action()
    return caught.value.code


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_private_folder_is_the_owners(tmp_path: Path) -> None:
    place = private_folder(tmp_path / "a" / "b")
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o755)
    private_folder(place)
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_private_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_private(path, b"first")
    write_private(path, bytearray(b"second"))
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["file"]

    def no_space(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "no space", "/a/path/with/a/name")

    monkeypatch.setattr(vault.files.os, "write", no_space)
    with pytest.raises(StorageError) as caught:
        write_private(path, b"third")
    assert caught.value.code == "storage.full"
    assert "name" not in str(caught.value)
    assert path.read_bytes() == b"second"


def test_a_private_file_is_synced_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(descriptor: int) -> None:
        order.append("sync")
        fsync(descriptor)

    def spy_replace(*arguments: Any) -> None:
        order.append("name")
        replace(*arguments)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    write_private(tmp_path / "file", b"data")
    assert order == ["sync", "name", "sync"]
    sync_folder(tmp_path)
    assert order[-1] == "sync"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "storage.full"),
        (errno.EDQUOT, "storage.full"),
        (errno.EROFS, "storage.readonly"),
        (errno.EACCES, "storage.permission"),
        (errno.EPERM, "storage.permission"),
        (errno.EMFILE, "storage.handles"),
        (errno.EIO, "storage.io"),
        (None, "storage.io"),
    ],
)
def test_an_error_of_the_system_has_a_code_and_no_path(number: int | None, code: str) -> None:
    error = OSError(number, "text of the system", "/home/someone/clinic") if number else OSError("odd")
    converted = convert_os(error)
    assert converted.code == code
    assert "someone" not in str(converted)


# --- locks ---------------------------------------------------------------------------------------------------------


def test_a_file_lock_has_one_holder(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock", 0.1), FileLock(tmp_path / "lock", 0.1)
    with first.hold():
        began = time.monotonic()
        assert code_of(lambda: second.hold().__enter__()) == "storage.locked"
        assert time.monotonic() - began >= 0.1
        assert code_of(lambda: first.hold().__enter__()) == "storage.locked"  # not re-entrant
    with second.hold():
        pass
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    first.close()
    second.close()
    first.close()


def test_a_file_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock", 0.1), FileLock(tmp_path / "lock", 0.1)
    with pytest.raises(RuntimeError), lock.hold():
        raise RuntimeError
    with other.hold():
        pass
    lock.close()
    other.close()


def test_a_file_lock_between_threads(tmp_path: Path) -> None:
    lock, inside, most = FileLock(tmp_path / "lock", 10), 0, 0

    def work(_number: int) -> None:
        nonlocal inside, most
        with lock.hold():
            inside += 1
            most = max(most, inside)
            time.sleep(0.001)
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert (inside, most) == (0, 1)
    lock.close()


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    assert code_of(lambda: FileLock(tmp_path / "none" / "lock", 0.1).hold().__enter__()) == "storage.io"


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[tuple[Lease, Lease]]:
    """As two processes have them: each with its own open files."""
    made = Lease(tmp_path / "vault.lock", 0.15), Lease(tmp_path / "vault.lock", 0.15)
    yield made
    for lease in made:
        lease.close()


def test_a_lease_is_shared_by_many_or_held_alone(leases: tuple[Lease, Lease]) -> None:
    one, other = leases
    with one.shared(), other.shared(), one.shared():
        assert code_of(lambda: other.alone().__enter__()) == "storage.locked"
    with one.alone():
        assert code_of(lambda: other.shared().__enter__()) == "storage.locked"
        assert code_of(lambda: other.alone().__enter__()) == "storage.locked"
        with one.shared():  # who holds it alone takes part, too
            pass
    with other.alone(), other.shared():
        pass
    with one.shared(), other.shared():
        pass


def test_a_lease_of_another_thread(leases: tuple[Lease, Lease]) -> None:
    one, _ = leases
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with one.shared():
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(5)
    with one.shared():
        pass
    assert code_of(lambda: one.alone().__enter__()) == "storage.locked"
    leave.set()
    thread.join()
    with one.alone():
        pass


def test_newcomers_wait_behind_who_waits_to_be_alone(tmp_path: Path) -> None:
    """Threads that overlap for ever must not keep a rotation of another process waiting."""
    stream, rotation = Lease(tmp_path / "vault.lock", 5), Lease(tmp_path / "vault.lock", 5)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with stream.shared():
                time.sleep(0.005)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            began = time.monotonic()
            with rotation.alone():
                pass
            assert time.monotonic() - began < 30
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    stream.close()
    rotation.close()


# --- databases -----------------------------------------------------------------------------------------------------


@pytest.fixture
def key() -> SecretKey:
    return SecretKey.random()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def database(path: Path, key: SecretKey) -> Iterator[Database]:
    made = Database(path, key, create=True, timeout_s=0.3)
    with made.transaction():
        made.execute_script(
            "CREATE TABLE notes(n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON notes(text)"
        )
    yield made
    made.close()


def insert(database: Database, *numbers: int) -> None:
    database.execute_many("INSERT INTO notes VALUES(?, ?)", [(n, f"note {n}") for n in numbers])


def test_a_file_is_keyed_private_and_not_plaintext(database: Database, path: Path, key: SecretKey) -> None:
    with database.transaction():
        insert(database, 1)
    database.truncate_wal()
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"note" not in path.read_bytes()
    assert not path.read_bytes().startswith(b"SQLite format 3")
    plain = sqlcipher3.connect(str(path))
    with pytest.raises(sqlcipher3.DatabaseError):
        plain.execute("SELECT * FROM notes")
    plain.close()
    again = Database(path, key)
    assert again.query("SELECT n FROM notes") == [(1,)]
    again.close()


def test_what_cannot_be_opened(database: Database, path: Path, key: SecretKey, tmp_path: Path) -> None:
    assert code_of(lambda: Database(tmp_path / "none.db", key)) == "storage.missing"
    assert code_of(lambda: Database(path, key, create=True)) == "storage.exists"
    assert code_of(lambda: Database(path, SecretKey.random())) == "storage.unreadable"
    (tmp_path / "empty.db").touch()
    assert code_of(lambda: Database(tmp_path / "empty.db", key)) == "storage.empty"
    plain = sqlcipher3.connect(str(tmp_path / "plain.db"))
    plain.execute("CREATE TABLE notes(n)")
    plain.close()
    assert code_of(lambda: Database(tmp_path / "plain.db", key)) == "storage.unreadable"
    (tmp_path / "noise.db").write_bytes(os.urandom(8_192 * 3))
    assert code_of(lambda: Database(tmp_path / "noise.db", key)) == "storage.unreadable"
    assert code_of(lambda: Database(tmp_path / "none" / "x.db", key, create=True)) == "storage.io"


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    with database.transaction():
        insert(database, 1, 2)

    def interrupted() -> None:
        with database.transaction():
            insert(database, 3)
            raise RuntimeError

    def refused() -> None:
        with database.transaction():
            insert(database, 4)
            insert(database, 1)

    with pytest.raises(RuntimeError):
        interrupted()
    with pytest.raises(StorageError) as caught:
        refused()
    assert caught.value.code == "storage.failed"
    assert "note" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert database.query("SELECT n FROM notes ORDER BY n") == [(1,), (2,)]
    with database.transaction(), pytest.raises(StorageError):
        database.execute_script("CREATE TABLE other(n); CREATE TABLE notes(n)")
    assert database.one("SELECT count(*) FROM sqlite_master WHERE name = 'other'") == (1,)


def test_a_script_does_not_end_the_transaction_around_it(database: Database) -> None:
    def interrupted() -> None:
        with database.transaction():
            database.execute_script("CREATE TABLE one(n); CREATE TABLE two(n);")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert database.query("SELECT name FROM sqlite_master WHERE name IN ('one', 'two')") == []


def test_a_reader_sees_one_state(database: Database, path: Path, key: SecretKey) -> None:
    other = Database(path, key)
    with database.transaction():
        insert(database, 1)
    with other.reading():
        assert other.one("SELECT count(*) FROM notes") == (1,)
        with database.transaction():
            insert(database, 2)
        with other.reading():
            assert other.one("SELECT count(*) FROM notes") == (1,)
    assert other.one("SELECT count(*) FROM notes") == (2,)
    assert other.one("SELECT n FROM notes WHERE n = 7") is None
    other.close()


def test_the_version_moves_with_other_connections_commits(
    database: Database, path: Path, key: SecretKey
) -> None:
    other = Database(path, key)
    seen = other.data_version
    assert other.data_version == seen
    with database.transaction():
        insert(database, 1)
    assert other.data_version != seen
    seen = other.data_version
    with other.transaction():
        insert(other, 2)
    assert other.data_version == seen
    other.close()


def test_a_writer_waits_with_a_bound(database: Database, path: Path, key: SecretKey) -> None:
    other = Database(path, key, timeout_s=0.2)
    with database.transaction():
        began = time.monotonic()
        assert code_of(lambda: other.transaction().__enter__()) == "storage.locked"
        assert 0.15 < time.monotonic() - began < 20
        assert other.query("SELECT * FROM notes") == []  # readers do not wait
    with other.transaction():
        insert(other, 1)
    other.close()


def test_a_reader_is_not_held_up_by_a_writer_that_waits(
    database: Database, path: Path, key: SecretKey
) -> None:
    """One thread waits for another process's lock; the other threads of this process go on reading."""
    other = Database(path, key, timeout_s=20.0)

    def write() -> None:
        with other.transaction():
            insert(other, 1)

    with ThreadPoolExecutor(1) as pool, database.transaction():
        waiting = pool.submit(write)
        time.sleep(0.05)
        assert other.one("SELECT count(*) FROM notes") == (0,)
        assert not waiting.done()
    waiting.result()
    other.close()


def test_a_long_read_of_one_thread_bounds_the_write_of_another(database: Database) -> None:
    reading, leave = threading.Event(), threading.Event()

    def read() -> None:
        with database.reading():
            reading.set()
            leave.wait(5)

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(5)
    assert code_of(lambda: database.transaction().__enter__()) == "storage.locked"
    leave.set()
    thread.join()
    with database.transaction():
        insert(database, 1)


def test_the_wal_is_emptied_unless_somebody_reads(database: Database, path: Path, key: SecretKey) -> None:
    other = Database(path, key, timeout_s=0.1)
    with database.transaction():
        insert(database, 1)
    wal = path.with_name(path.name + "-wal")
    assert wal.stat().st_size > 0
    with other.reading():
        other.query("SELECT * FROM notes")
        with database.transaction():
            insert(database, 2)
        assert database.truncate_wal() is False
    assert database.truncate_wal() is True
    assert wal.stat().st_size == 0
    other.close()


def test_a_copy_is_the_same_under_another_key(database: Database, tmp_path: Path, key: SecretKey) -> None:
    with database.transaction():
        insert(database, *range(500))
    copy = Database(tmp_path / "copy.db", key, create=True)
    database.copy_to(copy)
    assert copy.query("SELECT * FROM notes") == database.query("SELECT * FROM notes")
    copy.close()
    again = Database(tmp_path / "copy.db", key)
    assert again.one("SELECT count(*) FROM notes") == (500,)
    again.close()


def test_a_new_key_for_the_file(database: Database, path: Path, key: SecretKey) -> None:
    with database.transaction():
        insert(database, *range(500))
    fresh = SecretKey.random()
    database.rekey(fresh)
    database.truncate_wal()
    with database.transaction():
        insert(database, 500)
    database.close()
    assert code_of(lambda: Database(path, key)) == "storage.unreadable"
    again = Database(path, fresh)
    assert again.one("SELECT count(*) FROM notes") == (501,)
    again.check_pages()
    again.close()


def test_a_handle_whose_key_change_failed_is_closed(
    database: Database, path: Path, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written on with the driver's half-changed state, pages of two keys would lie in one file."""
    with database.transaction():
        insert(database, 1)

    class Failing:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def reset_key(self, _spec: bytearray) -> None:
            raise sqlcipher3.OperationalError("disk full")

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

    monkeypatch.setattr(database, "_connection", Failing(database._connection))
    assert code_of(lambda: database.rekey(SecretKey.random())) == "storage.failed"
    assert code_of(lambda: database.query("SELECT * FROM notes")) == "storage.failed"
    again = Database(path, key)
    assert again.query("SELECT n FROM notes") == [(1,)]
    again.close()


def test_nothing_can_be_attached(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        database.execute(f"ATTACH DATABASE '{tmp_path / 'plain.db'}' AS plain KEY ''")
    assert not (tmp_path / "plain.db").exists()


def test_every_flipped_byte_of_a_page_is_found(database: Database, path: Path, key: SecretKey) -> None:
    with database.transaction():
        insert(database, *range(2_000))
    database.close()
    whole = path.read_bytes()
    for offset in (20, 5_000, 8_192 * 2 + 100, len(whole) - 10):
        data = bytearray(whole)
        data[offset] ^= 1
        path.write_bytes(data)
        with pytest.raises(IntegrityViolationError):
            _check_all(path, key)
    path.write_bytes(whole)
    _check_all(path, key)


def _check_all(path: Path, key: SecretKey) -> None:
    database = Database(path, key)
    try:
        database.check_pages()
    finally:
        database.close()


def test_a_key_never_becomes_a_statement(path: Path, key: SecretKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's `set_key` takes wipeable memory; `PRAGMA key` would show the key to every trace."""
    statements: list[str] = []
    connect = sqlcipher3.connect

    def traced(*arguments: Any, **options: Any) -> Any:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlcipher3, "connect", traced)
    made = Database(path, key, create=True)
    fresh = SecretKey.random()
    made.rekey(fresh)
    made.close()
    assert statements
    text = "\n".join(statements).lower()
    for secret in (key, fresh):
        assert bytes(secret.buffer).hex() not in text
    assert "pragma key" not in text
    assert "rekey" not in text


# --- files at rest, and files that take another's place ------------------------------------------------------------


def at_rest(database: Database, key: SecretKey, place: Path) -> Path:
    """A closed copy of the file, with nothing beside it."""
    copy_file(database.path, key, place)
    return place


def test_a_file_at_rest_is_read_and_stays_as_it_is(
    database: Database, key: SecretKey, tmp_path: Path
) -> None:
    with database.transaction():
        insert(database, 1, 2)
    folder = tmp_path / "medium"
    folder.mkdir()
    path = at_rest(database, key, folder / "a file of a ?#% backup.db")
    before, mode = path.read_bytes(), path.stat()
    reader = Database(path, key, read_only=True)
    assert reader.one("SELECT count(*) FROM notes") == (2,)
    with reader.reading():
        assert reader.query("SELECT n FROM notes") == [(1,), (2,)]
    reader.check_pages()
    with pytest.raises(StorageError) as caught:
        reader.execute("INSERT INTO notes VALUES(3, 'x')")
    assert caught.value.code == "storage.readonly"
    reader.close()
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == mode.st_mtime_ns
    assert [one.name for one in folder.iterdir()] == [path.name]
    with pytest.raises(IntegrityViolationError):
        Database(path, SecretKey.random(), read_only=True)


def test_a_copy_of_a_file_in_use_is_complete_and_alone(
    database: Database, key: SecretKey, tmp_path: Path
) -> None:
    with database.transaction():
        insert(database, *range(500))
    copy = at_rest(database, key, tmp_path / "copy.db")
    with database.transaction():
        insert(database, 501)
    assert not list(tmp_path.glob("copy.db-*"))
    opened = Database(copy, key)
    assert opened.one("SELECT count(*) FROM notes") == (500,)
    opened.close()
    with pytest.raises(ConfigError):
        copy_file(database.path, key, copy)


def test_a_file_that_takes_anothers_place_leaves_the_old_handle_harmless(
    database: Database, path: Path, key: SecretKey, tmp_path: Path
) -> None:
    """The old handle says that it was moved, and closing it touches nothing of the new file."""
    with database.transaction():
        insert(database, 1)
    prepared = at_rest(database, key, tmp_path / "prepared.db")
    with database.transaction():
        insert(database, 2)
    old = Database(path, key)
    assert not old.moved
    assert (tmp_path / "store.db-wal").stat().st_size
    put_in_place(prepared, path)
    assert old.moved
    assert database.moved
    assert not prepared.exists()
    fresh = Database(path, key)
    assert not fresh.moved
    with fresh.transaction():
        insert(fresh, 99)
    assert old.one("SELECT count(*) FROM notes") == (2,)
    old.close()
    assert fresh.query("SELECT n FROM notes") == [(1,), (99,)]
    assert (tmp_path / "store.db-wal").stat().st_size
    fresh.close()
    again = Database(path, key)
    assert again.query("SELECT n FROM notes") == [(1,), (99,)]
    again.check_pages()
    again.close()


def test_a_file_that_is_gone_was_moved(database: Database, path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))
    assert database.moved
    path.with_name("elsewhere.db").rename(path)
    assert not database.moved
