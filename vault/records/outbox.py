"""The outbox of a records file: a table beside the points, changed in their transactions."""

# ruff: noqa: S608 - what is put into statements are the numbers of states, and question marks

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from vault.errors import StorageError
from vault.locks import FileLock
from vault.records.interface import HERE, INDEX, LEAVING, THERE, WAITING, MemoryRow, Outbox, PlacedRow
from vault.records.schema import few, marks
from vault.storage import Database

ID_BYTES: Final = 16  # as many as a UUID has (RFC 9562), all random
_ROW: Final = "SELECT s, n, id, version, generation, state FROM placed"
_WAIT_S: Final = 0.05


def generation_of(point: bytes) -> bytes:
    """The generation of the key a point is sealed under: bytes 22 to 25 of PMV1 (docs/format.md)."""
    return point[22:26]


class SqlcipherOutbox(Outbox):
    """Rows lie by place, so that those of a memory are found; a hit is found by its id."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = FileLock(database.path.with_name(database.path.name + ".outbox.lock"), _WAIT_S)

    @property
    def kept(self) -> bool:
        row = self._db.one("SELECT value FROM meta WHERE key = ?", (f"setting.{INDEX}",))
        return row is not None and int(row[0]) > HERE

    def put(self, rows: Sequence[MemoryRow]) -> None:
        if self.kept:
            self._insert([(row.s, row.n, row.version, generation_of(row.point)) for row in rows])

    def take(self, s: int, n: int | None = None) -> None:
        if self.kept:
            where, values = ("s = ?", [s]) if n is None else ("s = ? AND n = ?", [s, n])
            self._db.execute(f"UPDATE placed SET state = {LEAVING} WHERE {where}", values)

    def restart(self) -> None:
        self._db.execute(f"UPDATE placed SET state = {LEAVING}")
        for (s,) in self._db.query("SELECT s FROM subjects"):
            rows = self._db.query("SELECT s, n, version, substr(point, 23, 4) FROM points WHERE s = ?", (s,))
            self._insert(rows)

    def _insert(self, rows: Sequence[tuple[int, int, int, bytes]]) -> None:
        self._db.execute_many(
            "INSERT INTO placed VALUES(?, ?, ?, ?, ?, ?)",
            [
                (s, n, os.urandom(ID_BYTES), version, int.from_bytes(generation, "big"), WAITING)
                for s, n, version, generation in rows
            ],
        )

    def stop(self) -> None:
        self._db.execute("DELETE FROM placed")

    def open(self, limit: int) -> list[PlacedRow]:
        rows = self._db.query(f"{_ROW} WHERE state <> {THERE} LIMIT ?", (limit,))
        return [PlacedRow(*row) for row in rows]

    def settle(self, rows: Sequence[PlacedRow]) -> None:
        for state, statement in (
            (WAITING, f"UPDATE placed SET state = {THERE} WHERE id = ? AND state = {WAITING}"),
            (LEAVING, f"DELETE FROM placed WHERE id = ? AND state = {LEAVING}"),
        ):
            self._db.execute_many(statement, [(row.id,) for row in rows if row.state == state])

    def find(self, s: int, ids: Sequence[bytes]) -> list[PlacedRow]:
        found: list[PlacedRow] = []
        for part in few(ids):
            sql = f"{_ROW} WHERE s = ? AND id IN ({marks(part)})"
            found += [PlacedRow(*row) for row in self._db.query(sql, (s, *part))]
        return found

    def of(self, s: int) -> list[PlacedRow]:
        return [PlacedRow(*row) for row in self._db.query(f"{_ROW} WHERE s = ?", (s,))]

    def there(self, s: int, generation: int) -> int:
        sql = f"SELECT count(*) FROM placed WHERE s = ? AND state = {THERE} AND generation = ?"
        row = self._db.one(sql, (s, generation))
        return int(row[0]) if row else 0

    def absent(self, s: int, generation: int) -> list[int]:
        # Sorted here: for an ORDER BY, SQLite reads every row of the subject in place of the index by state.
        sql = (
            f"SELECT n FROM placed WHERE s = ? AND state = {WAITING}"
            f" UNION ALL SELECT n FROM placed WHERE s = ? AND state = {THERE} AND generation < ?"
            f" UNION ALL SELECT n FROM placed WHERE s = ? AND state = {THERE} AND generation > ?"
        )
        return sorted({int(n) for (n,) in self._db.query(sql, (s, s, generation, s, generation))})

    def waiting(self) -> int:
        row = self._db.one(f"SELECT count(*) FROM placed WHERE state <> {THERE}")
        return int(row[0]) if row else 0

    def counts(self) -> dict[int, int]:
        rows = self._db.query("SELECT state, count(*) FROM placed GROUP BY state")
        return {int(state): int(count) for state, count in rows}

    @contextmanager
    def draining(self) -> Iterator[bool]:
        with ExitStack() as stack:
            held = True
            try:
                stack.enter_context(self._lock.hold())
            except StorageError:
                held = False
            yield held

    def close(self) -> None:
        self._lock.close()
