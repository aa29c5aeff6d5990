"""What telemetry can say: the two events there are, and the counters behind them. docs/telemetry.md has each field.

A count has no room for who called, in which tenant, about whom, or with what: it is a number beside three words.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import ClassVar, Final, Protocol
from uuid import UUID

from vault.errors import (
    ConflictError,
    DeniedError,
    HeldError,
    InvalidInputError,
    NotFoundError,
    RejectedError,
)
from vault.observe.events import Event


class Action(Enum):
    """What was asked for: the pack's actions, but those about telemetry itself, which are not counted."""

    MEMORY_ADD = "memory.add"
    MEMORY_SEARCH = "memory.search"
    MEMORY_GET = "memory.get"
    MEMORY_LIST = "memory.list"
    MEMORY_UPDATE = "memory.update"
    MEMORY_DELETE = "memory.delete"
    MEMORY_DELETE_ALL = "memory.delete_all"
    MEMORY_HISTORY = "memory.history"
    MEMORY_REVEAL = "memory.reveal"
    MEMORY_IMPORT = "memory.import"
    MEMORY_EXPIRE = "memory.expire"
    MEMORY_RESCAN = "memory.rescan"
    RETENTION_PLAN = "retention.plan"
    RETENTION_RUN = "retention.run"
    TENANT_CREATE = "tenant.create"
    TENANT_LIST = "tenant.list"
    TENANT_ERASE = "tenant.erase"
    KEYS_STATUS = "keys.status"
    KEYS_ROTATE = "keys.rotate"
    KEYS_BACKUP = "keys.backup"
    KEYS_VERIFY = "keys.verify"
    BACKUP_CREATE = "backup.create"
    BACKUP_VERIFY = "backup.verify"
    BACKUP_RESTORE = "backup.restore"
    POLICY_ACTIVATE = "policy.activate"
    AUDIT_SHOW = "audit.show"
    AUDIT_VERIFY = "audit.verify"
    AUDIT_CHECKPOINT = "audit.checkpoint"
    AUDIT_EVIDENCE = "audit.evidence"
    INDEX_MOVE = "index.move"
    INDEX_REBUILD = "index.rebuild"
    INDEX_REEMBED = "index.reembed"
    INDEX_VERIFY = "index.verify"
    SUBJECT_ERASE = "subject.erase"
    SUBJECT_EXPORT = "subject.export"
    SUBJECT_MERGE = "subject.merge"
    SUBJECT_RENAME = "subject.rename"
    SUBJECT_ALIAS = "subject.alias"
    SUBJECT_FIND_MENTIONS = "subject.find_mentions"
    SUBJECT_REDACT_MENTIONS = "subject.redact_mentions"
    ERASURE_APPROVE = "erasure.approve"
    HOLD_PLACE = "hold.place"
    HOLD_RELEASE = "hold.release"
    HOLD_LIST = "hold.list"


class Result(Enum):
    """What became of it."""

    OK = "ok"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    ERROR = "error"


class Took(Enum):
    """How long it took."""

    UNDER_1_MS = "under_1_ms"
    UNDER_10_MS = "under_10_ms"
    UNDER_100_MS = "under_100_ms"
    UNDER_1_S = "under_1_s"
    UNDER_10_S = "under_10_s"
    LONGER = "longer"


class Size(Enum):
    """How many there are."""

    NONE = "none"
    ONE = "one"
    UP_TO_10 = "up_to_10"
    UP_TO_100 = "up_to_100"
    MORE = "more"


class System(Enum):
    """Which operating system."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"
    OTHER = "other"


class Keys(Enum):
    """Where the root key is."""

    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105 - a word, not one
    PKCS11 = "pkcs11"


class Embedding(Enum):
    """Which kind of embedder is configured; not which model."""

    STATIC = "static"
    MINILM = "minilm"
    OPENAI = "openai"
    AZURE = "azure"
    OLLAMA = "ollama"
    SENTENCE_TRANSFORMERS = "sentence-transformers"
    FASTEMBED = "fastembed"


class Index(Enum):
    """Where new tenants are searched."""

    SEALED = "sealed"
    QDRANT = "qdrant"


class Pack(Enum):
    """Which pack decides: one that is shipped, or one of the operator's own, which has no name here."""

    BASELINE = "baseline"
    GDPR = "gdpr"
    HIPAA_SAFE_HARBOR = "hipaa-safe-harbor"
    PCI_DSS = "pci-dss"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Installation(Event):
    """What is in use, by choice and version; as it was when the vault was opened."""

    name: ClassVar[str] = "memvault installation"

    memvault_major: int
    memvault_minor: int
    memvault_patch: int
    python_minor: int
    system: System
    keys: Keys
    embedding: Embedding
    index: Index
    pack: Pack
    detector_builtin: bool
    detector_presidio: bool
    tenants: Size


