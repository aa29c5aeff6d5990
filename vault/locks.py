"""Advisory locks between processes and threads, every wait bounded."""

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
    """An advisory lock on a file, fair between processes, re-entrant in no way, with a bounded wait."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._threads = threading.Lock()
        self._descriptor: int | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock exclusively; raises StorageError `storage.locked` after the timeout."""
        deadline = time.monotonic() + self._timeout_s
        if not self._threads.acquire(timeout=self._timeout_s):
            raise locked()
        try:
            self._lock_file(deadline)
            try:
                yield
            finally:
                if self._descriptor is not None:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _lock_file(self, deadline: float) -> None:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            except OSError as error:
                raise convert_os(error) from None
        _wait_for_flock(self._descriptor, fcntl.LOCK_EX, deadline)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Lease:
    """A vault-wide lock file: operations share it, a change of a file's key has it alone. Bounded waits."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._condition = threading.Condition()
        self._sharers = 0
        self._alone = False
        self._descriptor: int | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Take part in ordinary operation; re-entrant, many at once."""
        with self._condition:
            if not self._condition.wait_for(lambda: not self._alone, self._timeout_s):
                raise locked()
            if self._sharers == 0:
                self._flock(fcntl.LOCK_SH)
            self._sharers += 1
        try:
            yield
        finally:
            with self._condition:
                self._sharers -= 1
                if self._sharers == 0:
                    self._release()
                    self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only operation of any process; the caller must not hold a share."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._sharers == 0 and not self._alone, self._timeout_s):
                raise locked()
            self._alone = True
            try:
                self._flock(fcntl.LOCK_EX)
            except StorageError:
                self._alone = False
                raise
        try:
            yield
        finally:
            with self._condition:
                self._release()
                self._alone = False
                self._condition.notify_all()

    def _flock(self, mode: int) -> None:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            except OSError as error:
                raise convert_os(error) from None
        _wait_for_flock(self._descriptor, mode, time.monotonic() + self._timeout_s)

    def _release(self) -> None:
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


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
