"""The only importer of `cryptography` in the vault, beside the stand-alone `audit/verify.py`.

Key bytes live in `bytearray` inside `SecretKey` and are wiped on close. That is best effort: CPython and
OpenSSL may hold copies for the length of a call, and the process can be paused or swapped out at any time.
"""

from __future__ import annotations

import ctypes
import hmac
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, NoReturn, Self

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from vault.errors import DecryptionError, IntegrityViolationError, InvalidInputError, KeyProviderError

KEY_BYTES: Final = 32
SALT_BYTES: Final = 24  # C2SP chunked-encryption: random, so 2^55 messages a key
COMMITMENT_BYTES: Final = 32
CHUNK_BYTES: Final = 16 * 1024
TAG_BYTES: Final = 16
NONCE_BYTES: Final = 12
HEADER_BYTES: Final = SALT_BYTES + COMMITMENT_BYTES
MIN_SEALED_BYTES: Final = HEADER_BYTES + TAG_BYTES  # an empty message

_SEALED_CHUNK_BYTES: Final = CHUNK_BYTES + TAG_BYTES
_OKM_BYTES: Final = KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES  # with AES-256
_DEK_LABEL: Final = b"pmv/dek/v1\x00"
_SHA256: Final = hashes.SHA256()
_SHA512: Final = hashes.SHA512()
_URANDOM: Final = Path("/dev/urandom")


def wipe(buffer: bytearray) -> None:
    """Overwrite `buffer` with zeros in place; its length stays."""
    size = len(buffer)
    if size:
        ctypes.memset((ctypes.c_char * size).from_buffer(buffer), 0, size)


def _random_into(buffer: bytearray) -> None:
    os.urandom(1)  # blocks until the kernel's generator is seeded, which reading the device does not
    try:
        with _URANDOM.open("rb", buffering=0) as source:
            if source.readinto(buffer) == len(buffer):
                return
    except FileNotFoundError:
        pass
    buffer[:] = os.urandom(len(buffer))  # no such device (Windows): one short-lived copy in `bytes`


class SecretKey:
    """Key bytes that are wiped on close and never shown, pickled, copied or hashed.

    Takes ownership of `buffer`. Equality is constant time.
    """

    __slots__ = ("_buffer", "_closed")

    def __init__(self, buffer: bytearray) -> None:
        if not isinstance(buffer, bytearray):
            raise TypeError("a key is a bytearray, so that it can be wiped")
        self._closed = False
        self._buffer = buffer

    @classmethod
    def random(cls, size: int = KEY_BYTES) -> SecretKey:
        """A fresh key of `size` bytes from the operating system, read straight into wipeable memory."""
        buffer = bytearray(size)
        _random_into(buffer)
        return cls(buffer)

    @property
    def buffer(self) -> bytearray:
        """The key bytes, not a copy. Raises KeyProviderError once closed."""
        self.require_open()
        return self._buffer

    @property
    def closed(self) -> bool:
        return self._closed

    def require_open(self) -> None:
        """Raise KeyProviderError if the key is closed.

        Called again after the bytes were used: another thread may have closed the key in between, and what
        was computed then may come from zeros.
        """
        if self._closed:
            raise KeyProviderError("key.closed", "the key was closed while it was needed; try again")

    def close(self) -> None:
        """Wipe the bytes; every later use raises. Idempotent."""
        self._closed = True  # before wiping, so that a key still open after its use was whole during it
        wipe(self._buffer)

    @classmethod
    def taken(cls, plain: bytes) -> SecretKey:
        """Key bytes that a driver could only return as `bytes`, which are overwritten in place.

        The caller must hold the only reference; raises ValueError where the interpreter shares the object.
        """
        # The caller's name for it, this call's, and the count's own: one more is somebody else's.
        if sys.getrefcount(plain) > 3 and len(plain) > 1:
            raise ValueError("these bytes are shared, and cannot be overwritten")
        buffer = bytearray(plain)
        # CPython keeps the bytes of an object behind its header, and has one object for every single byte.
        if sys.implementation.name == "cpython" and len(plain) > 1:
            ctypes.memset(id(plain) + bytes.__basicsize__ - 1, 0, len(plain))
        return cls(buffer)

    def derive(self, use: str, length: int = KEY_BYTES) -> SecretKey:
        """The sub-key for one `use`: HKDF-Expand-SHA512(key, "pmv/dek/v1" 00 use, length)."""
        return SecretKey(hkdf_expand_sha512(self, _DEK_LABEL + use.encode("ascii"), length))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._buffer)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretKey):
            return NotImplemented
        return hmac.compare_digest(self.buffer, other.buffer)

    __hash__ = None  # type: ignore[assignment]  # a hash of key bytes would outlive them

    def __repr__(self) -> str:
        return "SecretKey(<hidden>)"

    def __str__(self) -> NoReturn:
        raise TypeError("a key has no text form")

    def __bytes__(self) -> NoReturn:
        raise TypeError("key bytes stay in wipeable memory")

    def __reduce_ex__(self, protocol: object, /) -> NoReturn:  # pickle, copy and deepcopy come here
        raise TypeError("a key is neither pickled nor copied")

    def __del__(self) -> None:
        # Two references are this object's and the call's own. A third is a caller that took `.buffer` from a
        # temporary: wiping that would hand it a key of zeros.
        if hasattr(self, "_buffer") and sys.getrefcount(self._buffer) <= 2:
            self._buffer[:] = bytes(len(self._buffer))  # at interpreter exit ctypes may be gone already


