"""Identifiers under a local key, so that events of one vault can be told apart and nobody can guess back who it is.

HMAC-SHA256 (RFC 2104, FIPS 198-1) under a key of the vault's keystore, bound to the kind of identifier: equal ids of
two kinds, of two vaults, or from before and after a rotation of the key share nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Final

from vault.crypto.primitives import SecretKey, hmac_sha256
from vault.errors import VaultError
from vault.observe.events import Pseudo

_DOMAIN: Final = b"memvault/observe/pseudonym/v1"


class Kind(Enum):
    """What an identifier names."""

    TENANT = "tenant"
    PRINCIPAL = "principal"


class Pseudonyms:
    """Makes pseudonyms under one key of 32 bytes; whoever holds the key rotates it."""

    def __init__(self, key: SecretKey) -> None:
        self._key = key

    def of(self, kind: Kind, identifier: str) -> Pseudo:
        """The pseudonym of `identifier` as a `kind`."""
        return Pseudo(hmac_sha256(self._key, _DOMAIN, kind.value.encode(), identifier.encode()))


_MOST_KNOWN: Final = 4_096
_DAY_S: Final = 86_400
_RETRY_S: Final = 60.0


class Names:
    """Stand-ins of tenants under a key derived from the keystore's, which is nowhere in clear.

    The key is another one after so many `days` and with each epoch, and every process of the vault has the same. With
    the epoch's root key it is gone: what was said under it can be linked to no tenant by anybody.
    """

    def __init__(self, source: Callable[[], SecretKey], epoch: Callable[[], int], *, days: int) -> None:
        self._source = source
        self._epoch = epoch
        self._days = days
        self._lock = threading.Lock()
        self._key: SecretKey | None = None
        self._of: tuple[int, int] | None = None
        self._known: dict[str, Pseudo] = {}
        self._not_before = 0.0

    def prepare(self) -> None:
        """Derive the key of this epoch and period where it is not there yet; a keystore that fails is left alone."""
        wanted = self._epoch(), int(time.time()) // (self._days * _DAY_S)
        if wanted == self._of or time.monotonic() < self._not_before:
            return
        with self._lock:
            self._drop()
            try:
                with self._source() as root:
                    self._key = root.derive(f"observe/{self._days}/{wanted[1]}")
            except VaultError:
                self._not_before = time.monotonic() + _RETRY_S
            else:
                self._of = wanted

    def tenant(self, name: str) -> Pseudo | None:
        """The stand-in of a tenant; None where there is no key."""
        known = self._known.get(name)
        if known is not None:
            return known
        with self._lock:
            if self._key is None:
                return None
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            made = self._known[name] = Pseudonyms(self._key).of(Kind.TENANT, name)
        return made

    def _drop(self) -> None:
        self._known.clear()
        self._of = None
        if self._key is not None:
            self._key.close()
            self._key = None

    def close(self) -> None:
        """Wipe the key."""
        with self._lock:
            self._drop()
