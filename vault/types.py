"""Identifiers and frozen records that cross the public interface."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType, TypedDict

TenantId = NewType("TenantId", bytes)  # 16 random bytes; the name lives only in the keystore
Sid = NewType("Sid", bytes)  # 16 random bytes: a data subject
Kid = NewType("Kid", bytes)  # 16 random bytes: a data key
MemoryId = NewType("MemoryId", str)  # 32 hex digits in UUID form, opaque

MetadataValue = str | int | float | bool | None | list["MetadataValue"] | dict[str, "MetadataValue"]
Metadata = dict[str, MetadataValue]
SubjectKind = Literal["user", "agent", "app", "run"]


class Message(TypedDict, total=False):
    """One chat message, as applications already hold it."""

    role: str
    content: str
    name: str


Content = str | Message | list[Message]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: bound to exactly one tenant, authenticated by the host application."""

    tenant: str
    id: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope ids of a memory or of a question; `None` means not given."""

    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None

    def subject(self) -> tuple[SubjectKind, str] | None:
        """The data subject: the first id present in the order user, agent, app, run."""
        if self.user_id is not None:
            return "user", self.user_id
        if self.agent_id is not None:
            return "agent", self.agent_id
        if self.app_id is not None:
            return "app", self.app_id
        if self.run_id is not None:
            return "run", self.run_id
        return None

    def items(self) -> tuple[tuple[SubjectKind, str | None], ...]:
        return (("user", self.user_id), ("agent", self.agent_id), ("app", self.app_id), ("run", self.run_id))


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory as the caller may see it: redacted text, unless it was revealed."""

    id: str
    text: str
    user_id: str | None
    agent_id: str | None
    app_id: str | None
    run_id: str | None
    metadata: Metadata
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    version: int
    role: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AddResult:
    """What one `add` stored; `redacted` counts findings by class, `skipped` counts system messages."""

    memories: tuple[Memory, ...]
    redacted: dict[str, int] = field(default_factory=dict)
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One answer of a search; `score` is in [0, 1], `explain` holds its parts when asked for."""

    memory: Memory
    score: float
    explain: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; `next_cursor` is None on the last page."""

    memories: tuple[Memory, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One step in a memory's life; `text` and `metadata` are None once the value was erased."""

    version: int
    event: str  # ADD, UPDATE, REDACT, DELETE or EXPIRE
    at: datetime
    actor: str
    reason: str | None
    text: str | None
    metadata: Metadata | None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """How many memories a delete removed."""

    deleted: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A detected entity: `start` and `end` are offsets into the original text (code points, end exclusive)."""

    entity: str
    start: int
    end: int
    score: float
    recogniser: str


@dataclass(frozen=True, slots=True)
class Destruction:
    """What became of a key epoch: `destroyed` (the device says so), `asserted` (a file was wiped), `scheduled`."""

    epoch: int
    state: Literal["destroyed", "asserted", "scheduled"]
    effective_at: datetime
    evidence: str