@dataclass(frozen=True, slots=True)
class Calls(Event):
    """So many calls of one kind ended in one way within one span, since the last sending."""

    name: ClassVar[str] = "memvault calls"

    action: Action
    result: Result
    took: Took
    count: int


Kind = tuple[Action, Result, Took]
_ACTIONS: Final = {action.value: action for action in Action}
_BOUNDS: Final = (
    (0.001, Took.UNDER_1_MS),
    (0.01, Took.UNDER_10_MS),
    (0.1, Took.UNDER_100_MS),
    (1.0, Took.UNDER_1_S),
    (10.0, Took.UNDER_10_S),
)
_RESULTS: Final[tuple[tuple[type[BaseException], Result], ...]] = (
    (DeniedError, Result.DENIED),
    (NotFoundError, Result.NOT_FOUND),
    (HeldError, Result.REFUSED),
    (RejectedError, Result.REFUSED),
    (InvalidInputError, Result.REFUSED),
    (ConflictError, Result.REFUSED),
)


def size_of(count: int) -> Size:
    """The word for a number."""
    for most, word in ((0, Size.NONE), (1, Size.ONE), (10, Size.UP_TO_10), (100, Size.UP_TO_100)):
        if count <= most:
            return word
    return Size.MORE


class Usage(Protocol):
    """What a call is counted by; costs a call nothing but that."""

    def counted(self, action: str) -> AbstractContextManager[None]:
        """Counts what runs inside it, once, when it ends; never raises."""

    def pending(self, install: UUID) -> list[bytes]:
        """The bodies that would be sent now under that installation id; none where telemetry is off."""

    def close(self) -> None:
        """Send what is pending, for a bounded time; idempotent, never raises."""


class _Off:
    """Telemetry is off: nothing is counted."""

    _nothing: Final = nullcontext()

    def counted(self, action: str) -> AbstractContextManager[None]:
        return self._nothing

    def pending(self, install: UUID) -> list[bytes]:
        return []

    def close(self) -> None:
        """There is nothing to send."""


OFF: Final[Usage] = _Off()


class Counters:
    """How often each kind of call ended how, since the last `take`; never larger than the three vocabularies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Kind, int] = {}

    def counted(self, action: str) -> AbstractContextManager[None]:
        known = _ACTIONS.get(action)
        return _Watch(self, known) if known is not None else OFF.counted(action)

    def add(self, kind: Kind) -> None:
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1

    def seen(self) -> list[Calls]:
        """What was counted, in the order of its words; it stays counted."""
        with self._lock:
            counts = dict(self._counts)
        return list(_calls(counts))

    def take(self) -> list[Calls]:
        """What was counted; counting begins again."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return list(_calls(counts))


def _calls(counts: dict[Kind, int]) -> Iterator[Calls]:
    for action, result, took in sorted(counts, key=lambda kind: [part.value for part in kind]):
        yield Calls(action, result, took, counts[action, result, took])


class _Watch:
    """One call: when it began, and then how it ended."""

    __slots__ = ("_action", "_began", "_counters")

    def __init__(self, counters: Counters, action: Action) -> None:
        self._counters = counters
        self._action = action
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._counters.add((self._action, _result(kind), _took(time.perf_counter() - self._began)))


def _result(kind: type[BaseException] | None) -> Result:
    if kind is None:
        return Result.OK
    return next((result for known, result in _RESULTS if issubclass(kind, known)), Result.ERROR)


def _took(seconds: float) -> Took:
    return next((word for bound, word in _BOUNDS if seconds < bound), Took.LONGER)
