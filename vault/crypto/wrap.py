"""Wrapped keys, format PMW1: one key sealed under another (docs/format.md has the bytes and vectors).

    0 4 "PMW1" | 4 1 suite=01 | 5 1 flags=00 | 6 24 salt | 30 32 commitment | 62 key | .. 16 tag

Bound to tenant, level, id and epoch: a wrap moved elsewhere, or kept from an older epoch, does not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vault.crypto.primitives import (
    MIN_SEALED_BYTES,
    SecretKey,
    chunked_open_key,
    chunked_seal,
    length_prefixed,
    unreadable,
)
from vault.errors import InvalidInputError

MAGIC: Final = b"PMW1"
SUITE: Final = 1  # C2SP chunked-encryption, AES-256-GCM
HEADER_BYTES: Final = 6
MAX_KEY_BYTES: Final = 1024

_HEADER: Final = MAGIC + bytes((SUITE, 0))
_LABEL: Final = b"pmv/wrap/v1"


@dataclass(frozen=True, slots=True)
class WrapContext:
    """Where a wrapped key belongs: tenant (16 bytes), level of the key tree, id at that level, epoch u64."""

    tenant: bytes
    level: str
    id: bytes
    epoch: int


def context_bytes(ctx: WrapContext, *, label: bytes = _LABEL, header: bytes = _HEADER) -> bytes:
    """What a wrap is bound to: label, header and every field behind its length as u32be.

    A provider with a format of its own has its own label and header. Raises InvalidInputError for an unfit field.
    """
    if len(ctx.tenant) != 16 or not 0 <= ctx.epoch < 1 << 64 or not ctx.level.isascii():
        raise InvalidInputError("crypto.context", "tenant is 16 bytes, epoch a u64, level ASCII")
    epoch = ctx.epoch.to_bytes(8, "big")
    return length_prefixed((label, header, ctx.tenant, ctx.level.encode("ascii"), ctx.id, epoch))


def check_length(plaintext: SecretKey) -> None:
    """Raise InvalidInputError for a key that is empty or longer than any wrap holds."""
    if not 0 < len(plaintext) <= MAX_KEY_BYTES:
        raise InvalidInputError("crypto.key_length", "a wrapped key has 1 to 1024 bytes")


def wrap(key: SecretKey, plaintext: SecretKey, ctx: WrapContext) -> bytes:
    """Seal the key `plaintext` under `key`; both stay the caller's to close.

    Raises InvalidInputError for a context out of range or an empty or overlong key.
    """
    check_length(plaintext)
    sealed = chunked_seal(key, context_bytes(ctx), plaintext.buffer)
    plaintext.require_open()
    return _HEADER + sealed


def unwrap(key: SecretKey, wrapped: bytes, ctx: WrapContext) -> SecretKey:
    """Open a wrapped key into wipeable memory. Raises DecryptionError, the same for every cause."""
    size = len(wrapped) - HEADER_BYTES - MIN_SEALED_BYTES
    if not 0 < size <= MAX_KEY_BYTES or not wrapped.startswith(_HEADER):
        raise unreadable()
    return chunked_open_key(key, context_bytes(ctx), wrapped[HEADER_BYTES:])