def hkdf_expand_sha512(key: SecretKey | bytearray, info: bytes, length: int) -> bytearray:
    """HKDF-Expand with SHA-512 (RFC 5869 section 2.3) into wipeable memory; `length` at most 16320 bytes."""
    out = bytearray(length)
    if isinstance(key, bytearray):
        HKDFExpand(_SHA512, length, info).derive_into(key, out)
        return out
    HKDFExpand(_SHA512, length, info).derive_into(key.buffer, out)
    key.require_open()
    return out


def length_prefixed(parts: Iterable[bytes]) -> bytes:
    """Concatenate `parts`, each behind its length as u32be: no two lists encode alike."""
    return b"".join([piece for part in parts for piece in (len(part).to_bytes(4, "big"), part)])


def hmac_sha256(key: SecretKey, *parts: bytes) -> bytes:
    """HMAC-SHA256 over length-prefixed `parts`, so that ("ab", "c") and ("a", "bc") differ."""
    return mac_sha256_raw(key, length_prefixed(parts))


def hmac_sha256_each(key: SecretKey, first: bytes, seconds: Iterable[bytes]) -> list[bytes]:
    """`hmac_sha256(key, first, second)` for each of `seconds`, in the order given."""
    keyed = HMAC(key.buffer, _SHA256)
    keyed.update(length_prefixed((first,)))
    key.require_open()
    tags = []
    for second in seconds:
        one = keyed.copy()
        one.update(len(second).to_bytes(4, "big") + second)
        tags.append(one.finalize())
    return tags


