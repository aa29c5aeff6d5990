"""What telemetry can say: the two events there are, and the counters behind them. docs/telemetry.md has each field.

A count has no room for who called, in which tenant, about whom, or with what: it is a number beside three words.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final, Protocol
from uuid import UUID

from vault.observe.calls import Call
from vault.observe.events import Event
from vault.observe.words import Action, Result


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
_ITSELF: Final = "telemetry."  # actions about telemetry are not counted
_BOUNDS: Final = (
    (0.001, Took.UNDER_1_MS),
    (0.01, Took.UNDER_10_MS),
    (0.1, Took.UNDER_100_MS),
    (1.0, Took.UNDER_1_S),
    (10.0, Took.UNDER_10_S),
)


def size_of(count: int) -> Size:
    """The word for a number."""
    for most, word in ((0, Size.NONE), (1, Size.ONE), (10, Size.UP_TO_10), (100, Size.UP_TO_100)):
        if count <= most:
            return word
    return Size.MORE


class Usage(Protocol):
    """What was counted and not sent yet."""

    def pending(self, install: UUID) -> list[bytes]:
        """The bodies that would be sent now under that installation id; none where telemetry is off."""

    def close(self) -> None:
        """Send what is pending, for a bounded time; idempotent, never raises."""


class _Off:
    """Telemetry is off: nothing is counted."""

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

    def count(self, call: Call) -> None:
        """A call that ended."""
        if not call.action.value.startswith(_ITSELF):
            self.add((call.action, call.result, _took(call.duration_ns / 1e9)))

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


def _took(seconds: float) -> Took:
    return next((word for bound, word in _BOUNDS if seconds < bound), Took.LONGER)
