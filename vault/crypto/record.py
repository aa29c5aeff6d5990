"""Sealed records, format PMV1: what a stored value looks like (docs/format.md has the bytes and vectors).

    0 4 "PMV1" | 4 1 suite=01 | 5 1 flags=00 | 6 16 kid | 22 4 generation u32be
    26 24 salt | 50 32 commitment | 82.. chunks

The context binds a record to its format, key, tenant, subject, id, version, use and schema; none of it but
the header is stored here, so a blob moved to another row, subject, tenant, version or use does not open.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vault.crypto.primitives import (
    MIN_SEALED_BYTES,
    SecretKey,
    ShortOpener,
    chunked_open,
    chunked_seal,
    unreadable,
)
from vault.errors import InvalidInputError

MAGIC: Final = b"PMV1"
SUITE: Final = 1  # C2SP chunked-encryption, AES-256-GCM
HEADER_BYTES: Final = 26  # up to the salt; salt and commitment follow, 82 bytes before the first chunk
ID_BYTES: Final = 16
MAX_DATA: Final = 16 * 1024 * 1024

_PREFIX: Final = MAGIC + bytes((SUITE, 0))
_LABEL: Final = b"pmv/record/v1"
_LABEL_FIELD: Final = struct.pack(">I", len(_LABEL)) + _LABEL + struct.pack(">I", HEADER_BYTES)
_LENGTH: Final = struct.Struct(">I")
_ID_LENGTH: Final = _LENGTH.pack(ID_BYTES)
_VERSION: Final = struct.Struct(">IQI")  # length 8, version, length of use
_SCHEMA: Final = struct.Struct(">IH")  # length 2, schema


@dataclass(frozen=True, slots=True)
class Header:
    """The clear part of a sealed record: which key opens it."""

    kid: bytes
    generation: int


@dataclass(frozen=True, slots=True)
class RecordContext:
    """What a record is bound to: tenant and sid of 16 bytes, row id, version (u64), key use, schema (u16)."""

    tenant: bytes
    sid: bytes
    record_id: bytes
    version: int
    use: str
    schema: int = 1


def _encode(header: bytes, ctx: RecordContext) -> bytes:
    """The context bytes: every field behind its length as u32be; an unfit field raises InvalidInputError."""
    if len(ctx.tenant) != ID_BYTES or len(ctx.sid) != ID_BYTES:
        raise InvalidInputError("crypto.context", "tenant and sid are 16 bytes")
    try:
        use = ctx.use.encode("ascii")
        version = _VERSION.pack(8, ctx.version, len(use))
        schema = _SCHEMA.pack(2, ctx.schema)
    except (struct.error, UnicodeEncodeError):
        pass
    else:
        return b"".join(
            (
                *(_LABEL_FIELD, header, _ID_LENGTH, ctx.tenant, _ID_LENGTH, ctx.sid),
                *(_LENGTH.pack(len(ctx.record_id)), ctx.record_id, version, use, schema),
            )
        )
    raise InvalidInputError("crypto.context", "version is a u64, schema a u16, use ASCII")


@lru_cache(maxsize=4096)
def padme(size: int) -> int:
    """The Padmé length for `size` bytes: at most 12 % more (Nikitin et al., PETS 2019, "PURBs")."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


def seal(key: SecretKey, kid: bytes, generation: int, ctx: RecordContext, data: bytes) -> bytes:
    """Seal `data` (at most MAX_DATA bytes) under a key already derived for `ctx.use`.

    Raises InvalidInputError for data that is too long, or a kid, generation or context out of range.
    """
    size = len(data)
    if size > MAX_DATA:
        raise InvalidInputError("record.too_large", "the value is larger than a record may be")
    if len(kid) != ID_BYTES or not 0 <= generation < 1 << 32:
        raise InvalidInputError("crypto.header", "kid is 16 bytes, generation a u32")
    header = b"".join((_PREFIX, kid, _LENGTH.pack(generation)))
    padding = padme(size + 4) - size - 4
    plaintext = b"".join((_LENGTH.pack(size), data, bytes(padding)))
    return header + chunked_seal(key, _encode(header, ctx), plaintext)


def open_(key: SecretKey, blob: bytes, ctx: RecordContext) -> bytes:
    """Open a sealed record with the key its header names and the context it was sealed under.

    Raises DecryptionError, the same for every cause; no other key is tried.
    """
    if len(blob) < HEADER_BYTES + MIN_SEALED_BYTES or not blob.startswith(_PREFIX):
        raise unreadable()
    return _data(chunked_open(key, _encode(blob[:HEADER_BYTES], ctx), blob[HEADER_BYTES:]))


class Opener:
    """Opens many records of one key, subject, use and generation: what they share is encoded once."""

    __slots__ = ("_after", "_before", "_header", "_messages", "_use_length")

    def __init__(self, key: SecretKey, header: Header, ctx: RecordContext) -> None:
        """`ctx` gives tenant, sid, use and schema; its record id and version are not looked at."""
        self._messages = ShortOpener(key)
        self._header = b"".join((_PREFIX, header.kid, _LENGTH.pack(header.generation)))
        encoded = _encode(self._header, ctx)
        use = ctx.use.encode("ascii")
        self._before = encoded[: len(_LABEL_FIELD) + HEADER_BYTES + 2 * (4 + ID_BYTES)]
        self._after = encoded[len(encoded) - _SCHEMA.size - len(use) :]
        self._use_length = len(use)

    def open(self, blob: bytes, record_id: bytes, version: int) -> bytes:
        """The data of one record, as `open_` does it. Raises DecryptionError."""
        if len(blob) < HEADER_BYTES + MIN_SEALED_BYTES or not blob.startswith(self._header):
            raise unreadable()
        context = b"".join(
            (
                self._before,
                _LENGTH.pack(len(record_id)),
                record_id,
                _VERSION.pack(8, version, self._use_length),
                self._after,
            )
        )
        return _data(self._messages.open(context, blob[HEADER_BYTES:]))


def _data(plaintext: bytes) -> bytes:
    """What the padding surrounds. One encoding per value: the length must be the Padme length, the padding zero."""
    if len(plaintext) < 4:
        raise unreadable()
    end = _LENGTH.unpack_from(plaintext)[0] + 4
    if len(plaintext) != padme(end) or plaintext.count(0, end) != len(plaintext) - end:
        raise unreadable()
    return plaintext[4:end]


def stub(blob: bytes) -> bytes:
    """What stays of a sealed record whose key was destroyed, where a row must say that there was one: its header."""
    return blob[:HEADER_BYTES]


def read_stub(blob: bytes) -> Header | None:
    """Which key would have opened what a stub is left of; None for anything that is no stub."""
    if len(blob) != HEADER_BYTES or not blob.startswith(_PREFIX):
        return None
    return Header(blob[6:22], int(_LENGTH.unpack_from(blob, 22)[0]))


def read_header(blob: bytes) -> Header:
    """Which key opens `blob`; nothing is authenticated before `open_`. Raises DecryptionError if not PMV1."""
    if len(blob) < HEADER_BYTES + MIN_SEALED_BYTES or not blob.startswith(_PREFIX):
        raise unreadable()
    return Header(blob[6:22], int(_LENGTH.unpack_from(blob, 22)[0]))
