"""The embedded record store: one SQLCipher file per tenant, rows of a subject lying together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from vault.crypto.lthash import STATE_BYTES, LtHash
from vault.crypto.primitives import SecretKey
from vault.errors import ConfigError, IntegrityViolationError, StorageError
from vault.files import convert_os, sync_folder
from vault.locks import FileLock
from vault.records import numbers
from vault.records.ages import outlived, superseded
from vault.records.interface import (
    BLOCK,
    BlockRow,
    Lifetime,
    LogRow,
    MemoryRow,
    RecordStore,
    ReplayRow,
    RevisionRow,
    SubjectRow,
    Superseded,
    TokenRow,
)
from vault.records.items import HashedRow, item
from vault.records.outbox import SqlcipherOutbox, generation_of
from vault.records.schema import (
    BODY,
    INDEXES,
    MEMORY,
    PLACED,
    REPLAY,
    SCHEMA,
    SUBJECT,
    TABLES,
    few,
    marks,
    upgrade,
)
from vault.records.sealed import DISCARD, sealed_under
from vault.storage import Database, copy_file, create_file
from vault.types import TenantId

_columns = attrgetter(*MemoryRow.__slots__[:-1])  # the point has a table of its own
_MANY: Final = 2**63 - 1  # SQLite's greatest integer


class SqlcipherRecords(RecordStore):
    """One tenant's file. Opening it verifies the schema; a foreign tenant's file is refused."""

    def __init__(
        self, path: Path, key: SecretKey, tid: TenantId, *, read_only: bool = False, timeout_s: float = 10.0
    ) -> None:
        self.tid = tid
        self._db = Database(path, key, read_only=read_only, timeout_s=timeout_s)
        self._hash: LtHash | None = None  # loaded at the first change inside a transaction
        self._more = 0  # memories since the transaction began
        meta: dict[str, Any] = dict(self._db.query("SELECT key, value FROM meta"))
        schema = meta.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            self._db.close()
            raise ConfigError(
                "records.newer", "this store was written by a newer memvault; upgrade to open it"
            )
        if meta.get("tid") != tid:
            self._db.close()
            raise IntegrityViolationError("records.foreign", "the file belongs to another tenant")
        if schema not in (1, SCHEMA):
            self._db.close()
            raise IntegrityViolationError("records.damaged", "the store lacks an entry every store has")
        if schema == 1 and not read_only:
            try:
                upgrade(self._db)
            except BaseException:
                self._db.close()
                raise
        self.outbox = SqlcipherOutbox(self._db)

    @staticmethod
    def create(
        path: Path, key: SecretKey, tid: TenantId, *, embedder: str | None = None, timeout_s: float = 10.0
    ) -> None:
        """Write an empty store under a temporary name, then give it its name, durably; one that is there stays.

        Under the file's lock: of two processes that meet a new tenant, one creates, the other finds.
        """
        lock = FileLock(path.with_name(path.name + ".lock"), timeout_s)
        try:
            with lock.hold():
                if not path.exists():
                    meta = [("schema", SCHEMA), ("tid", tid), ("state", LtHash().state())]
                    meta += [("embedder", embedder)] if embedder is not None else []
                    create_file(
                        path,
                        key,
                        TABLES + INDEXES + PLACED,
                        [("INSERT INTO meta(key, value) VALUES(?, ?)", meta)],
                    )
                    sync_folder(path.parent.parent)
        except OSError as error:
            raise convert_os(error) from None
        finally:
            lock.close()

    @property
    def database(self) -> Database:
        """The file below, for rotation of its key."""
        return self._db

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]:
        return self._transaction(durable)

    @contextmanager
    def _transaction(self, durable: bool) -> Iterator[None]:
        with self._db.transaction(durable=durable):
            self._hash, self._more = None, 0
            try:
                yield
                self._write_state()
            finally:
                self._hash = None

    def reading(self) -> AbstractContextManager[None]:
        return self._db.reading()

    def close(self) -> None:
        self.outbox.close()
        self._db.close()

    # --- multiset hash -----------------------------------------------------------------------------------------

    def _write_state(self) -> None:
        if self._hash is None:
            return
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'state'", (self._hash.state(),))
        if self._more and not self._db.execute(
            "UPDATE meta SET value = value + ? WHERE key = 'count'", (self._more,)
        ):
            self._put("count", self.counted())  # written by a version that did not keep it
        if self.prove is not None:
            size, head = self.log_head()
            proof = size.to_bytes(8, "big") + self.prove(self._hash.digest(), size, head)
            self._put("proof", proof)  # nothing but the page of the state is written

    def _put(self, key: str, value: bytes | int | str) -> None:
        self._db.execute(
            "INSERT INTO meta(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def _state(self) -> LtHash:
        if self._hash is None:
            self._hash = self._stored_state()
        return self._hash

    def _stored_state(self) -> LtHash:
        row = self._db.one("SELECT value FROM meta WHERE key = 'state'")
        if row is None or not isinstance(row[0], bytes) or len(row[0]) != STATE_BYTES:
            raise IntegrityViolationError("records.damaged", "the store lacks an entry every store has")
        return LtHash(row[0])

    def _enter(self, row: HashedRow) -> None:
        self._state().add(item(row))
        self._more += isinstance(row, MemoryRow)

    def _leave(self, row: HashedRow) -> None:
        self._state().remove(item(row))
        self._more -= isinstance(row, MemoryRow)

    def digest(self) -> bytes:
        return self._stored_state().digest()

    def proof(self) -> tuple[int, bytes] | None:
        row = self._db.one("SELECT value FROM meta WHERE key = 'proof'")
        return (int.from_bytes(row[0][:8], "big"), row[0][8:]) if row else None

    def recount(self) -> bytes:
        fresh = LtHash()
        with self.reading():
            for subject in self.subjects():
                fresh.add(item(subject))
                for row in self._hashed(subject.s):
                    fresh.add(item(row))
        return fresh.digest()

    def _hashed(self, s: int) -> list[HashedRow]:
        return [
            *self.memories(s),
            *self.blocks(s),
            *self.all_revisions(s),
            *self.tokens(s),
            *self.replays(s),
        ]

    def check_pages(self) -> None:
        self._db.check_pages()

    def setting(self, key: str) -> int:
        row = self._db.one("SELECT value FROM meta WHERE key = ?", (f"setting.{key}",))
        return int(row[0]) if row else 1

    def set_setting(self, key: str, value: int) -> None:
        self._put(f"setting.{key}", value)

    def embedder(self) -> str | None:
        row = self._db.one("SELECT value FROM meta WHERE key = 'embedder'")
        return str(row[0]) if row else None

    def set_embedder(self, identity: str) -> None:
        self._put("embedder", identity)

    @property
    def moved(self) -> bool:
        return self._db.moved

    def copy_to(self, path: Path, key: SecretKey) -> None:
        copy_file(self._db.path, key, path)

    def rekey(self, key: SecretKey) -> None:
        self._db.truncate_wal()
        self._db.rekey(key)
        self._db.truncate_wal()

    def purge_free_space(self) -> bool:
        try:
            return self._db.truncate_wal()
        except StorageError:  # what was removed is committed; the next purge or the last close moves it
            return False

    # --- subjects ----------------------------------------------------------------------------------------------

    def subject(self, sid: bytes) -> SubjectRow | None:
        row = self._db.one(f"{SUBJECT} WHERE sid = ?", (sid,))
        return SubjectRow(*row) if row else None

    def subject_by_number(self, s: int) -> SubjectRow | None:
        found = self._numbered(s)
        place = self.moved_to(s) if found is None else None
        return self._numbered(place[0]) if place is not None else found

    def _numbered(self, s: int) -> SubjectRow | None:
        row = self._db.one(f"{SUBJECT} WHERE s = ?", (s,))
        return SubjectRow(*row) if row else None

    def subjects(self) -> list[SubjectRow]:
        return [SubjectRow(*row) for row in self._db.query(SUBJECT)]

    def ensure_subject(self, sid: bytes, kid: bytes) -> SubjectRow:
        found = self.subject(sid)
        if found is None:
            self._db.execute("INSERT INTO subjects(sid, kid, next_n, changes) VALUES(?, ?, 1, 0)", (sid, kid))
            found = self.subject(sid)
            if found is not None:
                self._enter(found)
        if found is None or found.kid != kid:
            raise IntegrityViolationError(
                "records.damaged", "a subject's rows carry another key than its keystore row"
            )
        return found

    def allocate(self, s: int, count: int) -> int:
        row = self._db.one("UPDATE subjects SET next_n = next_n + ? WHERE s = ? RETURNING next_n", (count, s))
        if row is None:
            raise IntegrityViolationError("records.damaged", "a subject's row is gone")
        return int(row[0]) - count

    def remove_subject(self, s: int) -> int:
        for number in self.numbers(s):
            self._db.execute("UPDATE log SET detail = NULL WHERE s = ?", (number,))
        numbers.forget(self._db, s)
        return self._drop_rows(s)

    def _drop_rows(self, s: int) -> int:
        memories = self.memories(s)
        known = self._numbered(s)
        for row in [*self._hashed(s), *([known] if known else [])]:
            self._leave(row)
        for table in ("memories", "points", "blocks", "revisions", "tokens", "replays", "subjects"):
            self._db.execute(f"DELETE FROM {table} WHERE s = ?", (s,))  # noqa: S608 - names from the tuple above
        self.outbox.take(s)
        return len(memories)

    def move_subject(self, s: int, into: int, by: int) -> None:
        self._drop_rows(s)
        numbers.move(self._db, s, into, by)

    def moved_to(self, s: int) -> tuple[int, int] | None:
        return numbers.moved_to(self._db, s)

    def numbers(self, s: int) -> list[int]:
        return numbers.of(self._db, s)

    def _changed(self, s: int, n: int) -> None:
        self._drop_block(s, n // BLOCK)
        self._db.execute("UPDATE subjects SET changes = changes + 1 WHERE s = ?", (s,))

    # --- memories ----------------------------------------------------------------------------------------------

    def insert(self, rows: Sequence[MemoryRow]) -> None:
        self._db.execute_many(
            "INSERT INTO memories VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [_columns(row) for row in rows]
        )
        self._db.execute_many(
            "INSERT INTO points VALUES(?, ?, ?, ?)", [(r.s, r.n, r.version, r.point) for r in rows]
        )
        for row in rows:
            self._enter(row)
        self.outbox.put(rows)

    def memory(self, s: int, n: int) -> MemoryRow | None:
        row = self._db.one(f"{MEMORY} WHERE m.s = ? AND m.n = ?", (s, n))
        return MemoryRow(*row) if row else None

    def memories_at(self, s: int, numbers: Sequence[int]) -> list[MemoryRow]:
        sql = f"{BODY} WHERE m.s = ? AND m.n IN ({', '.join('?' * len(numbers))})"
        return [MemoryRow(*row) for row in self._db.query(sql, (s, *numbers))] if numbers else []

    def memories(self, s: int, *, after_n: int = 0, limit: int | None = None) -> list[MemoryRow]:
        sql = f"{MEMORY} WHERE m.s = ? AND m.n > ? ORDER BY m.n LIMIT ?"
        return [MemoryRow(*row) for row in self._db.query(sql, (s, after_n, -1 if limit is None else limit))]

    def order(self, s: int) -> list[tuple[int, int, int]]:
        rows = self._db.query("SELECT n, created_ms, updated_ms FROM memories WHERE s = ? ORDER BY n", (s,))
        return [(int(n), int(created), int(updated)) for n, created, updated in rows]

    def points(
        self, s: int, *, after_n: int = 0, before_n: int | None = None
    ) -> list[tuple[int, int, bytes]]:
        sql = "SELECT n, version, point FROM points WHERE s = ? AND n > ? AND n < ? ORDER BY n"
        return self._db.query(sql, (s, after_n, _MANY if before_n is None else before_n))

    def points_at(self, s: int, numbers: Sequence[int]) -> list[tuple[int, int, bytes]]:
        found: list[tuple[int, int, bytes]] = []
        for part in few(numbers):
            sql = f"SELECT n, version, point FROM points WHERE s = ? AND n IN ({marks(part)})"  # noqa: S608
            found += self._db.query(sql, (s, *part))
        return sorted(found)

    def windows(self, s: int, numbers: Sequence[int], reach: int) -> list[tuple[int, int]]:
        sql = (
            "SELECT (SELECT min(n) FROM (SELECT n FROM points WHERE s = ? AND n <= p.n ORDER BY n DESC LIMIT ?)),"
            " (SELECT max(n) FROM (SELECT n FROM points WHERE s = ? AND n >= p.n ORDER BY n LIMIT ?))"
            " FROM points p WHERE p.s = ? AND p.n IN ({})"
        )
        found: list[tuple[int, int]] = []
        for part in few(numbers):
            found += self._db.query(sql.format(marks(part)), (s, reach + 1, s, reach + 1, s, *part))
        return sorted(found)

    def blocks(self, s: int, *, after_n: int = 0) -> list[BlockRow]:
        sql = "SELECT s, b, body FROM blocks WHERE s = ? AND b >= ? ORDER BY b"
        return [BlockRow(*row) for row in self._db.query(sql, (s, after_n // BLOCK + 1 if after_n else 0))]

    def blocks_at(self, s: int, numbers: Sequence[int]) -> list[BlockRow]:
        found: list[BlockRow] = []
        for part in few(sorted(numbers)):
            sql = f"SELECT s, b, body FROM blocks WHERE s = ? AND b IN ({marks(part)}) ORDER BY b"  # noqa: S608
            found += [BlockRow(*row) for row in self._db.query(sql, (s, *part))]
        return found

    def put_block(self, row: BlockRow) -> None:
        self._enter(row)
        self._db.execute("INSERT INTO blocks VALUES(?, ?, ?)", astuple(row))

    def _drop_block(self, s: int, b: int) -> None:
        found = self._db.one("SELECT s, b, body FROM blocks WHERE s = ? AND b = ?", (s, b))
        if found is not None:
            self._leave(BlockRow(*found))
            self._db.execute("DELETE FROM blocks WHERE s = ? AND b = ?", (s, b))

    def replace(self, old: MemoryRow, new: MemoryRow, *, told: bool = False) -> None:
        self._leave(old)
        self._enter(new)
        self._db.execute(
            "INSERT OR REPLACE INTO memories VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _columns(new)
        )
        self._db.execute(
            "INSERT OR REPLACE INTO points VALUES(?, ?, ?, ?)", (new.s, new.n, new.version, new.point)
        )
        self._changed(new.s, new.n)
        if new.point != old.point and not (told and generation_of(new.point) == generation_of(old.point)):
            self.outbox.take(new.s, new.n)
            self.outbox.put([new])

    def remove(self, row: MemoryRow) -> None:
        self._leave(row)
        self._db.execute("DELETE FROM memories WHERE s = ? AND n = ?", (row.s, row.n))
        self._db.execute("DELETE FROM points WHERE s = ? AND n = ?", (row.s, row.n))
        self._changed(row.s, row.n)
        self.outbox.take(row.s, row.n)

    def sealed_under(self) -> dict[int, dict[int, int]]:
        return numbers.fold(self._db, sealed_under(self._db))

    def discard(self, row: MemoryRow | BlockRow | RevisionRow | TokenRow | ReplayRow) -> None:
        if isinstance(row, MemoryRow):
            self.remove(row)
            return
        statement, names = DISCARD[type(row)]
        self._leave(row)
        self._db.execute(statement, tuple(getattr(row, name) for name in names))

    def expired(self, now_ms: int, limit: int) -> list[MemoryRow]:
        sql = f"{MEMORY} WHERE m.expires_ms <= ? ORDER BY m.expires_ms LIMIT ?"
        return [MemoryRow(*row) for row in self._db.query(sql, (now_ms, limit))]

    def outlived(self, expired_ms: int, created_ms: int | None, updated_ms: int | None) -> list[Lifetime]:
        return outlived(self._db, expired_ms, created_ms, updated_ms)

    def count(self) -> int:
        row = self._db.one("SELECT value FROM meta WHERE key = 'count'")
        return int(row[0]) if row else self.counted()

    def counted(self) -> int:
        row = self._db.one("SELECT count(*) FROM points")
        return int(row[0]) if row else 0

    # --- revisions ---------------------------------------------------------------------------------------------

    def add_revision(self, row: RevisionRow) -> None:
        self._enter(row)
        self._db.execute("INSERT INTO revisions VALUES(?, ?, ?, ?, ?, ?, ?, ?)", astuple(row))

    def revisions(self, s: int, n: int) -> list[RevisionRow]:
        rows = self._db.query("SELECT * FROM revisions WHERE s = ? AND n = ? ORDER BY version", (s, n))
        return [RevisionRow(*row) for row in rows]

    def all_revisions(self, s: int) -> list[RevisionRow]:
        return [RevisionRow(*row) for row in self._db.query("SELECT * FROM revisions WHERE s = ?", (s,))]

    def superseded(self, before_ms: int) -> list[Superseded]:
        return superseded(self._db, before_ms)

    def replace_revision(self, old: RevisionRow, new: RevisionRow) -> None:
        self._leave(old)
        self._enter(new)
        self._db.execute("INSERT OR REPLACE INTO revisions VALUES(?, ?, ?, ?, ?, ?, ?, ?)", astuple(new))

    # --- tokens ------------------------------------------------------------------------------------------------

    def token_by_mac(self, s: int, mac: bytes) -> TokenRow | None:
        row = self._db.one("SELECT * FROM tokens WHERE s = ? AND mac = ?", (s, mac))
        return TokenRow(*row) if row else None

    def token(self, s: int, token: str) -> TokenRow | None:
        row = self._db.one("SELECT * FROM tokens WHERE s = ? AND token = ?", (s, token))
        return TokenRow(*row) if row else None

    def has_tokens(self, s: int) -> bool:
        return self._db.one("SELECT 1 FROM tokens WHERE s = ? LIMIT 1", (s,)) is not None

    def tokens(self, s: int, *, after: str = "", limit: int | None = None) -> list[TokenRow]:
        sql = "SELECT * FROM tokens WHERE s = ? AND token > ? ORDER BY token LIMIT ?"
        return [TokenRow(*row) for row in self._db.query(sql, (s, after, -1 if limit is None else limit))]

    def add_token(self, row: TokenRow) -> None:
        self._enter(row)
        self._db.execute("INSERT INTO tokens VALUES(?, ?, ?, ?, ?)", astuple(row))

    def refer_token(self, s: int, token: str, change: int) -> None:
        row = self.token(s, token)
        if row is None:
            return
        self._leave(row)
        refs = row.refs + change
        if refs <= 0:
            self._db.execute("DELETE FROM tokens WHERE s = ? AND token = ?", (s, token))
            return
        self._enter(TokenRow(row.s, row.token, row.mac, row.value, refs))
        self._db.execute("UPDATE tokens SET refs = ? WHERE s = ? AND token = ?", (refs, s, token))

    def replace_token(self, old: TokenRow, new: TokenRow) -> None:
        self._leave(old)
        self._enter(new)
        self._db.execute("INSERT OR REPLACE INTO tokens VALUES(?, ?, ?, ?, ?)", astuple(new))

    # --- remembered writes -------------------------------------------------------------------------------------

    def replay(self, mac: bytes) -> ReplayRow | None:
        row = self._db.one(f"{REPLAY} WHERE mac = ?", (mac,))
        return ReplayRow(*row) if row else None

    def remember(self, row: ReplayRow) -> None:
        self._enter(row)
        self._db.execute("INSERT INTO replays VALUES(?, ?, ?, ?, ?)", astuple(row))

    def replays(self, s: int) -> list[ReplayRow]:
        rows = self._db.query(f"{REPLAY} WHERE s = ?", (s,))
        return [ReplayRow(*row) for row in rows]

    def replace_replay(self, old: ReplayRow, new: ReplayRow) -> None:
        self._leave(old)
        self._enter(new)
        self._db.execute("INSERT OR REPLACE INTO replays VALUES(?, ?, ?, ?, ?)", astuple(new))

    def forget_replays(self, before_ms: int) -> None:
        for row in self._db.query(f"{REPLAY} WHERE at_ms < ?", (before_ms,)):
            self._leave(ReplayRow(*row))
        self._db.execute("DELETE FROM replays WHERE at_ms < ?", (before_ms,))

    # --- log ---------------------------------------------------------------------------------------------------

    def log_head(self) -> tuple[int, bytes]:
        row = self._db.one("SELECT seq, mac FROM log ORDER BY seq DESC LIMIT 1")
        return (int(row[0]) + 1, row[1]) if row else (0, bytes(16))

    def append_entry(self, seq: int, entry: bytes, mac: bytes, s: int | None, detail: bytes | None) -> None:
        self._db.execute(
            "INSERT INTO log(seq, entry, mac, s, detail) VALUES(?, ?, ?, ?, ?)", (seq, entry, mac, s, detail)
        )

    def log(self, start: int = 0, end: int | None = None) -> Iterator[LogRow]:
        position = start
        while end is None or position < end:
            rows = self._db.query(
                "SELECT seq, entry, mac, s, detail FROM log WHERE seq >= ? ORDER BY seq LIMIT 1000",
                (position,),
            )
            for row in rows:
                if end is not None and row[0] >= end:
                    return
                yield LogRow(*row)
            if len(rows) < 1000:
                return
            position = int(rows[-1][0]) + 1

    def rechain_log(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self._state()  # so that the proof is made again, under the new key
        self._db.execute_many("UPDATE log SET mac = ? WHERE seq = ?", [(mac, seq) for seq, mac in rows])

    def details(self, s: int) -> list[tuple[int, bytes]]:
        wanted = self.numbers(s)
        marks = ", ".join("?" * len(wanted))
        sql = f"SELECT seq, detail FROM log WHERE s IN ({marks}) AND detail IS NOT NULL"  # noqa: S608 - marks only
        return self._db.query(sql, wanted)

    def replace_detail(self, seq: int, detail: bytes) -> None:
        self._db.execute("UPDATE log SET detail = ? WHERE seq = ?", (detail, seq))

    def checkpoints(self) -> list[tuple[int, bytes, bytes]]:
        return self._db.query("SELECT size, note, frontier FROM checkpoints ORDER BY size")

    def checkpoint_at(self, size: int) -> tuple[int, bytes, bytes] | None:
        row = self._db.one("SELECT size, note, frontier FROM checkpoints WHERE size = ?", (size,))
        return (int(row[0]), row[1], row[2]) if row else None

    def last_checkpoint(self) -> tuple[int, bytes, bytes] | None:
        return self._db.one("SELECT size, note, frontier FROM checkpoints ORDER BY size DESC LIMIT 1")

    def add_checkpoint(self, size: int, note: bytes, frontier: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO checkpoints VALUES(?, ?, ?)", (size, note, frontier))
