"""Advisory locks between processes and threads, every wait bounded.

A lock belongs to the process that opened it: a child made by fork shares the open file, so that what it locked or
unlocked would be the parent's lock. It is refused, and leaves the parent's locks alone.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vault.errors import StorageError
from vault.files import FILE_MODE, convert_os

_POLL_S: Final = (0.0002, 0.0005, 0.001, 0.002, 0.004)  # back-off between attempts; the last value repeats


class FileLock:
    """An advisory lock on a file: one holder among all threads and processes, not re-entrant, with a bounded wait."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._pid = os.getpid()
        self._threads = threading.Lock()
        self._descriptor: int | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock exclusively; raises StorageError `storage.locked` after the timeout."""
        check_process(self._pid)
        deadline = time.monotonic() + self._timeout_s
        if not self._threads.acquire(timeout=self._timeout_s):
            raise locked()
        try:
            self._lock_file(deadline)
            try:
                yield
            finally:
                _unlock(self._descriptor, self._pid)
        finally:
            self._threads.release()

    def _lock_file(self, deadline: float) -> None:
        if self._descriptor is None:
            self._descriptor = _open(self._path)
        _wait_for_flock(self._descriptor, fcntl.LOCK_EX, deadline)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Lease:
    """A vault-wide pair of lock files: operations share it, a change of keys has it alone. Bounded waits.

    The lock itself is shared or held alone; the gate before it is passed by every newcomer and kept shut by whoever
    waits to be alone, so that a steady stream of operations, from any number of threads and processes, cannot keep
    a rotation waiting for ever.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._pid = os.getpid()
        self._entrance = threading.Lock()  # one thread of this process at the gate
        self._condition = threading.Condition()
        self._sharers = 0
        self._mine = threading.local()  # how often this thread holds the lease
        self._descriptor: int | None = None
        self._gate: int | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Take part in ordinary operation; re-entrant, many at once."""
        check_process(self._pid)
        depth = getattr(self._mine, "depth", 0)
        if depth == 0:
            self._enter(time.monotonic() + self._timeout_s)
        self._mine.depth = depth + 1
        try:
            yield
        finally:
            self._mine.depth = depth
            if depth == 0:
                self._leave()

    def check_process(self) -> None:
        """Raise StorageError `vault.forked` in a child of the process that opened the vault."""
        check_process(self._pid)

    def _enter(self, deadline: float) -> None:
        with self._at_gate(fcntl.LOCK_SH, deadline), self._condition:
            if self._sharers == 0:
                _wait_for_flock(self._opened(), fcntl.LOCK_SH, deadline)
            self._sharers += 1

    def _leave(self) -> None:
        if os.getpid() != self._pid:
            return
        with self._condition:
            self._sharers -= 1
            if self._sharers == 0:
                _unlock(self._descriptor, self._pid)
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only operation of any process; the caller must not hold a share."""
        check_process(self._pid)
        deadline = time.monotonic() + self._timeout_s
        with self._at_gate(fcntl.LOCK_EX, deadline):
            with self._condition:
                remaining = max(0.0, deadline - time.monotonic())
                if not self._condition.wait_for(lambda: self._sharers == 0, remaining):
                    raise locked()
            _wait_for_flock(self._opened(), fcntl.LOCK_EX, deadline)
            self._mine.depth = 1
            try:
                yield
            finally:
                self._mine.depth = 0
                _unlock(self._descriptor, self._pid)

    @contextmanager
    def _at_gate(self, mode: int, deadline: float) -> Iterator[None]:
        if not self._entrance.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise locked()
        try:
            if self._gate is None:
                self._gate = _open(self._path.with_name("gate.lock"))
            _wait_for_flock(self._gate, mode, deadline)
            try:
                yield
            finally:
                _unlock(self._gate, self._pid)
        finally:
            self._entrance.release()

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = _open(self._path)
        return self._descriptor

    def close(self) -> None:
        for descriptor in (self._descriptor, self._gate):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._gate = None


def check_process(pid: int) -> None:
    """Raise StorageError `vault.forked` in any process but the one that opened the vault."""
    if os.getpid() != pid:
        raise StorageError(
            "vault.forked", "this vault was opened before a fork; open it again in this process"
        )


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise convert_os(error) from None


def _unlock(descriptor: int | None, pid: int) -> None:
    if descriptor is not None and os.getpid() == pid:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _wait_for_flock(descriptor: int, mode: int, deadline: float) -> None:
    attempt = 0
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise locked() from None
            time.sleep(_POLL_S[min(attempt, len(_POLL_S) - 1)])
            attempt += 1
        else:
            return


def locked() -> StorageError:
    """The one answer to a lock that did not come free in time."""
    return StorageError("storage.locked", "another process holds the store; nothing was stored, try again")
