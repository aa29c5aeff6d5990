"""Events as log records, by one logger, `memvault`.

A record is made of an event and holds nothing else. Whether and where it is written is the host's choice, with the
standard library's means; `vault.observe.handler` has the two forms of lines.
"""

from __future__ import annotations

import logging
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


def level_of(event: Event) -> int:
    """How loud an event is: alarms and bugs are errors, what cannot be had is a warning, stages are for debugging."""
    if isinstance(event, Called):
        return _OF_RESULT.get(event.result, logging.INFO)
    return _OF_EVENT.get(type(event), logging.DEBUG)


class LogListener:
    """Hands events to the logger, from `level` on."""

    def __init__(self, level: Level) -> None:
        self._logger = logging.getLogger(OWN)
        self._level = LEVELS[level]
        if level != "off" and not 0 < self._logger.level <= self._level:
            self._logger.setLevel(
                self._level
            )  # of our own logger: the root's is the host's, and often higher
        self.detailed = self._level <= logging.DEBUG

    def ended(self, call: Call) -> None:
        if self.detailed and self._logger.isEnabledFor(logging.DEBUG):
            for event in call.events():
                self.said(event)
        else:
            loud = _OF_RESULT.get(call.result, logging.INFO)
            if loud >= self._level and self._logger.isEnabledFor(loud):
                self._write(loud, call.event())

    def said(self, event: Event) -> None:
        loud = level_of(event)
        if loud >= self._level and self._logger.isEnabledFor(loud):
            self._write(loud, event)

    def _write(self, level: int, event: Event) -> None:
        self._logger.handle(Said(level, event))

    def close(self) -> None:
        """Nothing waits here."""
