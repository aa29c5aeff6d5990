"""Opening SQLCipher files: the only importer of the driver, the only place where its errors are converted.

A file without a key cannot be opened by construction: the driver would silently create plaintext.
Settings follow the measurements behind `docs/adr`: 8 KB pages, WAL, `secure_delete=ON` set explicitly,
`synchronous=FULL` for acknowledged writes and NORMAL for log entries of reads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlcipher3

from vault.crypto.primitives import SecretKey
from vault.errors import ConfigError, IntegrityViolationError, StorageError
from vault.files import FILE_MODE, convert_os, sync_folder
from vault.locks import FileLock, check_process, locked

PAGE_SIZE: Final = 8192
# Pages in the WAL before they go back into the file: 16 MB. SQLite's 1,000 cost a single add 8 % more on average.
WAL_PAGES: Final = 2000
_SHARED_MEMORY_STEP: Final = 64 * 1024  # a WAL index begins with 32 KiB beside the WAL's own first pages
CACHE_KIB: Final = 16 * 1024  # decrypted pages kept of one open file; reading one again costs 20 us
_READS: Final = 3  # of a page that another process may be writing
_PLAINTEXT_MAGIC: Final = b"SQLite format 3\x00"

Row = tuple[Any, ...]

_abandoned: Final[list[Any]] = []  # connections of a parent process, kept so that nothing closes them here


def _convert(error: sqlcipher3.Error, path: Path) -> StorageError | IntegrityViolationError:
    name = str(getattr(error, "sqlite_errorname", "") or "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return locked()
    if name.startswith("SQLITE_FULL") or (name.startswith("SQLITE_IOERR") and _no_space(path)):
        return StorageError("storage.full", "the disk is full; nothing was stored")
    if name.startswith("SQLITE_READONLY"):
        return StorageError("storage.readonly", "the store is read-only; nothing was stored")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return IntegrityViolationError(
            "storage.unreadable", "a store does not open: wrong key, foreign file, or changed bytes"
        )
    if name.startswith("SQLITE_IOERR"):
        # SQLCipher reports a page whose HMAC fails while reading as an I/O error as well as NOTADB.
        return StorageError("storage.io", "the store cannot be read or written; nothing was stored")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StorageError("storage.permission", "the store cannot be opened by this user")
    return StorageError("storage.failed", "the store refused a statement; nothing was stored")


def _no_space(path: Path) -> bool:
    """SQLite reports shared memory that finds no room on the disk as an I/O error."""
    try:
        state = os.statvfs(path.parent)
    except OSError:
        return False
    return state.f_bavail * state.f_frsize < _SHARED_MEMORY_STEP


class Database:
    """One keyed SQLCipher file, one connection, safe for many threads (each call holds the lock).

    Reads run on the connection as it is; writes go through `transaction`, which takes the file lock with a bounded
    wait and then `BEGIN IMMEDIATE`. Driver errors never leave this class.
    """

    def __init__(
        self,
        path: Path,
        key: SecretKey,
        *,
        create: bool = False,
        read_only: bool = False,
        timeout_s: float = 10.0,
    ) -> None:
        """`read_only` is for files at rest, as a backup's are: nothing is written, not even beside the file."""
        self.path = path
        self._read_only = read_only
        self._mutex = threading.RLock()
        self._pid = os.getpid()
        self._timeout_s = timeout_s
        self._lock = FileLock(path.with_name(path.name + ".lock"), timeout_s)
        self._synchronous = "FULL"
        try:
            if create:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
            elif not path.is_file():
                raise ConfigError("storage.missing", "a store of this vault is missing")
            elif path.stat().st_size == 0:
                raise IntegrityViolationError("storage.empty", "a store of this vault is empty")
            self._identity = _identity(path)
        except FileExistsError:
            raise ConfigError("storage.exists", "a store already exists there") from None
        except OSError as error:
            raise convert_os(error) from None
        self._connection = self._connect(key, create=create)

    def _connect(self, key: SecretKey, *, create: bool) -> Any:
        try:
            # Immutable: no lock, no WAL and no shared memory, so that a backup is read as it lies there.
            connection = sqlcipher3.connect(
                f"file:{quote(str(self.path))}?immutable=1" if self._read_only else str(self.path),
                uri=self._read_only,
                isolation_level=None,
                check_same_thread=False,
                timeout=self._timeout_s,
                cached_statements=256,
            )
        except sqlcipher3.Error as error:
            raise _convert(error, self.path) from None
        spec = _raw_key_spec(key)
        try:
            connection.execute("PRAGMA cipher_log_level = NONE")  # else a wrong key prints to stderr
            connection.set_key(spec)
            connection.execute(f"PRAGMA cipher_page_size = {PAGE_SIZE}")
            # Off by decision (docs/adr/0003): SQLCipher wipes its own key material always; the setting would lock and
            # wipe every allocation of the process's databases, whose content is sealed anyway, at 0.4 ms an add.
            connection.execute("PRAGMA cipher_memory_security = OFF")
            status = connection.execute("PRAGMA cipher_status").fetchone()
            if status is None or str(status[0]) != "1":
                raise IntegrityViolationError(
                    "storage.unencrypted", "the driver did not switch encryption on"
                )
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if create or (
                not self._read_only and connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal"
            ):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
            connection.set_authorizer(_authorise)
        except sqlcipher3.Error as error:
            connection.close()
            raise _convert(error, self.path) from None
        finally:
            spec[:] = bytes(len(spec))
        # Only a file nobody else has open is looked at from outside: closing any descriptor of a file drops every POSIX
        # lock this process has on it, and SQLite would take other handles for gone and remove the WAL under them.
        # An existing plaintext file does not open under a key.
        if create and self._begins_with_magic():
            connection.close()
            raise IntegrityViolationError("storage.plaintext", "a store is not encrypted")
        return connection

    def _begins_with_magic(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(16) == _PLAINTEXT_MAGIC

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of a SELECT or PRAGMA."""
        check_process(self._pid)
        with self._mutex:
            try:
                return self._connection.execute(sql, parameters).fetchall()  # type: ignore[no-any-return]
            except sqlcipher3.Error as error:
                raise _convert(error, self.path) from None

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """The first row, or None."""
        check_process(self._pid)
        with self._mutex:
            try:
                return self._connection.execute(sql, parameters).fetchone()  # type: ignore[no-any-return]
            except sqlcipher3.Error as error:
                raise _convert(error, self.path) from None

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement inside a transaction; returns the number of changed rows."""
        with self._mutex:
            try:
                return int(self._connection.execute(sql, parameters).rowcount)
            except sqlcipher3.Error as error:
                raise _convert(error, self.path) from None

    def execute_script(self, statements: str) -> None:
        """Run `;`-separated statements inside the current transaction (the driver's own call would commit it)."""
        for statement in filter(None, map(str.strip, statements.split(";"))):
            self.execute(statement)

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        with self._mutex:
            try:
                self._connection.executemany(sql, rows)
            except sqlcipher3.Error as error:
                raise _convert(error, self.path) from None

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or nothing; `durable` commits survive power loss (synchronous=FULL), else only a crash.

        Waits for the file lock first, so that a wait for another process stops no reader of this one; every wait
        together is bounded by the timeout, then StorageError `storage.locked`.
        """
        deadline = time.monotonic() + self._timeout_s
        with self._lock.hold(), self._exclusively(deadline):
            self._begin("FULL" if durable else "NORMAL")
            try:
                yield
                check_process(
                    self._pid
                )  # a child forked inside the block must not end its parent's transaction
                self._connection.execute("COMMIT")
            except sqlcipher3.Error as error:
                self._rollback()
                raise _convert(error, self.path) from None
            except BaseException:
                self._rollback()
                raise

    @contextmanager
    def _exclusively(self, deadline: float) -> Iterator[None]:
        """The connection for this thread alone; other threads hold it for the length of a read."""
        if not self._mutex.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise locked()
        try:
            yield
        finally:
            self._mutex.release()

    def _begin(self, synchronous: str) -> None:
        try:
            if synchronous != self._synchronous:
                self._connection.execute(f"PRAGMA synchronous = {synchronous}")
                self._synchronous = synchronous
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlcipher3.Error as error:
            raise _convert(error, self.path) from None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent snapshot over several reads of this connection."""
        check_process(self._pid)
        with self._mutex:
            if self._connection.in_transaction:
                yield
                return
            try:
                self._connection.execute("BEGIN")
            except sqlcipher3.Error as error:
                raise _convert(error, self.path) from None
            try:
                yield
            finally:
                self._rollback()

    def _rollback(self) -> None:
        if os.getpid() == self._pid and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlcipher3.Error as error:
                raise _convert(error, self.path) from None

    @property
    def data_version(self) -> int:
        """Changes whenever another connection committed (SQLite `PRAGMA data_version`)."""
        row = self.one("PRAGMA data_version")
        return int(row[0]) if row else 0

    @property
    def moved(self) -> bool:
        """Whether another file lies where this one was opened: a restore put it there, or a roll removed this one."""
        try:
            return _identity(self.path) != self._identity
        except FileNotFoundError:
            return True
        except OSError as error:
            raise convert_os(error) from None

    def truncate_wal(self) -> bool:
        """Move the WAL into the file and empty it; False while a reader of another process is in the way."""
        row = self.one("PRAGMA wal_checkpoint(TRUNCATE)")
        return row is not None and int(row[0]) == 0

    def check_pages(self) -> None:
        """Check the HMAC of every page of the file as it lies there, and the structure of every table.

        Raises IntegrityViolationError. Another process may be moving its WAL into the very page: look again then.
        """
        for _ in range(_READS):
            if not self.query("PRAGMA cipher_integrity_check"):
                break
        else:
            raise IntegrityViolationError("storage.unreadable", "a page of a store was changed or is damaged")
        if any(row[0] != "ok" for row in self.query("PRAGMA integrity_check")):
            raise IntegrityViolationError("storage.unreadable", "a page of a store was changed or is damaged")

    def copy_to(self, target: Database) -> None:
        """Copy a consistent snapshot, page by page, into another keyed file (SQLite's online backup)."""
        check_process(self._pid)
        with self._mutex, target._mutex:
            try:
                self._connection.backup(target._connection)
            except sqlcipher3.Error as error:
                raise _convert(error, self.path) from None
        target.truncate_wal()

    def rekey(self, key: SecretKey) -> None:
        """Re-encrypt every page under `key`, in one transaction; the caller holds the vault alone.

        After a failure the file is as it was and this handle is closed: the driver would write on under `key`.
        """
        spec = _raw_key_spec(key)
        with self._lock.hold(), self._mutex:
            try:
                self._connection.reset_key(spec)
            except sqlcipher3.Error as error:
                self._connection.close()
                raise _convert(error, self.path) from None
            finally:
                spec[:] = bytes(len(spec))

    def close(self) -> None:
        """Close the file; in a child made by fork only the handle is given up (SQLite: never close it there)."""
        if os.getpid() != self._pid:
            _abandoned.append(self._connection)
            return
        with self._mutex:
            self._connection.close()
            self._lock.close()


def create_file(
    path: Path, key: SecretKey, tables: str, rows: Iterable[tuple[str, Sequence[Sequence[object]]]]
) -> None:
    """Write a new database, complete, under a temporary name, then give it its name; the folder is synced.

    `rows` are statements with the rows each is run for. What an interrupted creation left is removed first.
    """
    temporary = path.with_name(path.name + ".new")
    _remove_leftovers(temporary)
    database = Database(temporary, key, create=True)
    try:
        with database.transaction():
            database.execute_script(tables)
            for statement, values in rows:
                database.execute_many(statement, values)
        database.truncate_wal()
    finally:
        database.close()
    temporary.replace(path)
    _remove_leftovers(temporary)
    sync_folder(path.parent)


def copy_file(path: Path, key: SecretKey, target: Path) -> None:
    """Copy a database that others may be writing, consistent and durable, through handles of its own."""
    source = Database(path, key)
    try:
        copy = Database(target, key, create=True)
        try:
            source.copy_to(copy)
        finally:
            copy.close()
    finally:
        source.close()
    try:
        with target.open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(target.parent)
    except OSError as error:
        raise convert_os(error) from None


def put_in_place(prepared: Path, path: Path) -> None:
    """Give a complete, closed database the name of another one; durable. The caller holds the vault alone.

    What lies beside the old file goes first: its WAL would be matched by name, and the new file would not open.
    A handle that still has the old file open notices by `moved`; closing it leaves the new file's WAL alone.
    """
    try:
        for name in ("-wal", "-shm"):
            path.with_name(path.name + name).unlink(missing_ok=True)
        prepared.replace(path)
        for leftover in path.parent.glob(prepared.name + "?*"):
            leftover.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise convert_os(error) from None


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _remove_leftovers(temporary: Path) -> None:
    for leftover in temporary.parent.glob(temporary.name + "*"):
        leftover.unlink()


def _raw_key_spec(key: SecretKey) -> bytearray:
    """`x'<64 hex>'` in a buffer that is wiped: never a `str`, never `PRAGMA key` (which leaves copies behind)."""
    spec = bytearray(67)
    spec[0:2] = b"x'"
    digits = b"0123456789abcdef"
    for index, byte in enumerate(key.buffer):
        spec[2 + 2 * index] = digits[byte >> 4]
        spec[3 + 2 * index] = digits[byte & 15]
    spec[66:67] = b"'"
    return spec


def _authorise(action: int, *_names: object) -> int:
    """Refuse ATTACH: a file attached without a key would be plaintext."""
    return int(sqlcipher3.SQLITE_DENY if action == sqlcipher3.SQLITE_ATTACH else sqlcipher3.SQLITE_OK)
