"""Events as log records, by one logger, `memvault`.

A record is made of an event and holds nothing else. Whether and where it is written is the host's choice, with the
standard library's means; `vault.observe.handler` has the two forms of lines.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections import deque
from typing import Final

from vault.observe.calls import Call
from vault.observe.catalogue import Alarmed, Called, Measured, Resumed, Unsent
from vault.observe.events import Event
from vault.observe.guard import OWN, Said
from vault.observe.lines import LEVELS, Level
from vault.observe.words import Result

_OF_RESULT: Final = {
    Result.INTEGRITY: logging.ERROR,
    Result.FAILED: logging.ERROR,
    Result.UNAVAILABLE: logging.WARNING,
}
_OF_EVENT: Final[dict[type[Event], int]] = {
    Alarmed: logging.ERROR,
    Unsent: logging.WARNING,
    Resumed: logging.WARNING,
    Measured: logging.DEBUG,
}


MOMENT_S: Final = 0.25
MOST_WAITING: Final = 1_024  # calls; whoever finds so many writes them


def level_of(event: Event) -> int:
    """How loud an event is: alarms and bugs are errors, what cannot be had is a warning, stages are for debugging."""
    if isinstance(event, Called):
        return _OF_RESULT.get(event.result, logging.INFO)
    return _OF_EVENT.get(type(event), logging.DEBUG)


class LogListener:
    """Hands events to the logger, from `level` on.

    Calls that ended well wait a moment and are written by a thread of its own: beside a call of a millisecond, making a
    line of it on the spot costs several percent. Whatever is louder is written at once, behind those that wait, and
    so is everything where stages are written too. A process that is killed loses the lines of its last moment.
    """

    def __init__(self, level: Level) -> None:
        self._logger = logging.getLogger(OWN)
        self._level = LEVELS[level]
        if level != "off" and not 0 < self._logger.level <= self._level:
            self._logger.setLevel(
                self._level
            )  # of our own logger: the root's is the host's, and often higher
        self.detailed = self._level <= logging.DEBUG
        self._waiting: deque[Call] = deque()
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        _live.add(self)

    def ended(self, call: Call) -> None:
        if self.detailed and self._logger.isEnabledFor(logging.DEBUG):
            for event in call.events():
                self.said(event)
        elif call.code is not None:
            self.said(call.event())
        elif self._level <= logging.INFO:
            self._waiting.append(call)
            if self._thread is None:
                self._start()
            if len(self._waiting) >= MOST_WAITING:
                self.flush()

    def said(self, event: Event) -> None:
        loud = level_of(event)
        if loud >= self._level and self._logger.isEnabledFor(loud):
            self.flush()
            self._logger.handle(Said(loud, event))

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        with self._writing:
            wanted = self._logger.isEnabledFor(logging.INFO)
            while self._waiting:
                call = self._waiting.popleft()
                if wanted:
                    self._logger.handle(Said(logging.INFO, call.event(), call.ended_at))

    def _start(self) -> None:
        with self._writing:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="memvault-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(MOMENT_S):
            self.flush()

    def leave(self) -> None:
        """In a child made by fork: what waits is the parent's to write, and so was the lock."""
        self._waiting.clear()
        self._writing = threading.Lock()

    def close(self) -> None:
        """Write what waits; the thread ends."""
        self._closing.set()
        self.flush()


_live: weakref.WeakSet[LogListener] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    for one in list(_live):
        one.flush()


def _leave_in_child() -> None:
    for one in list(_live):
        one.leave()


os.register_at_fork(after_in_child=_leave_in_child)