def mac_sha256_raw(key: SecretKey, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of `data` as it stands."""
    tag = hmac.digest(key.buffer, data, "sha256")
    key.require_open()
    return tag


@dataclass(frozen=True, slots=True)
class ChunkedSuite:
    """An instantiation of C2SP chunked-encryption: its KDF label with the 00 behind it, its key length."""

    label: bytes
    key_bytes: int


AES_256_GCM: Final = ChunkedSuite(b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00", 32)
AES_128_GCM: Final = ChunkedSuite(b"c2sp.org/chunked-encryption@v1+AEAD_AES_128_GCM\x00", 16)


def _message_keys(
    key: SecretKey | bytearray, suite: ChunkedSuite, salt: bytes, context: bytes
) -> tuple[bytearray, int, bytes]:
    """The message's key, which the caller wipes, its base nonce (as an integer) and its commitment."""
    size = suite.key_bytes
    okm = hkdf_expand_sha512(key, suite.label + salt + context, size + NONCE_BYTES + COMMITMENT_BYTES)
    message_key, base = okm[:size], int.from_bytes(okm[size : size + NONCE_BYTES], "big")
    okm[:size] = bytes(size)
    return message_key, base, bytes(okm[size + NONCE_BYTES :])


def chunked_seal(
    key: SecretKey | bytearray,
    context: bytes,
    plaintext: bytes | bytearray,
    *,
    salt: bytes | None = None,
    suite: ChunkedSuite = AES_256_GCM,
) -> bytes:
    """Seal `plaintext` with C2SP chunked-encryption: salt(24) commitment(32) chunks.

    `salt` is for test vectors only: under one key and context it must never repeat. Raises InvalidInputError
    for a key or salt of the wrong length.
    """
    if len(key) != suite.key_bytes:
        raise InvalidInputError("crypto.key_length", "the key has the wrong length for its suite")
    if salt is None:
        salt = os.urandom(SALT_BYTES)
    elif len(salt) != SALT_BYTES:
        raise InvalidInputError("crypto.salt_length", "the salt has the wrong length")
    message_key, base, commitment = _message_keys(key, suite, salt, context)
    cipher = AESGCM(message_key)
    pieces = [salt, commitment]
    if len(plaintext) < CHUNK_BYTES:
        pieces.append(cipher.encrypt(base.to_bytes(NONCE_BYTES, "big"), plaintext, None))
    else:
        view = memoryview(plaintext)
        # The last chunk is always short, so a message of whole chunks ends with an empty one.
        for index in range(len(plaintext) // CHUNK_BYTES + 1):
            chunk = view[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
            pieces.append(cipher.encrypt((base ^ index).to_bytes(NONCE_BYTES, "big"), chunk, None))
    # Only now: with some OpenSSL versions AESGCM reads the buffer at its first use, not when it is made. An
    # assignment of equal length overwrites in place, at a tenth of the cost of `wipe`.
    message_key[:] = bytes(suite.key_bytes)
    return b"".join(pieces)


def _opened_key(
    key: SecretKey | bytearray, context: bytes, sealed: bytes, suite: ChunkedSuite
) -> tuple[bytearray, int]:
    """Check lengths and the commitment, before any AES; the message's key and base nonce."""
    body = max(0, len(sealed) - HEADER_BYTES)
    # The last chunk is short and has a tag; a remainder of 0 means that it was cut off.
    if len(key) != suite.key_bytes or body % _SEALED_CHUNK_BYTES < TAG_BYTES:
        raise unreadable()
    message_key, base, commitment = _message_keys(key, suite, sealed[:SALT_BYTES], context)
    if not hmac.compare_digest(commitment, sealed[SALT_BYTES:HEADER_BYTES]):
        raise unreadable()
    return message_key, base


def chunked_open(
    key: SecretKey | bytearray, context: bytes, sealed: bytes, *, suite: ChunkedSuite = AES_256_GCM
) -> bytes:
    """Open what `chunked_seal` made. Raises DecryptionError, the same for every cause."""
    message_key, base = _opened_key(key, context, sealed, suite)
    cipher = AESGCM(message_key)
    try:
        if len(sealed) < HEADER_BYTES + _SEALED_CHUNK_BYTES:
            return cipher.decrypt(base.to_bytes(NONCE_BYTES, "big"), sealed[HEADER_BYTES:], None)
        view = memoryview(sealed)[HEADER_BYTES:]
        chunks = []
        for index in range(len(view) // _SEALED_CHUNK_BYTES + 1):
            chunk = view[index * _SEALED_CHUNK_BYTES : (index + 1) * _SEALED_CHUNK_BYTES]
            chunks.append(cipher.decrypt((base ^ index).to_bytes(NONCE_BYTES, "big"), chunk, None))
        return b"".join(chunks)
    except InvalidTag:
        pass
    finally:
        message_key[:] = bytes(suite.key_bytes)
    raise unreadable()


class ShortOpener:
    """`chunked_open` for many one-chunk messages under one AES-256 key: a cold search opens hundreds of them."""

    __slots__ = ("_buffer", "_key")

    def __init__(self, key: SecretKey) -> None:
        """Raises DecryptionError for a key of another length."""
        if len(key) != KEY_BYTES:
            raise unreadable()
        self._key = key
        self._buffer = key.buffer

    def open(self, context: bytes, sealed: bytes) -> bytes:
        """Open one message, of any length. Raises DecryptionError, the same for every cause."""
        if not MIN_SEALED_BYTES <= len(sealed) < HEADER_BYTES + _SEALED_CHUNK_BYTES:
            return chunked_open(self._key, context, sealed)
        okm = bytearray(_OKM_BYTES)
        info = b"".join((AES_256_GCM.label, sealed[:SALT_BYTES], context))
        HKDFExpand(_SHA512, _OKM_BYTES, info).derive_into(self._buffer, okm)
        self._key.require_open()
        message_key = okm[:KEY_BYTES]
        try:
            if hmac.compare_digest(okm[KEY_BYTES + NONCE_BYTES :], sealed[SALT_BYTES:HEADER_BYTES]):
                nonce = bytes(okm[KEY_BYTES : KEY_BYTES + NONCE_BYTES])
                return AESGCM(message_key).decrypt(nonce, sealed[HEADER_BYTES:], None)
        except InvalidTag:
            pass
        finally:
            message_key[:] = okm[:KEY_BYTES] = bytes(KEY_BYTES)
        raise unreadable()


def chunked_open_key(key: SecretKey, context: bytes, sealed: bytes) -> SecretKey:
    """Open a sealed key into wipeable memory (one chunk, AES-256). Raises DecryptionError."""
    if len(sealed) >= HEADER_BYTES + _SEALED_CHUNK_BYTES:
        raise unreadable()
    message_key, base = _opened_key(key, context, sealed, AES_256_GCM)
    out = bytearray(len(sealed) - MIN_SEALED_BYTES)
    try:
        nonce = base.to_bytes(NONCE_BYTES, "big")
        AESGCM(message_key).decrypt_into(nonce, sealed[HEADER_BYTES:], None, out)
        return SecretKey(out)
    except InvalidTag:
        pass
    finally:
        message_key[:] = bytes(KEY_BYTES)
    raise unreadable()


def unreadable() -> DecryptionError:
    """The one error of every failed opening; raised outside handlers, so that no cause is chained to it."""
    return DecryptionError("record.unreadable", "sealed bytes did not open")


class BlockCipher256:
    """AES-256 on single 16-byte blocks (FIPS 197): a keyed permutation, for blocks that never repeat."""

    __slots__ = ("_decryptor", "_encryptor", "_lock")

    def __init__(self, key: SecretKey) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidInputError("crypto.key_length", "the key has the wrong length for its suite")
        schedule_key = key.buffer[
            :
        ]  # a copy to wipe: the contexts below hold on to the buffer they are given
        key.require_open()
        # ECB over one block is the permutation itself; nothing longer is ever passed.
        cipher = Cipher(algorithms.AES256(schedule_key), modes.ECB())  # noqa: S305
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()
        self._lock = Lock()
        wipe(schedule_key)

    def encrypt_block(self, block: bytes) -> bytes:
        """Map one 16-byte block. Raises InvalidInputError for any other length."""
        if len(block) != 16:
            raise InvalidInputError("crypto.block_length", "a block is 16 bytes")
        with self._lock:
            return self._encryptor.update(block)

    def decrypt_block(self, block: bytes) -> bytes:
        """The inverse of `encrypt_block`."""
        if len(block) != 16:
            raise InvalidInputError("crypto.block_length", "a block is 16 bytes")
        with self._lock:
            return self._decryptor.update(block)


def decrypt_cbc(key: SecretKey, iv: bytes, data: bytes) -> bytes:
    """AES-256-CBC without padding (NIST SP 800-38A), to read a SQLCipher page as it lies there; nothing is verified."""
    copy = key.buffer[:]
    try:
        decryptor = Cipher(algorithms.AES256(copy), modes.CBC(iv)).decryptor()
        plain = decryptor.update(data) + decryptor.finalize()
    finally:
        wipe(copy)
    key.require_open()
    return plain


class SigningKey:
    """An Ed25519 signing key (RFC 8032)."""

    __slots__ = ("_private", "_public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> SigningKey:
        """A fresh key that cannot be stored; to keep one, keep a random seed and use `from_seed`."""
        with SecretKey.random() as seed:
            return cls.from_seed(seed)

    @classmethod
    def from_seed(cls, seed: SecretKey) -> SigningKey:
        """The key of a 32-byte seed; the seed stays the caller's to close."""
        if len(seed) != KEY_BYTES:
            raise InvalidInputError("crypto.key_length", "an Ed25519 seed is 32 bytes")
        private = Ed25519PrivateKey.from_private_bytes(seed.buffer)
        seed.require_open()
        return cls(private)

    def public_bytes(self) -> bytes:
        """The 32-byte public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return "SigningKey(<hidden>)"

    def __reduce_ex__(self, protocol: object, /) -> NoReturn:
        raise TypeError("a key is neither pickled nor copied")


def verify_ed25519(public: bytes, signature: bytes, message: bytes) -> None:
    """Check an Ed25519 signature. Raises IntegrityViolationError."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        pass
    else:
        return
    raise IntegrityViolationError("signature.invalid", "a signature does not verify")


def argon2id(
    passphrase: bytearray, salt: bytes, *, memory_kib: int = 65536, iterations: int = 3, lanes: int = 4
) -> SecretKey:
    """A 32-byte key from a passphrase: Argon2id, by default RFC 9106's second recommended option (64 MiB).

    Raises InvalidInputError for parameters out of range, KeyProviderError where memory or OpenSSL fall short.
    """
    out = bytearray(KEY_BYTES)
    try:
        kdf = Argon2id(
            salt=salt, length=KEY_BYTES, iterations=iterations, lanes=lanes, memory_cost=memory_kib
        )
    except ValueError:
        kdf = None
    except UnsupportedAlgorithm:
        raise KeyProviderError("key.argon2_missing", "this OpenSSL has no Argon2id") from None
    if kdf is None:
        raise InvalidInputError("crypto.argon2_parameters", "Argon2id parameters are out of range")
    try:
        kdf.derive_into(passphrase, out)  # type: ignore[arg-type]  # buffers are accepted; the stub says bytes
    except MemoryError:
        raise KeyProviderError("key.argon2_memory", "not enough memory for Argon2id") from None
    return SecretKey(out)
