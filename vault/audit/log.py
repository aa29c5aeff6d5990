"""One tenant's log: an RFC 6962 tree of canonical entries, appended in the transaction of the change they describe.

What is in clear in an entry are enumerated words, times, counts and keyed pseudonyms; who, which memory and why are
sealed beside it (`detail`), bound by a hiding commitment, and die with the subject. Each entry also carries a keyed
chain value, so that a change since the last checkpoint is detected too, by whoever holds the keystore.
"""

from __future__ import annotations

import hmac
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from vault.audit.events import b64u, changes_rows
from vault.audit.events import entry as build_entry
from vault.audit.jcs import canonical, strict_loads
from vault.audit.merkle import Frontier, leaf_hash
from vault.audit.merkle import root as merkle_root
from vault.audit.note import Checkpoint, open_note, sign_note, vkey
from vault.crypto.lthash import LtHash
from vault.crypto.primitives import SecretKey, SigningKey, hmac_sha256
from vault.crypto.record import RecordContext, open_, read_header, read_stub, seal
from vault.errors import AuditChainError, RollbackError
from vault.types import TenantId

_MAC_BYTES: Final = 16
_BLIND_BYTES: Final = 32
_ZERO: Final = bytes(16)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # making one costs as much


class LogRowLike(Protocol):
    """A stored entry: its bytes, its chain value, the subject's number and the sealed detail."""

    @property
    def seq(self) -> int: ...
    @property
    def entry(self) -> bytes: ...
    @property
    def mac(self) -> bytes: ...
    @property
    def s(self) -> int | None: ...
    @property
    def detail(self) -> bytes | None: ...


class LogStore(Protocol):
    """The part of a record store that a log needs."""

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[None]: ...
    def reading(self) -> AbstractContextManager[None]: ...
    def log_head(self) -> tuple[int, bytes]: ...
    def append_entry(
        self, seq: int, entry: bytes, mac: bytes, s: int | None, detail: bytes | None
    ) -> None: ...
    def log(self, start: int = 0, end: int | None = None) -> Iterator[LogRowLike]: ...
    def checkpoint_at(self, size: int) -> tuple[int, bytes, bytes] | None: ...
    def last_checkpoint(self) -> tuple[int, bytes, bytes] | None: ...
    def checkpoints(self) -> list[tuple[int, bytes, bytes]]: ...
    def add_checkpoint(self, size: int, note: bytes, frontier: bytes) -> None: ...
    def setting(self, key: str) -> int: ...
    def digest(self) -> bytes: ...
    def proof(self) -> tuple[int, bytes] | None: ...


class LogKeys(Protocol):
    """The part of a tenant's keys that a log needs."""

    tid: TenantId
    versions: dict[str, dict[int, SecretKey]]
    current: dict[str, int]

    def key(self, use: str) -> SecretKey: ...
    def pseudonym(self, kind: str, value: str) -> bytes: ...


