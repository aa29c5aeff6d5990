"""The words that events may hold: closed enumerations, each derived from what the code itself declares.

A word that is not in an enumeration becomes the enumeration's catch-all: nothing that a caller, a pack or a library
chose gets through as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from vault.audit.events import ACTIONS
from vault.errors import (
    ConflictError,
    DeniedError,
    HeldError,
    IntegrityViolationError,
    InvalidInputError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    VaultError,
)
from vault.observe.codes import CODES
from vault.redaction.taxonomy import LABELS


class Action(Enum):
    """What a call does: the actions of the audit log's catalogue, and `other`."""

    _ignore_ = ["word"]  # noqa: RUF012 - as Enum wants it
    OTHER = "other"
    for word in ACTIONS:
        vars()[word] = word


class Entity(Enum):
    """The class of a detected value: those of the taxonomy; a tenant's own and a library's are `custom`."""

    _ignore_ = ["word"]  # noqa: RUF012 - as Enum wants it
    CUSTOM = "custom"
    UNEXAMINED = "UNEXAMINED"
    for word in LABELS:
        vars()[word] = word


class Code(Enum):
    """The stable code of an error: those in the source. A code that an argument names is `argument`.

    `internal` is an exception that is no VaultError, `other` a VaultError with a code from elsewhere.
    """

    _ignore_ = ["word"]  # noqa: RUF012 - as Enum wants it
    ARGUMENT = "argument"
    INTERNAL = "internal"
    OTHER = "other"
    for word in CODES:
        vars()[word] = word


class Result(Enum):
    """How a call ended, by what its caller should do."""

    OK = "ok"
    DENIED = "denied"
    REFUSED = "refused"  # a legal hold, or content that may not be stored
    NOT_FOUND = "not_found"
    INVALID = "invalid"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    INTEGRITY = "integrity"
    FAILED = "failed"  # a configuration that is wrong, or a bug
    CUT_OFF = "cut_off"  # the process or the caller gave up


class Stage(Enum):
    """A part of a call that is timed."""

    DECIDE = "decide"
    DETECT = "detect"
    REDACT = "redact"
    EMBED = "embed"
    SEAL = "seal"
    COMMIT = "commit"
    INDEX = "index"
    FIND = "find"
    OPEN = "open"
    REVEAL = "reveal"


class Receiver(Enum):
    """Who is told outside this process."""

    OTLP = "otlp"
    POSTHOG = "posthog"


_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType({one.value: one for one in Action})
_ENTITIES: Final[Mapping[str, Entity]] = MappingProxyType({one.value: one for one in Entity})
_CODES: Final[Mapping[str, Code]] = MappingProxyType({one.value: one for one in Code})
_RESULTS: Final[tuple[tuple[type[VaultError], Result], ...]] = (
    (DeniedError, Result.DENIED),
    (NotFoundError, Result.NOT_FOUND),
    (InvalidInputError, Result.INVALID),
    (ConflictError, Result.CONFLICT),
    (HeldError, Result.REFUSED),
    (RejectedError, Result.REFUSED),
    (IntegrityViolationError, Result.INTEGRITY),
    (UnavailableError, Result.UNAVAILABLE),
)


def action_of(name: str) -> Action:
    """The action of that name."""
    return _ACTIONS.get(name, Action.OTHER)


def entity_of(name: str) -> Entity:
    """The class of that name, `custom` for one that is not ours."""
    return _ENTITIES.get(name, Entity.CUSTOM)


def code_of(error: BaseException) -> Code:
    """The code of an error; never one that its text or an argument chose."""
    if not isinstance(error, VaultError):
        return Code.INTERNAL
    unknown = Code.ARGUMENT if isinstance(error, InvalidInputError) else Code.OTHER
    return _CODES.get(error.code, unknown) if type(error.code) is str else unknown


def result_of(error: BaseException) -> Result:
    """How a call ended that raised `error`."""
    for kind, result in _RESULTS:
        if isinstance(error, kind):
            return result
    return Result.FAILED if isinstance(error, Exception) else Result.CUT_OFF
