"""The installed SQLCipher reads SQLCipher 4's own test database, and nothing without the passphrase."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2
from vector_files import THIRD_PARTY


def open_copy(folder: Path, passphrase: bytes) -> dbapi2.Connection:
    path = folder / "copy.db"
    shutil.copyfile(THIRD_PARTY / "sqlcipher" / "sqlcipher-4.0-testkey.db", path)
    connection = dbapi2.connect(path)
    connection.set_key(passphrase)
    return connection


def test_sqlcipher_4_database_opens(tmp_path: Path) -> None:
    with closing(open_copy(tmp_path, b"testkey")) as connection:
        assert connection.execute("SELECT count(*) FROM t1").fetchone() == (78536,)


def test_sqlcipher_4_database_stays_shut_under_another_passphrase(tmp_path: Path) -> None:
    with (
        closing(open_copy(tmp_path, b"testkez")) as connection,
        pytest.raises(dbapi2.DatabaseError, match="not a database"),
    ):
        connection.execute("SELECT count(*) FROM t1")