class DetailKeys(Protocol):
    """The part of a subject's keys that seals who, what and why."""

    sid: Any
    kid: Any
    generation: int

    def key(self, use: str, generation: int | None = None) -> SecretKey | None: ...
    def pseudonym(self, kind: str, value: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, before it becomes an entry. `detail` is sealed; the rest is enumerated words and counts."""

    action: str
    purpose: str
    actor: str
    result: str = "ok"
    count: int = 0
    detail: dict[str, Any] | None = None
    object_id: str = ""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint as the store and the keystore keep it."""

    size: int
    root: bytes
    note: bytes


class TenantLog:
    """Appends, signs and verifies one tenant's log."""

    def __init__(self, store: LogStore, keys: LogKeys, *, pack: str = "") -> None:
        self._store = store
        self._keys = keys
        self.pack = pack
        self._signed_size: int | None = None
        self._size: int | None = None  # after this handle's last entry
        self.signed_at = time.monotonic()

    @property
    def origin(self) -> str:
        """The checkpoint origin: names no person and no tenant, only a random id."""
        return origin(self._keys)

    # --- append ------------------------------------------------------------------------------------------------

    def append(self, event: Event, subject: DetailKeys | None = None, s: int | None = None) -> int:
        """Append inside the current transaction; returns the number of entries after it."""
        seq, previous = self._store.log_head()
        now = datetime.now(UTC)
        detail, commitment = self._seal_detail(event, subject, seq)
        data = build_entry(
            event.action,
            log=self._keys.tid,
            seq=seq,
            at=now,
            purpose=event.purpose,
            actor=self._keys.pseudonym("actor", event.actor),
            subject=subject.pseudonym("subj", f"{now.year:04}-{now.month:02}".encode()) if subject else b"",
            obj=subject.pseudonym("obj", event.object_id.encode()) if subject and event.object_id else b"",
            result=event.result,
            count=event.count,
            salt=os.urandom(16),
            commitment=commitment,
            pack=self.pack,
        )
        number = s if subject else None
        mac = chain(self._chain_key(), previous, seq, data, number)
        self._store.append_entry(seq, data, mac, number, detail)
        self._size = seq + 1
        return self._size

    def append_system(self, action: str, *, count: int = 0, purpose: str = "system") -> int:
        """Append an entry about the vault itself."""
        return self.append(Event(action=action, purpose=purpose, actor="memvault", count=count))

    def _chain_key(self) -> SecretKey:
        key = self._keys.versions["log"].get(self._store.setting("log"))
        if key is None:
            raise AuditChainError("audit.key", "the log names a key that the keystore does not hold")
        return key

    def _seal_detail(self, event: Event, subject: DetailKeys | None, seq: int) -> tuple[bytes, bytes]:
        blind = os.urandom(_BLIND_BYTES)
        detail = _ENCODER.encode({"actor": event.actor, **(event.detail or {})}).encode()
        commitment = hmac.digest(blind, detail, "sha256")
        record_id = b"log" + seq.to_bytes(8, "big")
        if subject is not None and (key := subject.key("detail")) is not None:
            context = RecordContext(
                tenant=self._keys.tid, sid=subject.sid, record_id=record_id, version=1, use="detail"
            )
            return seal(key, subject.kid, subject.generation, context, blind + detail), commitment
        number = self._keys.current["detail"]
        context = RecordContext(
            tenant=self._keys.tid, sid=_ZERO, record_id=record_id, version=1, use="detail"
        )
        with self._keys.key("detail").derive("detail") as key:
            return seal(key, self._keys.tid, number, context, blind + detail), commitment

    def open_detail(self, row: LogRowLike, subject: DetailKeys | None) -> dict[str, Any] | None:
        """Who, what and why of an entry, or None once its key is gone; checked against the entry's commitment."""
        plain = self._opened(row, subject)
        if plain is None:
            return None
        opened: dict[str, Any] = json.loads(plain[_BLIND_BYTES:])
        return opened

    def opening(self, row: LogRowLike) -> tuple[bytes, bytes]:
        """(blind, detail) of an entry of the vault itself, to show a third party what the entry commits to.

        Raises AuditChainError for an entry about a subject, and where the detail is gone.
        """
        plain = self._opened(row, None) if row.s is None else None
        if plain is None:
            raise AuditChainError("audit.opening", "a log entry's detail cannot be opened for a proof")
        return plain[:_BLIND_BYTES], plain[_BLIND_BYTES:]

    def _opened(self, row: LogRowLike, subject: DetailKeys | None) -> bytes | None:
        if row.detail is None or read_stub(row.detail) is not None:
            return None
        header = read_header(row.detail)
        record_id = b"log" + row.seq.to_bytes(8, "big")
        if row.s is None:
            master = self._keys.versions["detail"].get(header.generation)
            if master is None:
                return None
            context = RecordContext(
                tenant=self._keys.tid, sid=_ZERO, record_id=record_id, version=1, use="detail"
            )
            with master.derive("detail") as derived:
                plain = open_(derived, row.detail, context)
        else:
            key = subject.key("detail", header.generation) if subject is not None else None
            if key is None or subject is None:
                return None
            context = RecordContext(
                tenant=self._keys.tid, sid=subject.sid, record_id=record_id, version=1, use="detail"
            )
            plain = open_(key, row.detail, context)
        committed = b64u(hmac.digest(plain[:_BLIND_BYTES], plain[_BLIND_BYTES:], "sha256"))
        if committed != strict_loads(row.entry).get("dc"):
            raise AuditChainError(
                "audit.detail", "the sealed detail of an entry is not the one the entry commits to"
            )
        return plain

    # --- sign --------------------------------------------------------------------------------------------------

    def unsigned(self) -> int:
        """How many entries the newest checkpoint does not cover."""
        if self._signed_size is None:
            last = self._store.last_checkpoint()
            self._signed_size = last[0] if last else 0
        return self._store.log_head()[0] - self._signed_size

    def unsigned_here(self) -> int:
        """The same without what other handles appended since this one did last: nothing is read."""
        if self._signed_size is None or self._size is None:
            return self.unsigned()
        return self._size - self._signed_size

    def checkpoint(self, state: dict[str, str | int]) -> SignedHead:
        """Append a `state` entry and sign the head; the caller hands the result to the keystore."""
        with self._store.transaction():
            last = self._store.last_checkpoint()
            frontier = Frontier.from_bytes(last[2]) if last else Frontier()
            self.append(
                Event("state", "system", "memvault", detail={**state, "records": self._store.digest().hex()})
            )
            for row in self._store.log(frontier.size):
                frontier.append(leaf_hash(row.entry))
            head = Checkpoint(origin=self.origin, size=frontier.size, root=frontier.root())
            note = sign_note(head, self.signers())
            self._store.add_checkpoint(frontier.size, note, frontier.to_bytes())
        self._signed_size = frontier.size
        self.signed_at = time.monotonic()
        return SignedHead(frontier.size, head.root, note)

    def signers(self) -> list[SigningKey]:
        """The signing key in force; every earlier one stays known as a verifier."""
        return [SigningKey.from_seed(self._keys.key("audit"))]

    def vkeys(self) -> list[str]:
        """Verifier keys in C2SP form, newest first."""
        return vkeys(self._keys)

    # --- verify ------------------------------------------------------------------------------------------------

    def verify_extends(self, size: int, root: bytes | None) -> None:
        """The stored log extends the head the keystore knows, and what came after chains; raises RollbackError."""
        last = self._store.last_checkpoint()
        head_size, _ = self._store.log_head()
        if head_size < size or (last[0] if last else 0) < size:
            raise RollbackError(
                "audit.rolled_back",
                "the log ends before the newest checkpoint in the keystore: an older file was restored",
            )
        known = self._store.checkpoint_at(size) if size else None
        if size and (known is None or not hmac.compare_digest(_head_root(known), root or b"")):
            raise RollbackError(
                "audit.forked", "the log does not contain the newest checkpoint in the keystore"
            )
        if last is not None:
            self._check_note(last)
            self._verify_between(known, last)
        self._verify_chain(last[0] if last else 0)

    def _verify_between(self, known: tuple[int, bytes, bytes] | None, last: tuple[int, bytes, bytes]) -> None:
        """The entries between two signed heads lead from the one to the other: an older keystore acts on them."""
        frontier = Frontier.from_bytes(known[2]) if known is not None else Frontier()
        if frontier.size == last[0]:
            return
        for row in self._store.log(frontier.size, last[0]):
            frontier.append(leaf_hash(row.entry))
        if not hmac.compare_digest(frontier.root(), _head_root(last)):
            raise AuditChainError("audit.root", "the log's entries do not hash to a signed checkpoint")

    def prove(self, digest: bytes, size: int, head: bytes) -> bytes:
        """Keyed proof that the rows had this digest when the log had `size` entries and this last chain value."""
        return hmac_sha256(self._chain_key(), b"records", digest, size.to_bytes(8, "big"), head)

    def verify_records(self) -> None:
        """The rows' digest is the one that their last logged change left; raises AuditChainError.

        Whoever holds the file's key alone can change rows together with their digest, or put older ones back: the
        proof stops the first, the digest in the newest checkpoint's `state` entry and the entries since the second.
        """
        with self._store.reading():
            digest = self._store.digest()
            size, proof = self._store.proof() or (0, b"")
            last = self._store.last_checkpoint()
            signed = last[0] if last else 0
            genuine = self._is_proven(digest, size, proof)
            if genuine and size < signed:
                genuine = self._signed_digest(signed) == digest.hex()
            if not genuine or any(changes_rows(row.entry) for row in self._store.log(max(size, signed))):
                raise AuditChainError(
                    "records.changed", "the stored records are not the ones the vault wrote"
                )

    def _is_proven(self, digest: bytes, size: int, proof: bytes) -> bool:
        if size == 0:  # never changed since it was created
            return digest == LtHash().digest()
        head = next(iter(self._store.log(size - 1, size)), None)
        return head is not None and hmac.compare_digest(proof, self.prove(digest, size, head.mac))

    def _signed_digest(self, size: int) -> str | None:
        """The digest that the `state` entry of a checkpoint names; every checkpoint ends with one."""
        row = next(iter(self._store.log(size - 1, size)), None)
        detail = self.open_detail(row, None) if row is not None and row.s is None else None
        return str(detail["records"]) if detail and "records" in detail else None

    def _check_note(self, stored: tuple[int, bytes, bytes]) -> None:
        size, note, peaks = stored
        frontier = Frontier.from_bytes(peaks)
        if frontier.size != size:
            raise _checkpoint_differs()
        self.check_head(size, frontier.root(), note)

    def check_head(self, size: int, root: bytes, note: bytes) -> None:
        """The note is this log's, signed, and says this size and root; raises AuditChainError."""
        head = open_note(note, self.vkeys())
        if (head.origin, head.size, head.root) != (self.origin, size, root):
            raise _checkpoint_differs()

    def _verify_chain(self, start: int) -> int:
        """Chain values and numbering from entry `start` on; returns how many entries there are in all."""
        key = self._chain_key()
        previous = _ZERO
        expected = max(start - 1, 0)
        for row in self._store.log(expected):
            if row.seq != expected:
                raise AuditChainError("audit.gap", "the log has a gap")
            if row.seq >= start and not hmac.compare_digest(
                row.mac, chain(key, previous, row.seq, row.entry, row.s)
            ):
                raise AuditChainError("audit.changed", "a log entry was changed, moved or removed")
            previous = row.mac
            expected += 1
        return expected

    def verify(self) -> dict[str, int]:
        """Everything: numbering, chain, syntax, every checkpoint's signature and root. Counts, or raises."""
        with self._store.reading():
            size = self._verify_chain(0)
            checkpoints = {stored: (stored, note, peaks) for stored, note, peaks in self._store.checkpoints()}
            frontier = Frontier()
            for row in self._store.log():
                parsed = strict_loads(row.entry)
                if parsed.get("seq") != row.seq or canonical(parsed) != row.entry:
                    raise AuditChainError("audit.syntax", "a log entry is not the canonical text it must be")
                frontier.append(leaf_hash(row.entry))
                stored = checkpoints.pop(frontier.size, None)
                if stored is not None:
                    self._check_note(stored)
                    if Frontier.from_bytes(stored[2]).root() != frontier.root():
                        raise AuditChainError(
                            "audit.root", "the log's entries do not hash to a signed checkpoint"
                        )
            if checkpoints:
                raise RollbackError("audit.rolled_back", "the log ends before one of its own checkpoints")
            return {"entries": size, "checkpoints": len(self._store.checkpoints())}


def chain(key: SecretKey, previous: bytes, seq: int, entry: bytes, s: int | None) -> bytes:
    """The keyed chain value of an entry: 16 bytes over the one before, its number, the entry, whose detail it has."""
    subject = s.to_bytes(8, "big") if s is not None else b""
    return hmac_sha256(key, previous, seq.to_bytes(8, "big"), entry, subject)[:_MAC_BYTES]


def origin(keys: LogKeys) -> str:
    """The name of a tenant's log."""
    return f"memvault/t/{keys.tid.hex()}"


def vkeys(keys: LogKeys) -> list[str]:
    """The verifier keys of a tenant's log in C2SP form, newest first; earlier signing keys stay verifiers."""
    seeds = keys.versions["audit"]
    return [
        vkey(origin(keys), SigningKey.from_seed(seeds[number]).public_bytes())
        for number in sorted(seeds, reverse=True)
    ]


def _checkpoint_differs() -> AuditChainError:
    return AuditChainError("audit.checkpoint", "a stored checkpoint does not match its signed note")


def _head_root(stored: tuple[int, bytes, bytes]) -> bytes:
    return Frontier.from_bytes(stored[2]).root()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 root over raw leaves (the keystore's sorted keys)."""
    return merkle_root([leaf_hash(leaf) for leaf in leaves])
