"""The whole scrubber, for whoever owns the process: the command line, a service, or a host that asks for it.

Every log record of every logger is reduced when it is made, whatever handlers there are. Warnings and exceptions that
nobody caught, in the main thread, in others, in tasks and in finalisers, become one line without content each.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from vault.observe.guard import BELOW, OWN, TRACE, Said, first, guard, reduce
from vault.observe.lines import LEVELS, EventFormatter, Form, Level, handler, known_logger
from vault.observe.traces import Trace, Where, trace, type_name

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


class Scrubber:
    """What `install` put in place; `remove` puts back what was there. Also a context manager."""

    def __init__(self, *, form: Form, level: Level, stream: TextIO | None) -> None:
        self._handler = handler(form, stream)
        self._level = LEVELS[level]
        self._handler.addFilter(self._wanted)
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.remove()

    def _wanted(self, record: logging.LogRecord) -> bool:
        """What is loud enough, and whatever somebody should have caught."""
        uncaught = isinstance(record, Said) and isinstance(record.what, Trace)
        return uncaught or record.levelno >= self._level

    def speak(self, form: Form, level: Level) -> None:
        """Go on in this form, from this level on."""
        self._level = LEVELS[level]
        self._handler.setFormatter(EventFormatter(form))

    def put(self) -> None:
        """Take over logging and every hook of this process."""
        _active.append(self)
        self._undo.append(lambda: _active.remove(self))
        guard()
        root = logging.getLogger()
        before = logging.getLogRecordFactory()
        logging.setLogRecordFactory(_reduced_by(before))
        self._undo.append(lambda: logging.setLogRecordFactory(before))
        for one in (BELOW, self._handler):
            root.addHandler(one)
            self._undo.append(partial(root.removeHandler, one))
        first(root)
        own = logging.getLogger(OWN)
        level = own.level
        own.setLevel(min(self._level, level or self._level, logging.ERROR))
        self._undo.append(lambda: own.setLevel(level))
        self._replace(warnings, "showwarning", _show_warning)
        self._replace(sys, "excepthook", _uncaught)
        self._replace(threading, "excepthook", _uncaught_in_thread)
        self._replace(sys, "unraisablehook", _unraisable)

    def _replace(self, place: Any, name: str, by: object) -> None:
        before = getattr(place, name)
        setattr(place, name, by)
        self._undo.append(lambda: setattr(place, name, before))

    def remove(self) -> None:
        """Put back what was there before; idempotent."""
        while self._undo:
            self._undo.pop()()


def _reduced_by(factory: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    """A factory whose records hold no text, no argument and no traceback but a reduced one."""

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        info, task = record.exc_info, record.name == "asyncio"
        reduce(record)
        record.name = known_logger(record.name)
        if info and info[1] is not None:
            # What nobody caught in a task or a callback, asyncio logs: unless its loop has a handler of the host's
            setattr(record, TRACE, trace(info[1], Where.TASK if task else Where.LOGGED, info[2]))
        return record

    return made


def say(found: Trace, level: int = logging.ERROR) -> None:
    """One line about an exception, by the logger `memvault`."""
    logger = logging.getLogger(OWN)
    if logger.isEnabledFor(level):
        logger.handle(Said(level, found))


def _uncaught(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    say(trace(error, Where.MAIN, tb), logging.CRITICAL)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        say(trace(args.exc_value, Where.THREAD, args.exc_traceback))


def _unraisable(args: UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        say(trace(args.exc_value, Where.UNRAISABLE, args.exc_traceback))


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    say(Trace(Where.WARNING, (type_name(category),)), logging.WARNING)


_active: list[Scrubber] = []


def speak(form: Form, level: Level) -> None:
    """Let the scrubber of this process, where there is one, write events in this form from this level on."""
    for one in _active[-1:]:
        one.speak(form, level)


def install(*, form: Form = "json", level: Level = "warning", stream: TextIO | None = None) -> Scrubber:
    """Scrub everything this process logs, warns of or dies of; lines go to `stream`, standard error by default.

    For a host that wants it: handlers it has already see reduced records from now on. A loop of asyncio that has an
    exception handler of its own keeps it.
    """
    made = Scrubber(form=form, level=level, stream=stream)
    made.put()
    return made
