"""Memories on their way in: validated, and then detected and embedded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vault.flows.redact import Draft
from vault.flows.vectors import Embedded
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


@dataclass(slots=True)
class Prepared:
    """An addition after detection and embedding, before the transaction."""

    addition: Addition
    draft: Draft
    vector: Embedded
