"""What every record store must do. A handle is bound to one tenant when it is opened; no method takes a tenant.

A store holds sealed blobs and keyed tags; it never sees a subject key or a text. Every change of a row also changes
the multiset hash of the store inside the same transaction (`digest`), which checkpoints sign.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.crypto.primitives import SecretKey
from vault.types import TenantId


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """A data subject inside one store: local number, random ids, and two counters that tell caches what changed.

    `next_n` grows with each added memory; `changes` with each update or removal.
    """

    s: int
    sid: bytes
    kid: bytes
    next_n: int
    changes: int


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """The current version of a memory; times in ms since the epoch, tags of 16 bytes, `body` and `point` are PMV1."""

    s: int
    n: int
    nonce: bytes
    id_key: int
    version: int
    created_ms: int
    updated_ms: int
    expires_ms: int | None
    agent: bytes | None
    app: bytes | None
    run: bytes | None
    body: bytes
    point: bytes

    def expired(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a memory was added, last changed, and ends by itself; ms since the epoch."""

    s: int
    n: int
    created_ms: int
    updated_ms: int
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Superseded:
    """An earlier value of a memory: when it was stored, and when another took its place; ms since the epoch."""

    s: int
    n: int
    version: int
    at_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class BlockRow:
    """The points of BLOCK numbers in a row, sealed once more in one piece: a copy that opens quickly.

    Block `b` holds numbers n with n // BLOCK == b, and is there only once all of them were given out.
    """

    s: int
    b: int
    body: bytes


BLOCK: Final = 32  # a search opens half as many points singly, on average; an update seals as many anew


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """A superseded version, or the end of a memory; `body` is None once its value was erased."""

    s: int
    n: int
    version: int
    nonce: bytes
    event: str
    at_ms: int
    actor: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token of a subject: found by `mac`, its value sealed, dead when no row or revision refers to it."""

    s: int
    token: str
    mac: bytes
    value: bytes
    refs: int


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log entry: canonical bytes, keyed chain value, and a detail sealed under the subject (or the tenant)."""

    seq: int
    entry: bytes
    mac: bytes
    s: int | None
    detail: bytes | None


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """A remembered write: digest of the request and the sealed result."""

    mac: bytes
    digest: bytes
    s: int
    result: bytes
    at_ms: int


# What became of a point in an index kept elsewhere: to be put there, there, to be taken out.
WAITING, THERE, LEAVING = 0, 1, 2
# The setting `index` of a store: searched in the records; so too while an index elsewhere is built; searched there.
INDEX: Final = "index"
HERE, BUILDING, ELSEWHERE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A point of an index kept elsewhere: its random id there, and which version and key generation it stands for."""

    s: int
    n: int
    id: bytes
    version: int
    generation: int
    state: int


class Outbox(ABC):
    """What an index kept elsewhere was told, and has still to be told, of the points of one store.

    While it is `kept`, a point that comes, changes or goes leaves its rows here in the same transaction. They hold
    nothing that is not in the points, and are not part of the store's hash: `restart` makes them anew.
    """

    @property
    @abstractmethod
    def kept(self) -> bool:
        """Whether the setting `index` says that there is an index elsewhere, or will be."""

    @abstractmethod
    def put(self, rows: Sequence[MemoryRow]) -> None:
        """Inside the transaction that stores these rows: their points are to be put there."""

    @abstractmethod
    def take(self, s: int, n: int | None = None) -> None:
        """Inside the transaction that drops them: the points of a row (None: of a subject) are to be taken out."""

    @abstractmethod
    def restart(self) -> None:
        """Inside a transaction: every point is to be put there under a new id, everything known leaves."""

    @abstractmethod
    def stop(self) -> None:
        """Inside a transaction: forget everything; the index elsewhere is empty."""

    @abstractmethod
    def open(self, limit: int) -> list[PlacedRow]:
        """Rows that wait or leave."""

    @abstractmethod
    def settle(self, rows: Sequence[PlacedRow]) -> None:
        """Inside a transaction: what these rows asked for was done; one that changed meanwhile stays open."""

    @abstractmethod
    def find(self, s: int, ids: Sequence[bytes]) -> list[PlacedRow]:
        """The rows of a subject under these ids."""

    @abstractmethod
    def of(self, s: int) -> list[PlacedRow]:
        """The rows of a subject."""

    @abstractmethod
    def there(self, s: int, generation: int) -> int:
        """How many points of a subject are there under one generation of its key."""

    @abstractmethod
    def absent(self, s: int, generation: int) -> list[int]:
        """The numbers of a subject's memories whose points are not there under this generation."""

    @abstractmethod
    def counts(self) -> dict[int, int]:
        """How many rows are in each state, of those that occur."""

    @abstractmethod
    def waiting(self) -> int:
        """How many rows are not carried out yet."""

    @abstractmethod
    def draining(self) -> AbstractContextManager[bool]:
        """Be the only one to carry rows out; False where another thread or process does, after a bounded wait."""

    @abstractmethod
    def close(self) -> None: ...


