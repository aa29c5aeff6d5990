"""The tables of a records file, and the statements that read whole rows; docs/data-map.md names each column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from vault.storage import Database

SCHEMA: Final = 2
TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value);
CREATE TABLE subjects(
  s INTEGER PRIMARY KEY AUTOINCREMENT, sid BLOB NOT NULL UNIQUE, kid BLOB NOT NULL, next_n INTEGER NOT NULL,
  changes INTEGER NOT NULL);
CREATE TABLE memories(
  s INTEGER NOT NULL, n INTEGER NOT NULL, nonce BLOB NOT NULL, id_key INTEGER NOT NULL, version INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, expires_ms INTEGER, agent BLOB, app BLOB, run BLOB,
  body BLOB NOT NULL, PRIMARY KEY(s, n)) WITHOUT ROWID;
CREATE INDEX memories_expiry ON memories(expires_ms) WHERE expires_ms IS NOT NULL;
CREATE TABLE points(
  s INTEGER NOT NULL, n INTEGER NOT NULL, version INTEGER NOT NULL, point BLOB NOT NULL, PRIMARY KEY(s, n))
  WITHOUT ROWID;
CREATE TABLE blocks(
  s INTEGER NOT NULL, b INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(s, b)) WITHOUT ROWID;
CREATE TABLE revisions(
  s INTEGER NOT NULL, n INTEGER NOT NULL, version INTEGER NOT NULL, nonce BLOB NOT NULL, event TEXT NOT NULL,
  at_ms INTEGER NOT NULL, actor BLOB NOT NULL, body BLOB, PRIMARY KEY(s, n, version)) WITHOUT ROWID;
CREATE TABLE tokens(
  s INTEGER NOT NULL, token TEXT NOT NULL, mac BLOB NOT NULL, value BLOB NOT NULL, refs INTEGER NOT NULL,
  PRIMARY KEY(s, token)) WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_mac ON tokens(s, mac);
CREATE TABLE replays(
  mac BLOB PRIMARY KEY, digest BLOB NOT NULL, s INTEGER NOT NULL, result BLOB NOT NULL, at_ms INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE log(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL, mac BLOB NOT NULL, s INTEGER, detail BLOB);
CREATE TABLE checkpoints(size INTEGER PRIMARY KEY, note BLOB NOT NULL, frontier BLOB NOT NULL);
"""
# Since schema 2: what is about one person is found without reading what is about everybody.
INDEXES: Final = """
CREATE INDEX log_s ON log(s) WHERE s IS NOT NULL;
CREATE INDEX replays_s ON replays(s);
"""
# In schema 1 `meta` had no rowid: the 2 KB of the multiset hash, written with every change, overflowed their page.
META: Final = """
ALTER TABLE meta RENAME TO old_meta;
CREATE TABLE meta(key TEXT PRIMARY KEY, value);
INSERT INTO meta SELECT key, value FROM old_meta;
DROP TABLE old_meta;
"""
# Since schema 2: what an index kept elsewhere was told of which point, under which random id; empty without one.
PLACED: Final = """
CREATE TABLE placed(
  s INTEGER NOT NULL, n INTEGER NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, generation INTEGER NOT NULL,
  state INTEGER NOT NULL, PRIMARY KEY(s, n, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX placed_id ON placed(id);
CREATE INDEX placed_scope ON placed(s, state, generation);
CREATE INDEX placed_open ON placed(state) WHERE state <> 1;
"""
_FEW: Final = 500  # values in one statement; SQLite allows 32,766
_T = TypeVar("_T")
_COLUMNS: Final = (
    "SELECT m.s, m.n, m.nonce, m.id_key, m.version, m.created_ms, m.updated_ms, m.expires_ms, m.agent, m.app, m.run,"
    " m.body, {point} FROM memories m"
)
MEMORY: Final = (
    _COLUMNS.format(point="p.point") + " JOIN points p ON p.s = m.s AND p.n = m.n AND p.version = m.version"
)
BODY: Final = _COLUMNS.format(point="x''")
SUBJECT: Final = "SELECT s, sid, kid, next_n, changes FROM subjects"
REPLAY: Final = "SELECT mac, digest, s, result, at_ms FROM replays"


def few(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """As many at a time as one statement takes."""
    for start in range(0, len(values), _FEW):
        yield values[start : start + _FEW]


def marks(values: Sequence[object]) -> str:
    """The question marks of a list in a statement."""
    return ", ".join("?" * len(values))


def upgrade(database: Database) -> None:
    """Bring a records file of schema 1 to the present one; another process may have been faster."""
    with database.transaction():
        if database.one("SELECT value FROM meta WHERE key = 'schema'") == (1,):
            database.execute_script(META + INDEXES + PLACED)
            database.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (SCHEMA,))
