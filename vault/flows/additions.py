"""Memories on their way in: validated, and then detected and embedded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vault.flows.redact import Draft, Material
from vault.index.interface import FloatVector
from vault.index.points import Vector
from vault.index.quantise import quantise
from vault.types import Metadata, Scope


@dataclass(frozen=True, slots=True)
class Addition:
    """One validated memory to add; those in a row with the same `turn` are the messages of one item."""

    scope: Scope
    text: str
    role: str | None
    name: str | None
    metadata: Metadata
    expires_at: datetime | None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Embedded:
    """A redacted text, its vector, and the model that made it."""

    text: str
    model: bytes
    vector: FloatVector

    def quantised(self) -> Vector:
        return Vector(self.model, *quantise(self.vector))


@dataclass(slots=True)
class Prepared:
    """An addition after detection and embedding, before the transaction."""

    addition: Addition
    draft: Draft
    vector: Embedded


class Workers(Protocol):
    """Detects and embeds in other processes, for one bulk write."""

    @property
    def count(self) -> int:
        """How many batches are prepared at the same time."""

    def submit(self, groups: Sequence[Sequence[Material]]) -> Future[list[tuple[Draft, Embedded]]]:
        """Prepare the members of all groups, in order; the future raises VaultError where one refuses the batch."""

    def close(self) -> None:
        """End what was started."""
