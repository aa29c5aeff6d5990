"""An independent reader of SQLCipher 4 files, written from the format description, sharing no code with the vault.

Page = ciphertext || IV (16) || HMAC-SHA512 (64) over ciphertext || IV || page number (u32 little-endian); the first 16
bytes of page 1 are the salt. HMAC key = PBKDF2-SHA512(key, salt XOR 0x3a.., 2 rounds, 32 bytes). A WAL is a 32-byte
header and frames of 24-byte header (page number u32 big-endian first) and page.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

RESERVED = 80
PAGE = 8192


class PageError(Exception):
    """A page whose HMAC does not match."""


class PageReader:
    """Decrypts every page and WAL frame of one file under its raw key."""

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._key = key
        self._data = path.read_bytes()
        self._salt = self._data[:16]
        masked = bytes(byte ^ 0x3A for byte in self._salt)
        self._mac_key = hashlib.pbkdf2_hmac("sha512", key, masked, 2, 32)

    def _open(self, number: int, raw: bytes) -> bytes:
        body = raw[16:] if number == 1 else raw
        cipher, iv, mac = body[:-RESERVED], body[-RESERVED : -RESERVED + 16], body[-64:]
        expected = hmac.digest(self._mac_key, cipher + iv + number.to_bytes(4, "little"), "sha512")
        if not hmac.compare_digest(expected, mac):
            raise PageError(f"page {number}")
        decryptor = Cipher(algorithms.AES(self._key), modes.CBC(iv)).decryptor()
        return decryptor.update(cipher) + decryptor.finalize()

    def pages(self) -> Iterator[bytes]:
        for offset in range(0, len(self._data), PAGE):
            raw = self._data[offset : offset + PAGE]
            if len(raw) == PAGE:
                yield self._open(offset // PAGE + 1, raw)

    def frames(self) -> Iterator[bytes]:
        """Every frame of the WAL, also those before a reset (stale salts) if they decrypt."""
        wal = self.path.with_name(self.path.name + "-wal")
        data = wal.read_bytes() if wal.exists() else b""
        for offset in range(32, len(data) - PAGE - 23, PAGE + 24):
            number = int.from_bytes(data[offset : offset + 4], "big")
            yield self._open(number, data[offset + 24 : offset + 24 + PAGE])

    def everything(self) -> Iterator[bytes]:
        yield from self.pages()
        yield from self.frames()


def vault_keys(vault: object) -> dict[Path, bytes]:
    """The raw file key of every database of an open vault: what a thief with all keys would have."""
    from vault.keys.layout import read_file_key

    stages = vault._opened()  # type: ignore[attr-defined]
    folder = vault.folder  # type: ignore[attr-defined]
    found = {}
    epoch = stages.keystore.epoch
    found[folder / "keystore" / f"keystore-{epoch}.db"] = bytes(
        read_file_key(folder / "keystore", stages.provider, epoch).buffer
    )
    for name, tid, _ in stages.keystore.tenant_names():
        path = folder / "tenants" / tid.hex() / "records.db"
        if path.exists():
            tenant = stages.keystore.tenant(name)
            found[path] = bytes(tenant.key("records").buffer)
    return found


def decrypted(vault: object) -> bytes:
    """Every decrypted page and frame of a vault, joined."""
    return b"\n".join(
        b"\n".join(PageReader(path, key).everything()) for path, key in vault_keys(vault).items()
    )
