"""Canonical JSON (RFC 8785) to write entries with, and strict reading of them."""

from __future__ import annotations

import json
from typing import Any, Final

import rfc8785

from vault.audit import verify
from vault.audit.verify import MAX_SAFE_INTEGER, VerificationError
from vault.errors import AuditChainError, InvalidInputError

# For flat objects of ASCII text and safe integers Python's writer gives RFC 8785's bytes: equal escapes, and
# code points sort like UTF-16 units. Everything else takes the library, which needs four times as long.
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def _plain(value: object) -> bool:
    return (type(value) is str and value.isascii()) or (
        type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
    )


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value. Raises InvalidInputError for one without (NaN, large integers)."""
    if type(value) is dict and all(
        type(key) is str and key.isascii() and _plain(item) for key, item in value.items()
    ):
        return _ENCODER.encode(value).encode("ascii")
    try:
        return bytes(rfc8785.dumps(value))
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError):
        pass
    raise InvalidInputError("audit.canonical", "the value has no canonical JSON form")


def strict_loads(data: bytes) -> dict[str, Any]:
    """Read one JSON object of one meaning: UTF-8, no repeated keys, floats, NaN or integers over 2^53 - 1.

    Raises AuditChainError.
    """
    try:
        value = verify.strict_loads(data)
    except VerificationError as error:
        raise AuditChainError("audit.entry_malformed", str(error)) from None
    if not isinstance(value, dict):
        raise AuditChainError("audit.entry_malformed", "an entry is not a JSON object")
    return value
