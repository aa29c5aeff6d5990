"""The keystore on disk: its tables, its two files per epoch, and how a complete one is written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext
from vault.errors import ConfigError, DecryptionError, IntegrityViolationError
from vault.files import convert_os, write_private
from vault.keys.interface import KeyProvider
from vault.keys.sealing import ZERO
from vault.storage import Database, create_file

SCHEMA: Final = 2
TABLES: Final = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE tenants(
  tid BLOB PRIMARY KEY, ref BLOB NOT NULL UNIQUE, name BLOB NOT NULL, kek_no INTEGER NOT NULL, kek BLOB NOT NULL,
  created_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tenant_keys(
  tid BLOB NOT NULL, use TEXT NOT NULL, no INTEGER NOT NULL, current INTEGER NOT NULL, wrapped BLOB NOT NULL,
  PRIMARY KEY(tid, use, no)) WITHOUT ROWID;
CREATE TABLE subjects(
  tid BLOB NOT NULL, ref BLOB NOT NULL, sid BLOB NOT NULL, kid BLOB NOT NULL, generation INTEGER NOT NULL,
  secret BLOB NOT NULL, ident BLOB NOT NULL, PRIMARY KEY(tid, ref)) WITHOUT ROWID;
CREATE UNIQUE INDEX subjects_sid ON subjects(tid, sid);
CREATE TABLE deks(
  tid BLOB NOT NULL, sid BLOB NOT NULL, generation INTEGER NOT NULL, wrapped BLOB NOT NULL,
  PRIMARY KEY(tid, sid, generation)) WITHOUT ROWID;
CREATE TABLE tombstones(
  tid BLOB NOT NULL, kid BLOB NOT NULL, generation INTEGER NOT NULL, erase_id BLOB NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY(tid, kid, generation)) WITHOUT ROWID;
CREATE TABLE checkpoints(
  tid BLOB PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL, at_ms INTEGER NOT NULL)
  WITHOUT ROWID;
"""
# Since schema 2: rights requests and holds, further names of a subject, and subjects whose generation goes at a roll.
CASES: Final = """
CREATE TABLE cases(
  tid BLOB NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, sid BLOB, at_ms INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY(tid, id)) WITHOUT ROWID;
CREATE TABLE aliases(
  tid BLOB NOT NULL, ref BLOB NOT NULL, sid BLOB NOT NULL, ident BLOB NOT NULL, PRIMARY KEY(tid, ref)) WITHOUT ROWID;
CREATE TABLE stale(
  tid BLOB NOT NULL, sid BLOB NOT NULL, since_ms INTEGER NOT NULL, PRIMARY KEY(tid, sid)) WITHOUT ROWID;
"""


def upgrade(database: Database) -> None:
    """Bring a keystore of schema 1 to the present one; another process may have been faster."""
    with database.transaction():
        if database.one("SELECT value FROM meta WHERE key = 'schema'") == (1,):
            database.execute_script(CASES)
            database.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (SCHEMA,))


def keystore_epochs(folder: Path) -> list[int]:
    found = []
    for path in folder.glob("keystore-*.db"):
        digits = path.name[len("keystore-") : -len(".db")]
        if digits.isascii() and digits.isdigit():
            found.append(int(digits))
    return found


def key_path(folder: Path, epoch: int) -> Path:
    return folder / f"keystore-{epoch}.key"


def read_file_key(folder: Path, provider: KeyProvider, epoch: int) -> SecretKey:
    try:
        blob = key_path(folder, epoch).read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            "keystore.key_missing", "the keystore's wrapped file key is missing; restore it"
        ) from None
    except OSError as error:
        raise convert_os(error) from None
    try:
        return provider.unwrap(epoch, blob, WrapContext(ZERO, "keystore", b"", epoch))
    except DecryptionError:
        raise IntegrityViolationError(
            "keystore.key_mismatch",
            "the key does not open this keystore: one of them belongs to another vault, or was changed",
        ) from None


def write_keystore_file(
    folder: Path, provider: KeyProvider, epoch: int, rows: list[tuple[str, list[tuple[object, ...]]]]
) -> None:
    """Write a complete keystore under a temporary name with a fresh file key, then give it its name; durable."""
    key = SecretKey.random()
    write_private(
        folder / f"keystore-{epoch}.key", provider.wrap(epoch, key, WrapContext(ZERO, "keystore", b"", epoch))
    )
    try:
        create_file(folder / f"keystore-{epoch}.db", key, TABLES + CASES, rows)
    finally:
        key.close()
