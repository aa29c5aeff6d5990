"""Someone who holds a raw file key and edits rows behind the vault's back. Works beside an open vault or after it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.pages import vault_keys
from vault import Vault
from vault.crypto.lthash import LtHash
from vault.crypto.primitives import SecretKey
from vault.records.items import item
from vault.records.sqlcipher import SqlcipherRecords
from vault.storage import Database
from vault.types import TenantId

KEYS: dict[str, tuple[str, ...]] = {  # what names a row, table by table
    "meta": ("key",),
    "subjects": ("s",),
    "memories": ("s", "n"),
    "points": ("s", "n"),
    "blocks": ("s", "b"),
    "revisions": ("s", "n", "version"),
    "tokens": ("s", "token"),
    "replays": ("mac",),
    "log": ("seq",),
    "checkpoints": ("size",),
}


class Thief:
    """Reads and writes one database file with its raw key."""

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._key = key

    @contextmanager
    def file(self) -> Iterator[Database]:
        """The file, open for a moment, inside one transaction that is then moved out of the WAL."""
        database = Database(self.path, SecretKey(bytearray(self._key)))
        try:
            with database.transaction():
                yield database
            database.truncate_wal()
        finally:
            database.close()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table as {column: value}."""
        with self.file() as file:
            columns = [row[1] for row in file.query(f"PRAGMA table_info({table})")]
            return [dict(zip(columns, row, strict=True)) for row in file.query(_sql("SELECT * FROM", table))]

    def tables(self) -> dict[str, dict[str, str]]:
        """{table: {column: declared type}}."""
        with self.file() as file:
            names = [row[0] for row in file.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                name: {row[1]: row[2] for row in file.query(f"PRAGMA table_info({name})")}
                for name in names
                if not name.startswith("sqlite_")
            }

    def write(self, table: str, row: dict[str, Any]) -> None:
        """Insert a row, or put it in the place of the one with the same key."""
        marks = ", ".join("?" * len(row))
        with self.file() as file:
            file.execute(
                f"INSERT OR REPLACE INTO {table}({', '.join(row)}) VALUES({marks})", list(row.values())
            )

    def change(self, table: str, row: dict[str, Any], **changes: object) -> None:
        """Give a row other values; `row` is as `rows` answered it."""
        names = primary_key(table, row)
        sets = ", ".join(f"{name} = ?" for name in changes)
        with self.file() as file:
            sql = _sql("UPDATE", table, "SET", sets, "WHERE", _same(names))
            changed = file.execute(sql, [*changes.values(), *(row[name] for name in names)])
        assert changed == 1, f"{changed} rows of {table} changed"

    def remove(self, table: str, row: dict[str, Any]) -> None:
        names = primary_key(table, row)
        with self.file() as file:
            removed = file.execute(
                _sql("DELETE FROM", table, "WHERE", _same(names)), [row[name] for name in names]
            )
        assert removed == 1


def _sql(*words: str) -> str:
    return " ".join(words)


def _same(names: Sequence[str]) -> str:
    return " AND ".join(f"{name} IS ?" for name in names)


def primary_key(table: str, row: dict[str, Any]) -> tuple[str, ...]:
    """What names a row: the key of the records file's table, in the keystore the whole row."""
    known = KEYS.get(table, ())
    return known if known and set(known) <= set(row) and "tid" not in row else tuple(row)


def flipped(value: bytes, position: int, bit: int = 0) -> bytes:
    """The same bytes with one bit turned."""
    changed = bytearray(value)
    changed[position] ^= 1 << bit
    return bytes(changed)


def records_thief(vault: Vault, tenant: str) -> Thief:
    """The thief of one tenant's records file."""
    keys = vault._opened().keystore.tenant(tenant)
    assert keys is not None
    path = vault.folder / "tenants" / keys.tid.hex() / "records.db"
    return Thief(path, vault_keys(vault)[path])


def keystore_thief(vault: Vault) -> Thief:
    """The thief of the keystore file."""
    path = next(path for path in vault_keys(vault) if path.name.startswith("keystore-"))
    return Thief(path, vault_keys(vault)[path])


@contextmanager
def restored(folder: Path, scratch: Path) -> Iterator[None]:
    """Lets a test damage a closed vault and puts every file back afterwards."""
    copy = scratch / "copy-of-everything"
    shutil.copytree(folder, copy)
    try:
        yield
    finally:
        shutil.rmtree(folder)
        shutil.move(copy, folder)


def mend_hash(vault: Vault, tenant: str) -> None:
    """Make the store's multiset hash and count fit its rows again: it takes the file's key and no other."""
    thief = records_thief(vault, tenant)
    tid = bytes.fromhex(thief.path.parent.name)
    store = SqlcipherRecords(thief.path, SecretKey(bytearray(thief._key)), TenantId(tid))
    try:
        fresh = LtHash()
        for subject in store.subjects():
            for row in (subject, *store._hashed(subject.s)):
                fresh.add(item(row))
        assert fresh.digest() == store.recount()
        count = store.counted()
    finally:
        store.close()
    for row in thief.rows("meta"):
        if row["key"] == "state":
            thief.change("meta", row, value=fresh.state())
        if row["key"] == "count":
            thief.change("meta", row, value=count)
