"""Identifiers under a local key, so that events of one vault can be told apart and nobody can guess back who it is.

HMAC-SHA256 (RFC 2104, FIPS 198-1) under a random key of this installation, bound to the kind of identifier: equal ids
of two kinds, of two vaults, or from before and after a rotation of the key share nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from vault.crypto.primitives import SecretKey, hmac_sha256
from vault.observe.events import Pseudo

_DOMAIN: Final = b"memvault/observe/pseudonym/v1"


class Kind(Enum):
    """What an identifier names."""

    TENANT = "tenant"
    PRINCIPAL = "principal"
    MEMORY = "memory"
    REQUEST = "request"


class Pseudonyms:
    """Makes pseudonyms under one key of 32 bytes; whoever holds the key rotates it."""

    def __init__(self, key: SecretKey) -> None:
        self._key = key

    def of(self, kind: Kind, identifier: str) -> Pseudo:
        """The pseudonym of `identifier` as a `kind`."""
        return Pseudo(hmac_sha256(self._key, _DOMAIN, kind.value.encode(), identifier.encode()))
