"""How records are written: JSON lines, or lines for people. Light to import: a command that fails at once needs it."""

from __future__ import annotations

import json
import logging
import sys
import time
from functools import lru_cache
from typing import Any, Final, Literal, TextIO

from vault.observe.guard import GUARDED, TRACE, Said, shown, spoken
from vault.observe.traces import Trace

Form = Literal["json", "console"]
Level = Literal["off", "error", "warning", "info", "debug"]

LEVELS: Final[dict[str, int]] = {
    "off": logging.CRITICAL + 10,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class EventFormatter(logging.Formatter):
    """One line per record. What is no event of ours is a line that says who spoke, and not what."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {"time": _time(record.created), "level": record.levelname.lower()}
        if isinstance(record, Said):
            name, fields = spoken(record.what)
            said |= {"event": name, **fields}
        else:
            said |= {"event": "log", "logger": known_logger(record.name), **_trace(record)}
        if self._json:
            return _as_json(said)
        rest = " ".join(f"{name}={shown(value)}" for name, value in said.items() if name not in _FIRST)
        return f"{said['time']} {said['level']:<7} {said['event']} {rest}".rstrip()


_as_json: Final = json.JSONEncoder(separators=(",", ":")).encode
_FIRST: Final = frozenset({"time", "level", "event"})


def _trace(record: logging.LogRecord) -> dict[str, object]:
    found = vars(record).get(TRACE)
    return found.said() if isinstance(found, Trace) else {}


def _time(seconds: float) -> str:
    whole, rest = divmod(int(seconds * 1_000), 1_000)
    return f"{_second(whole)}.{rest:03d}Z"


@lru_cache(4)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def known_logger(name: str) -> str:
    """A logger's name where it is that of a loaded module; others may hold anything."""
    return name if name in sys.modules or name in ("root", "py.warnings", *GUARDED) else "other"


class EventHandler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream; what fails while it writes is not told about with what was written."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, at once."""
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
        except (OSError, ValueError):  # a full disk, a closed stream: the call that is told of is done
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Nothing: logging's own would print the record."""


def handler(form: Form = "json", stream: TextIO | None = None) -> logging.Handler:
    """A handler for events, to be put on the logger `memvault` or on the root logger."""
    made = EventHandler(stream)
    made.setFormatter(EventFormatter(form))
    return made
