"""A failure at a stage of choice that says all it must not: in its text, its cause, its notes, and by every logger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.canaries import Canaries
from vault.errors import StorageError
from vault.observe import calls
from vault.observe.guard import GUARDED
from vault.observe.words import Stage


class Fault:
    """Raised whenever a call comes to `stage`; `hits` counts how often that was."""

    def __init__(self, stage: Stage, canaries: Canaries, *, ours: bool) -> None:
        self.stage = stage
        self._ours = ours
        self.hits = 0
        self._word = canaries.word("fault word")
        self._fact = canaries.fact("fault fact")

    def strike(self) -> None:
        self.hits += 1
        for name in GUARDED:
            logging.getLogger(name).debug("sending %s", self._fact, extra={"body": self._word})
            logging.getLogger(f"{name}.of_{self.stage.value}").error(self._fact, stack_info=True)
        cause = ValueError(self._fact, {"text": self._fact})
        cause.add_note(self._fact)
        logging.getLogger("httpx").error("request %s failed", self._word, exc_info=cause)
        ours = self._ours and self.hits % 2
        raise (StorageError(self._word, self._fact) if ours else RuntimeError(self._fact)) from cause


@contextmanager
def failing(stage: Stage, canaries: Canaries, *, ours: bool = True) -> Iterator[Fault]:
    """Every call in this process fails at `stage`; every other time with an error of `ours` that holds content."""
    fault, before = Fault(stage, canaries, ours=ours), calls._Timed.__enter__

    def enter(timed: Any) -> None:
        before(timed)
        if timed._stage is stage:
            fault.strike()

    leave = calls._Leaving.__exit__

    def exit_(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        if error is None and self._stage is stage:
            try:
                fault.strike()
            except (
                StorageError,
                RuntimeError,
            ) as struck:  # inside the transaction, which is rolled back by it
                leave(self, type(struck), struck, None)
                raise
        return leave(self, kind, error, trace)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(calls._Timed, "__enter__", enter)
        patched.setattr(calls._Leaving, "__exit__", exit_)
        yield fault


@contextmanager
def coming_to() -> Iterator[set[Stage]]:
    """The stages that calls in this process come to."""
    found: set[Stage] = set()
    before = calls._Timed.__enter__

    def enter(timed: Any) -> None:
        found.add(timed._stage)
        before(timed)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(calls._Timed, "__enter__", enter)
        yield found
