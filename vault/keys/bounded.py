"""Calls into a driver that cannot be interrupted: one thread makes them, in turn, and callers wait a bounded time.

A caller that gives up learns nothing of its call: it goes on in the thread, and its outcome is unknown. Until it has
returned every other call fails at once, because a driver that was told of one thread must not be entered by a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Generic, Literal, TypeVar

from vault.errors import KeyProviderError

T = TypeVar("T")
_STOP: Final = None


class _Job(Generic[T]):
    """One call: made by the thread, awaited by its caller."""

    __slots__ = ("_done", "_error", "_result", "_work", "abandoned", "returned")

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: T
        self.returned = False
        self.abandoned = False  # then the result, which may be a key, is let go of as soon as it is there
        self._error: BaseException | None = None
        self._done = threading.Lock()  # released once, when there is an outcome: cheaper than an Event
        self._done.acquire()

    def make(self) -> None:
        with self:
            result = self._work()
            if not self.abandoned:
                self._result = result

    def __enter__(self) -> None:
        """The call is on: how it ends is for its caller to know, and must not end the thread."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[True]:
        self._error = error  # raised by the caller, in `outcome`
        self.returned = True
        self._done.release()
        return True

    def wait(self, timeout_s: float) -> bool:
        return self._done.acquire(timeout=max(0.0, timeout_s))

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result


class BoundedCalls:
    """The thread and its queue. The thread is started by the first call, and again by the first after `stop`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.abandoned = 0  # calls nobody waited for to the end; what they left behind is unknown
        self.forked()

    def forked(self) -> None:
        """Begin anew in a child process: the parent's thread is not here, and its locks may never be released."""
        self._turn = threading.Lock()
        self._pending: _Job[Any] | None = None
        self._queue: SimpleQueue[_Job[Any] | None] | None = None

    def run(self, work: Callable[[], T], timeout_s: float) -> T:
        """The result of `work`, or what it raised; KeyProviderError `keys.provider_slow` after `timeout_s` seconds.

        The time covers the wait for earlier calls. A call that was not begun in time is never made.
        """
        deadline = time.monotonic() + timeout_s
        if not self._turn.acquire(timeout=timeout_s):
            raise _slow("the key provider is busy with earlier calls; this one was not begun")
        try:
            if self._pending is not None and not self._pending.returned:
                raise _slow("the key provider has not answered an earlier call yet; this one was not begun")
            job = _Job(work)
            self._pending = job
            self._started().put(job)
            try:
                if not job.wait(deadline - time.monotonic()):
                    raise _slow(
                        "the key provider did not answer in time; whether it did what was asked is unknown"
                    )
                self._pending = None
            finally:
                if self._pending is not None:  # out of time, or interrupted while waiting
                    job.abandoned = True
                    self.abandoned += 1
        finally:
            self._turn.release()
        return job.outcome()

    def stop(self) -> None:
        """End the thread once it is idle; a call that hangs keeps it until the process ends."""
        with self._turn:
            if self._queue is not None:
                self._queue.put(_STOP)
                self._queue = None

    def _started(self) -> SimpleQueue[_Job[Any] | None]:
        if self._queue is None:
            self._queue = SimpleQueue()
            # A daemon: a call that never returns must not keep the process from ending.
            threading.Thread(target=_serve, args=(self._queue,), name=self._name, daemon=True).start()
        return self._queue


def _serve(queue: SimpleQueue[_Job[Any] | None]) -> None:
    while True:
        job = queue.get()
        if job is _STOP:
            return
        job.make()
        del job  # an outcome nobody fetched may hold a key: let go of it before waiting for the next


def _slow(message: str) -> KeyProviderError:
    return KeyProviderError("keys.provider_slow", message)