class RecordStore(ABC):
    """One tenant's records. Changes happen inside `transaction()`: all of them, or none.

    `prove` (digest of the rows, entries in the log, chain value of the last one) is set by whoever opens the store;
    its answer is kept with every change of rows, so that rows and digest cannot be changed together unseen.
    """

    tid: TenantId
    outbox: Outbox
    prove: Callable[[bytes, int, bytes], bytes] | None = None

    @abstractmethod
    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]: ...
    @abstractmethod
    def reading(self) -> AbstractContextManager[None]: ...
    @abstractmethod
    def close(self) -> None: ...

    # subjects
    @abstractmethod
    def subject(self, sid: bytes) -> SubjectRow | None: ...
    @abstractmethod
    def subject_by_number(self, s: int) -> SubjectRow | None: ...
    @abstractmethod
    def subjects(self) -> list[SubjectRow]: ...
    @abstractmethod
    def ensure_subject(self, sid: bytes, kid: bytes) -> SubjectRow: ...
    @abstractmethod
    def allocate(self, s: int, count: int) -> int:
        """Reserve `count` numbers; returns the first."""

    @abstractmethod
    def remove_subject(self, s: int) -> int:
        """Delete every row of a subject whose key is gone; returns how many memories that were."""

    @abstractmethod
    def move_subject(self, s: int, into: int, by: int) -> None:
        """Drop the rows of a subject that were stored anew as rows of `into`, their numbers `by` higher.

        The number goes on as `into`: `subject_by_number` and `details` follow it, `moved_to` says where rows went.
        """

    @abstractmethod
    def moved_to(self, s: int) -> tuple[int, int] | None:
        """(number, by how much row numbers grew) of what a subject's number went on as, or None."""

    @abstractmethod
    def numbers(self, s: int) -> list[int]:
        """A subject's own number, and those that went on as it: whose log entries are its own."""

    # memories
    @abstractmethod
    def insert(self, rows: Sequence[MemoryRow]) -> None: ...
    @abstractmethod
    def memory(self, s: int, n: int) -> MemoryRow | None: ...
    @abstractmethod
    def memories_at(self, s: int, numbers: Sequence[int]) -> list[MemoryRow]:
        """The rows that exist of these numbers, in no order, without their points."""

    @abstractmethod
    def memories(self, s: int, *, after_n: int = 0, limit: int | None = None) -> list[MemoryRow]:
        """Rows of a subject in the order they were added, after number `after_n`."""

    @abstractmethod
    def order(self, s: int) -> list[tuple[int, int, int]]:
        """(n, created_ms, updated_ms) of every memory of a subject, without opening a body."""

    @abstractmethod
    def points(
        self, s: int, *, after_n: int = 0, before_n: int | None = None
    ) -> list[tuple[int, int, bytes]]:
        """(n, version, sealed point) of after_n < n < before_n: a small clustered read, no bodies."""

    @abstractmethod
    def points_at(self, s: int, numbers: Sequence[int]) -> list[tuple[int, int, bytes]]:
        """(n, version, sealed point) of those that exist of these numbers, by number."""

    @abstractmethod
    def windows(self, s: int, numbers: Sequence[int], reach: int) -> list[tuple[int, int]]:
        """(first, last) number of the points around each of these: itself, and `reach` that exist to each side."""

    @abstractmethod
    def blocks(self, s: int, *, after_n: int = 0) -> list[BlockRow]:
        """The blocks of a subject that lie wholly after number `after_n`, in order."""

    @abstractmethod
    def blocks_at(self, s: int, numbers: Sequence[int]) -> list[BlockRow]:
        """Those that exist of these blocks, in order."""

    @abstractmethod
    def put_block(self, row: BlockRow) -> None:
        """Store a block that is not there."""

    @abstractmethod
    def replace(self, old: MemoryRow, new: MemoryRow, *, told: bool = False) -> None:
        """Put a new version in the place of `old`; the block that held its point is dropped.

        `told`: an index kept elsewhere has all that it should of the new point, if the key's generation is the same.
        """

    @abstractmethod
    def remove(self, row: MemoryRow) -> None:
        """Take a memory out; the block that held its point is dropped."""

    @abstractmethod
    def sealed_under(self) -> dict[int, dict[int, int]]:
        """Per subject: each generation of its data key that any row is sealed under, and how many memories that is."""

    @abstractmethod
    def discard(self, row: MemoryRow | BlockRow | RevisionRow | TokenRow | ReplayRow) -> None:
        """Take a row out as it lies there: nobody can open it any more."""

    @abstractmethod
    def expired(self, now_ms: int, limit: int) -> list[MemoryRow]: ...
    @abstractmethod
    def outlived(self, expired_ms: int, created_ms: int | None, updated_ms: int | None) -> list[Lifetime]:
        """Memories that ended, were added, or were last changed not after these times, by place; None asks for none."""

    @abstractmethod
    def count(self) -> int:
        """How many memories there are, as it is kept with every change: nobody waits for a million rows to be read."""

    @abstractmethod
    def counted(self) -> int:
        """The same by reading every row."""

    def intact(self) -> bool:
        """Whether the multiset hash and the count are those of the rows."""
        with self.reading():
            same = hmac.compare_digest(self.recount(), self.digest())
            return same and self.count() == self.counted()

    # revisions
    @abstractmethod
    def add_revision(self, row: RevisionRow) -> None: ...
    @abstractmethod
    def revisions(self, s: int, n: int) -> list[RevisionRow]: ...
    @abstractmethod
    def all_revisions(self, s: int) -> list[RevisionRow]: ...
    @abstractmethod
    def superseded(self, before_ms: int) -> list[Superseded]:
        """Earlier values, still there, that were stored not after a time, by place."""

    @abstractmethod
    def replace_revision(self, old: RevisionRow, new: RevisionRow) -> None: ...

    # tokens
    @abstractmethod
    def token_by_mac(self, s: int, mac: bytes) -> TokenRow | None: ...
    @abstractmethod
    def token(self, s: int, token: str) -> TokenRow | None: ...
    @abstractmethod
    def has_tokens(self, s: int) -> bool: ...
    @abstractmethod
    def tokens(self, s: int, *, after: str = "", limit: int | None = None) -> list[TokenRow]:
        """The tokens of a subject by name, from behind `after` on."""

    @abstractmethod
    def add_token(self, row: TokenRow) -> None: ...
    @abstractmethod
    def refer_token(self, s: int, token: str, change: int) -> None:
        """Count one reference more or less; at zero the token and its value are gone."""

    @abstractmethod
    def replace_token(self, old: TokenRow, new: TokenRow) -> None: ...

    # remembered writes
    @abstractmethod
    def replay(self, mac: bytes) -> ReplayRow | None: ...
    @abstractmethod
    def remember(self, row: ReplayRow) -> None: ...
    @abstractmethod
    def replays(self, s: int) -> list[ReplayRow]: ...
    @abstractmethod
    def replace_replay(self, old: ReplayRow, new: ReplayRow) -> None: ...
    @abstractmethod
    def forget_replays(self, before_ms: int) -> None: ...

    # log
    @abstractmethod
    def log_head(self) -> tuple[int, bytes]:
        """(number of entries, chain value of the last one)."""

    @abstractmethod
    def append_entry(
        self, seq: int, entry: bytes, mac: bytes, s: int | None, detail: bytes | None
    ) -> None: ...
    @abstractmethod
    def log(self, start: int = 0, end: int | None = None) -> Iterator[LogRow]:
        """Entries with start <= seq < end, in order."""

    @abstractmethod
    def rechain_log(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Write new chain values (seq, mac), when the key of the chain is rotated."""

    @abstractmethod
    def details(self, s: int) -> list[tuple[int, bytes]]:
        """(seq, sealed detail) of the entries about one subject, under every number it has had."""

    @abstractmethod
    def replace_detail(self, seq: int, detail: bytes) -> None: ...
    @abstractmethod
    def checkpoints(self) -> list[tuple[int, bytes, bytes]]:
        """(size, note, frontier) in order."""

    @abstractmethod
    def checkpoint_at(self, size: int) -> tuple[int, bytes, bytes] | None: ...
    @abstractmethod
    def last_checkpoint(self) -> tuple[int, bytes, bytes] | None: ...
    @abstractmethod
    def add_checkpoint(self, size: int, note: bytes, frontier: bytes) -> None: ...

    # integrity
    @abstractmethod
    def setting(self, key: str) -> int:
        """A small number kept with the rows (which tenant key is in force); 1 when never set."""

    @abstractmethod
    def set_setting(self, key: str, value: int) -> None: ...
    @abstractmethod
    def embedder(self) -> str | None:
        """Which embedder's vectors are searched, as `identity` writes it; None in a store older than the note."""

    @abstractmethod
    def set_embedder(self, identity: str) -> None: ...
    @abstractmethod
    def digest(self) -> bytes:
        """SHA-256 of the multiset hash as the last transaction left it."""

    @abstractmethod
    def proof(self) -> tuple[int, bytes] | None:
        """(entries in the log, what `prove` answered) as the last change of rows left them; None before the first."""

    @abstractmethod
    def recount(self) -> bytes:
        """The same digest computed from every row: differs when a row was changed behind the vault's back."""

    @abstractmethod
    def check_pages(self) -> None:
        """Read every page of the file as it lies there; raises IntegrityViolationError for one that was changed."""

    @property
    @abstractmethod
    def moved(self) -> bool:
        """Whether another store lies where this one was opened: a restore put it there."""

    @abstractmethod
    def copy_to(self, path: Path, key: SecretKey) -> None:
        """Write a consistent copy under the store's own key to a new file, durable; readers and writers go on.

        Raises InvalidInputError where the store is not a file.
        """

    @abstractmethod
    def rekey(self, key: SecretKey) -> None:
        """Put the whole store under a new file key, at once; the caller holds the vault alone.

        Raises InvalidInputError where the store has no file key of its own.
        """

    @abstractmethod
    def purge_free_space(self) -> bool:
        """Make removed bytes unreadable in every file; False while another process reads."""
