"""Everything the vault says about itself: logs, metrics and traces speak these events and nothing else.

`docs/observability.md` lists them; a test holds that page to this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from vault.observe.events import Event, Pseudo
from vault.observe.words import Action, Code, Entity, Receiver, Result, Stage


@dataclass(frozen=True, slots=True)
class Called(Event):
    """A call ended. `count` is how many memories, values or entries it was about."""

    name: ClassVar[str] = "call"
    action: Action
    result: Result
    duration: timedelta
    code: Code | None = None
    count: int | None = None
    tenant: Pseudo | None = None


@dataclass(frozen=True, slots=True)
class Staged(Event):
    """A stage of a call ended; `failed` where an error passed through it."""

    name: ClassVar[str] = "stage"
    action: Action
    stage: Stage
    duration: timedelta
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Detected(Event):
    """The detector reported so many values of a class in one call."""

    name: ClassVar[str] = "detected"
    entity: Entity
    count: int


@dataclass(frozen=True, slots=True)
class Alarmed(Event):
    """Stored bytes, or what an index elsewhere answered, were not what the vault wrote: stop and look."""

    name: ClassVar[str] = "integrity_alarm"
    action: Action
    code: Code | None = None
    tenant: Pseudo | None = None


@dataclass(frozen=True, slots=True)
class Measured(Event):
    """How a tenant's upkeep stands, looked at once a minute at most. An age is left out where there is nothing yet."""

    name: ClassVar[str] = "upkeep"
    outbox: int
    unsigned: int
    key_age: timedelta | None = None
    checkpoint_age: timedelta | None = None
    archive_age: timedelta | None = None
    backup_age: timedelta | None = None
    tenant: Pseudo | None = None


@dataclass(frozen=True, slots=True)
class Unsent(Event):
    """A receiver does not take what it is sent: said once, until it takes it again."""

    name: ClassVar[str] = "unsent"
    receiver: Receiver
    code: Code


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """The receiver takes it again; `dropped` is how many calls it was not told of."""

    name: ClassVar[str] = "resumed"
    receiver: Receiver
    dropped: int


EVENTS: Final[tuple[type[Event], ...]] = (Called, Staged, Detected, Alarmed, Measured, Unsent, Resumed)
