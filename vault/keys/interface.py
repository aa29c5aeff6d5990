"""What every key provider must do: wrap, unwrap, open a new epoch, destroy an old one, and say honestly how."""

from __future__ import annotations

from abc import ABC, abstractmethod

from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext
from vault.errors import KeyProviderError
from vault.types import Destruction


class KeyProvider(ABC):
    """Holds one random secret per epoch; what was wrapped under a destroyed epoch never opens again.

    The public methods check the epoch and are what callers use; adapters implement the underscored ones and raise
    KeyProviderError for everything that goes wrong on their side.
    """

    name: str

    def wrap(self, epoch: int, key: SecretKey, context: WrapContext) -> bytes:
        """Wrap `key` under the epoch; raises KeyProviderError when the epoch is not live."""
        self._require(epoch)
        return self._wrap(epoch, key, context)

    def unwrap(self, epoch: int, blob: bytes, context: WrapContext) -> SecretKey:
        """Unwrap; raises KeyProviderError for a dead epoch, DecryptionError for a wrong context or changed bytes."""
        self._require(epoch)
        return self._unwrap(epoch, blob, context)

    def destroy_epoch(self, epoch: int) -> Destruction:
        """Destroy the epoch's secret; idempotent; the state says how sure the provider can be."""
        return self._destroy(epoch)

    def _require(self, epoch: int) -> None:
        if epoch not in self.live_epochs():
            raise KeyProviderError(
                "keys.epoch_missing", "the key provider does not hold the epoch this vault needs"
            )

    @abstractmethod
    def new_epoch(self) -> int:
        """Create the next epoch's secret durably and return its number."""

    @abstractmethod
    def live_epochs(self) -> frozenset[int]:
        """The epochs whose secret exists."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Facts for `status` and `doctor`; no key material, no secret."""

    @abstractmethod
    def close(self) -> None:
        """Forget every secret held in memory."""

    @abstractmethod
    def _wrap(self, epoch: int, key: SecretKey, context: WrapContext) -> bytes: ...

    @abstractmethod
    def _unwrap(self, epoch: int, blob: bytes, context: WrapContext) -> SecretKey: ...

    @abstractmethod
    def _destroy(self, epoch: int) -> Destruction: ...
