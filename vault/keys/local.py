"""The local provider: one 0600 file per epoch, outside the vault folder, optionally wrapped by a passphrase.

`epoch-<n>.key`, first line `memvault-epoch/1 raw` followed by 32 random bytes, or
`memvault-epoch/1 argon2id m=65536,t=3,p=4 salt=<hex>` followed by the secret as PMW1 under the Argon2id key
(RFC 9106, second recommended option). Destroying a file is `asserted`: true only if no copy of it exists.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vault.crypto.primitives import SecretKey, argon2id
from vault.crypto.wrap import WrapContext, unwrap, wrap
from vault.errors import DecryptionError, KeyProviderError
from vault.files import private_folder, sync_folder, write_private
from vault.keys.interface import KeyProvider
from vault.types import Destruction

_RAW: Final = b"memvault-epoch/1 raw\n"
_DESTROYED: Final = (
    b"memvault-epoch/1 destroyed\n"  # what an overwritten file begins with until it is emptied
)
_ARGON: Final = re.compile(
    rb"memvault-epoch/1 argon2id m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,2}) salt=([0-9a-f]{32})\n"
)
_MEMORY_KIB: Final = 65_536  # RFC 9106 section 4, second recommended option
_ITERATIONS: Final = 3
_LANES: Final = 4
_NO_TENANT: Final = bytes(16)

PassphraseSource = Callable[[], bytearray]


class LocalProvider(KeyProvider):
    """Epoch secrets in files; with a passphrase source each file is useless without the passphrase."""

    name = "local"

    def __init__(self, folder: Path, passphrase: PassphraseSource | None = None) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._secrets: dict[int, SecretKey] = {}
        self._lock = threading.Lock()
        _live.add(self)

    def new_epoch(self) -> int:
        private_folder(self._folder)
        number = max(self._known(), default=0) + 1
        secret = SecretKey.random()
        write_private(self._path(number), self._encode(number, secret))
        with self._lock:
            self._secrets[number] = secret
        return number

    def live_epochs(self) -> frozenset[int]:
        filled = frozenset(number for number, size in self._files().items() if size > 0)
        if len(filled) == 1:
            return filled
        return frozenset(number for number in filled if not self._overwritten(number))

    def _overwritten(self, epoch: int) -> bool:
        """Whether a destruction was cut off between overwriting the file and emptying it."""
        try:
            with self._path(epoch).open("rb") as file:
                return file.read(len(_DESTROYED)) == _DESTROYED
        except OSError:
            return False

    def describe(self) -> dict[str, str]:
        return {
            "provider": "local key file" + (" with passphrase (Argon2id)" if self._passphrase else ""),
            "folder": str(self._folder),
            "destruction": "asserted (true only if no copy of the key file exists)",
        }

    def close(self) -> None:
        with self._lock:
            for secret in self._secrets.values():
                secret.close()
            self._secrets.clear()

    def _files(self) -> dict[int, int]:
        """Epoch number and size of each file; asked at every unwrap, so a plain directory scan."""
        found: dict[int, int] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    digits = entry.name.removeprefix("epoch-").removesuffix(".key")
                    if entry.name == f"epoch-{digits}.key" and digits.isascii() and digits.isdigit():
                        found[int(digits)] = entry.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError:
            raise KeyProviderError(
                "keys.file_unreadable", "the key folder cannot be read by this user"
            ) from None
        return found

    def _known(self) -> set[int]:
        return set(self._files())

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch}.key"

    def _encode(self, epoch: int, secret: SecretKey) -> bytes | bytearray:
        if self._passphrase is None:
            return bytearray(_RAW) + secret.buffer
        salt = os.urandom(16)
        head = f"memvault-epoch/1 argon2id m={_MEMORY_KIB},t={_ITERATIONS},p={_LANES} salt={salt.hex()}\n".encode()
        with self._derive(salt, _MEMORY_KIB, _ITERATIONS, _LANES) as key:
            return head + wrap(key, secret, _passphrase_context(epoch, head))

    def _derive(self, salt: bytes, memory_kib: int, iterations: int, lanes: int) -> SecretKey:
        if self._passphrase is None:
            raise KeyProviderError(
                "keys.passphrase_missing", "the key file needs a passphrase; set keys.passphrase"
            )
        passphrase = self._passphrase()
        try:
            return argon2id(passphrase, salt, memory_kib=memory_kib, iterations=iterations, lanes=lanes)
        finally:
            passphrase[:] = bytes(len(passphrase))

    def _secret(self, epoch: int) -> SecretKey:
        with self._lock:
            if epoch not in self._secrets:
                self._secrets[epoch] = self._load(epoch)
            return self._secrets[epoch]

    def _load(self, epoch: int) -> SecretKey:
        path = self._path(epoch)
        try:
            if path.stat().st_mode & 0o077:
                raise KeyProviderError(
                    "keys.permissions", "the key file is readable by others; it must be 0600 in a 0700 folder"
                )
            data = bytearray(path.read_bytes())
        except FileNotFoundError:
            raise KeyProviderError(
                "keys.file_missing", "the key file is missing; without it nothing opens"
            ) from None
        except OSError:
            raise KeyProviderError(
                "keys.file_unreadable", "the key file cannot be read by this user"
            ) from None
        if data.startswith(_RAW) and len(data) == len(_RAW) + 32:
            secret = SecretKey(data[len(_RAW) :])
            data[:] = bytes(len(data))
            return secret
        match = _ARGON.match(data)
        if match is None:
            raise KeyProviderError(
                "keys.file_foreign", "the key file is not one of memvault's, or is damaged"
            )
        memory_kib, iterations, lanes = (int(match[i]) for i in (1, 2, 3))
        if not (8 <= memory_kib <= 4_194_304 and 1 <= iterations <= 100 and 1 <= lanes <= 64):
            raise KeyProviderError(
                "keys.file_foreign", "the key file is not one of memvault's, or is damaged"
            )
        with self._derive(bytes.fromhex(match[4].decode()), memory_kib, iterations, lanes) as key:
            try:
                return unwrap(key, bytes(data[match.end() :]), _passphrase_context(epoch, bytes(match[0])))
            except DecryptionError:
                raise KeyProviderError(
                    "keys.passphrase_wrong", "the passphrase does not open the key file"
                ) from None

    def _wrap(self, epoch: int, key: SecretKey, context: WrapContext) -> bytes:
        return wrap(self._secret(epoch), key, context)

    def _unwrap(self, epoch: int, blob: bytes, context: WrapContext) -> SecretKey:
        return unwrap(self._secret(epoch), blob, context)

    def _destroy(self, epoch: int) -> Destruction:
        path = self._path(epoch)
        with self._lock:
            secret = self._secrets.pop(epoch, None)
        if secret is not None:
            secret.close()
        try:
            if path.exists():
                # Best effort on the medium (SSDs remap); the empty file stays, so that no number is used twice.
                with path.open("r+b") as file:
                    size = path.stat().st_size
                    file.write((_DESTROYED + os.urandom(size))[:size])
                    file.flush()
                    os.fsync(file.fileno())
                    file.truncate(0)
                    os.fsync(file.fileno())
                sync_folder(path.parent)
        except OSError:
            raise KeyProviderError("keys.destroy_failed", "the key file could not be overwritten") from None
        return Destruction(epoch, "asserted", datetime.now(UTC), "key file overwritten and emptied")


def _passphrase_context(epoch: int, head: bytes) -> WrapContext:
    """The header is bound, so that a weakened cost parameter does not open."""
    return WrapContext(tenant=_NO_TENANT, level="passphrase", id=head, epoch=epoch)


_live: weakref.WeakSet[LocalProvider] = weakref.WeakSet()


def _wipe_in_child() -> None:
    for provider in list(_live):
        provider._lock = threading.Lock()  # noqa: SLF001 - the parent's thread may have held it
        provider.close()


os.register_at_fork(after_in_child=_wipe_in_child)
