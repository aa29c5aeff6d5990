"""Unwrapped keys in memory: per tenant and per subject, bounded, with a time limit, wiped when dropped."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from vault.crypto.primitives import BlockCipher256, SecretKey, hmac_sha256
from vault.types import Kid, Sid, TenantId

_K = TypeVar("_K")
_V = TypeVar("_V")

_PSEUDONYMS: Final = 256  # actors whose stand-in is remembered with the tenant's keys
TENANT_USES: Final = ("refs", "tags", "ids", "log", "detail", "records", "audit")


@dataclass(slots=True, eq=False)
class TenantKeys:
    """The keys of one tenant; `versions[use][no]` are all live versions, `current[use]` the one in force."""

    tid: TenantId
    name: str
    kek: SecretKey
    kek_no: int
    versions: dict[str, dict[int, SecretKey]]
    current: dict[str, int]
    created_ms: int
    _ciphers: dict[int, BlockCipher256] = field(default_factory=dict)
    _pseudonyms: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def key(self, use: str) -> SecretKey:
        return self.versions[use][self.current[use]]

    def id_cipher(self, number: int) -> BlockCipher256:
        if number not in self._ciphers:
            self._ciphers[number] = BlockCipher256(self.versions["ids"][number])
        return self._ciphers[number]

    def tag(self, kind: str, value: str) -> bytes:
        """Keyed tag of a scope id for the records file: 16 bytes."""
        return hmac_sha256(self.key("tags"), kind.encode(), value.encode())[:16]

    def pseudonym(self, kind: str, value: str) -> bytes:
        """Keyed stand-in for an actor in the log: 16 bytes."""
        known = self._pseudonyms.get((kind, value))
        if known is None:
            known = hmac_sha256(self.key("detail"), b"pseudonym", kind.encode(), value.encode())[:16]
            if len(self._pseudonyms) < _PSEUDONYMS:
                self._pseudonyms[kind, value] = known
        return known

    def wipe(self) -> None:
        self.kek.close()
        for versions in self.versions.values():
            for key in versions.values():
                key.close()
        self._ciphers.clear()
        self._pseudonyms.clear()


@dataclass(slots=True, eq=False)
class SubjectKeys:
    """The keys of one data subject; `deks` holds every live generation, new writes use `generation`."""

    sid: Sid
    kid: Kid
    generation: int
    deks: dict[int, SecretKey]
    secret: SecretKey
    kind: str
    _uses: dict[tuple[int, str], SecretKey] = field(default_factory=dict)

    def key(self, use: str, generation: int | None = None) -> SecretKey | None:
        """The key for one use in a generation (the current one by default); None once that generation is gone."""
        number = self.generation if generation is None else generation
        cached = self._uses.get((number, use))
        if cached is None:
            dek = self.deks.get(number)
            if dek is None:
                return None
            cached = self._uses[number, use] = dek.derive(use)
        return cached

    def pseudonym(self, kind: str, value: bytes) -> bytes:
        """Keyed stand-in in the log that dies with the subject: 16 bytes."""
        return hmac_sha256(self.secret, kind.encode(), value)[:16]

    def wipe(self) -> None:
        for key in (*self.deks.values(), *self._uses.values(), self.secret):
            key.close()
        self.deks.clear()
        self._uses.clear()


class KeyCache:
    """Bounded, with a time to live, the oldest first. Eviction drops the reference; fork and close wipe.

    Evicted keys are not wiped under the feet of a thread that still uses them; their buffers are wiped when the
    last reference goes (SecretKey's finaliser).
    """

    def __init__(self, entries: int, ttl_s: float) -> None:
        self._entries = entries
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._subjects: OrderedDict[tuple[bytes, bytes], tuple[float, SubjectKeys]] = OrderedDict()
        self._tenants: dict[str, tuple[float, TenantKeys]] = {}
        _live_caches.add(self)

    def tenant(self, name: str) -> TenantKeys | None:
        entry = self._tenants.get(name)
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    def put_tenant(self, keys: TenantKeys) -> None:
        with self._lock:
            if len(self._tenants) >= self._entries:
                self._tenants.pop(next(iter(self._tenants)))
            self._tenants.pop(keys.name, None)
            self._tenants[keys.name] = (time.monotonic() + self._ttl_s, keys)

    def subject(self, tid: bytes, ref: bytes) -> SubjectKeys | None:
        entry = self._subjects.get((tid, ref))
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    def put_subject(self, tid: bytes, ref: bytes, keys: SubjectKeys) -> None:
        with self._lock:
            self._subjects[tid, ref] = (time.monotonic() + self._ttl_s, keys)
            self._subjects.move_to_end((tid, ref))
            while len(self._subjects) > self._entries:
                self._subjects.popitem(last=False)

    def expire(self) -> None:
        """Forget what is past its time; asked once per operation, so entries lie in the order in which they expire."""
        with self._lock:
            _drop_expired(self._subjects)
            _drop_expired(self._tenants)

    def flush(self) -> None:
        """Forget everything: an epoch moved, or something was erased."""
        with self._lock:
            self._subjects.clear()
            self._tenants.clear()

    def wipe(self) -> None:
        """Forget and overwrite everything: the vault closes, or the process forked."""
        with self._lock:
            for _, subject in self._subjects.values():
                subject.wipe()
            for _, tenant in self._tenants.values():
                tenant.wipe()
            self._subjects.clear()
            self._tenants.clear()


def _drop_expired(entries: MutableMapping[_K, tuple[float, _V]]) -> None:
    now = time.monotonic()
    while entries:
        oldest = next(iter(entries))
        if entries[oldest][0] >= now:
            return
        del entries[oldest]


_live_caches: weakref.WeakSet[KeyCache] = weakref.WeakSet()


def _wipe_in_child() -> None:
    for cache in list(_live_caches):
        cache._lock = threading.Lock()  # noqa: SLF001 - the parent's thread may have held it
        cache.wipe()


os.register_at_fork(after_in_child=_wipe_in_child)
