"""Reading SQLCipher 4 files page by page, as they lie on disk, without SQLite.

A page ends with an IV of 16 bytes and an HMAC-SHA-512 of 64; the rest is AES-256-CBC under the file's raw key. The
first 16 bytes of a file are its salt. A WAL is a header of 32 bytes and frames of 24 + page size; frames that a newer
round has not overwritten yet are read too, since they lie on the disk. Source: SQLCipher's design documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.crypto.primitives import SecretKey, decrypt_cbc

PAGE_BYTES: Final = 8192
_SALT_BYTES: Final = 16
_IV_BYTES: Final = 16
_RESERVE: Final = 80  # IV and HMAC
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24


def database_pages(path: Path, key: SecretKey) -> Iterator[bytes]:
    """Every page of a database file, decrypted; OSError where it cannot be read."""
    with path.open("rb") as file:
        number = 0
        while page := file.read(PAGE_BYTES):
            number += 1
            if len(page) == PAGE_BYTES and any(page):
                yield _decrypted(page, key, first=number == 1)


def wal_frames(path: Path, key: SecretKey) -> Iterator[bytes]:
    """Every frame's page of a write-ahead log, decrypted, the stale ones too; none where there is no such file."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(_WAL_HEADER)
        while frame := file.read(_FRAME_HEADER + PAGE_BYTES):
            page = frame[_FRAME_HEADER:]
            if len(page) == PAGE_BYTES and any(page):
                yield _decrypted(page, key, first=frame[:4] == b"\x00\x00\x00\x01")


def _decrypted(page: bytes, key: SecretKey, *, first: bool) -> bytes:
    start = _SALT_BYTES if first else 0
    end = PAGE_BYTES - _RESERVE
    return decrypt_cbc(key, page[end : end + _IV_BYTES], page[start:end])
