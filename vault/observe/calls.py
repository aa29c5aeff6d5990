"""What is under way: each call of the vault, its stages, and who is told when it ends.

With nobody listening a call costs one attribute and a stage one look-up. With listeners, durations are gathered in a
list while the call runs, and every listener is told once, after it ended: none of them can slow or break a stage.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from datetime import timedelta
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Final, NamedTuple, Protocol

from vault.errors import IntegrityViolationError
from vault.observe.catalogue import Alarmed, Called, Detected, Staged
from vault.observe.events import Event, Pseudo
from vault.observe.pseudonyms import Names
from vault.observe.words import Action, Code, Result, Stage, action_of, code_of, entity_of, result_of

MOST_SPANS: Final = 256  # of one call; what goes through more stages, a bulk write, keeps the first


class Span(NamedTuple):
    """A stage as it was timed, on the clock of `perf_counter_ns`."""

    stage: Stage
    began: int
    ended: int
    failed: bool


class Around(NamedTuple):
    """What a call is made in, as W3C Trace Context has it: a trace, the span of it, and whether that is recorded."""

    trace_id: int
    span_id: int
    sampled: bool


class Listener(Protocol):
    """Somebody who is told of every call when it ended, on the thread that made it; it returns at once."""

    detailed: bool  # whether stages and detections are wanted

    def ended(self, call: Call) -> None: ...

    def said(self, event: Event) -> None:
        """An event that belongs to no call's own list: an alarm, the state of upkeep, a receiver that fails."""

    def close(self) -> None: ...


class Call:
    """One call while it runs, and after: what listeners read."""

    __slots__ = (
        "_observer", "_outer", "_tenant", "action", "around", "began", "clock", "code", "count", "detailed",
        "duration_ns", "hits", "result", "span_id", "spans", "tenant", "trace_id",
    )  # fmt: skip

    def __init__(self, observer: Observer, action: str, tenant: str) -> None:
        self._observer = observer
        self._tenant = tenant
        self.action: Action = action_of(action)
        self.count: int | None = None
        self.code: Code | None = None
        self.result = Result.OK
        self.spans: list[Span] = []
        self.hits: Counter[str] = Counter()
        self.tenant: Pseudo | None = None
        self.duration_ns = 0
        self.detailed = observer.detailed
        self._outer: Call | None = None
        self.around: Around | None = None
        self.trace_id = self.span_id = 0

    def __enter__(self) -> None:
        self._outer = outer = _current.get()
        _current.set(self)
        if self.detailed:
            around = outer.inside if outer is not None else None
            self.around = around or self._observer.around()
            self.trace_id = self.around.trace_id if self.around is not None else _number(128)
            self.span_id = _number(64)
        self.began = time_ns()
        self.clock = perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.duration_ns = perf_counter_ns() - self.clock
        _current.set(self._outer)
        if error is not None:
            self.result, self.code = result_of(error), code_of(error)
        self.tenant = self._observer.pseudonym(self._tenant)
        self._observer.ended(self)
        if isinstance(error, IntegrityViolationError):
            self._observer.say(Alarmed(self.action, self.code, self.tenant))

    @property
    def sampled(self) -> bool:
        """Whether its trace is recorded: as the host decided, where the host began it."""
        return self.around is None or self.around.sampled

    @property
    def inside(self) -> Around | None:
        """What a call is made in that this one makes; None where nobody wants spans."""
        return Around(self.trace_id, self.span_id, self.sampled) if self.span_id else None

    @property
    def ended_at(self) -> float:
        """In seconds since 1970."""
        return (self.began + self.duration_ns) / 1e9

    def events(self) -> Iterable[Event]:
        """Everything there is to say of it: its detections and stages, then the call."""
        for entity, count in self.detected().items():
            yield Detected(entity_of(entity), count)
        for span in self.spans:
            yield Staged(self.action, span.stage, _duration(span.ended - span.began), span.failed)
        yield self.event()

    def event(self) -> Called:
        return Called(
            self.action, self.result, _duration(self.duration_ns), self.code, self.count, self.tenant
        )

    def detected(self) -> Counter[str]:
        """Detections by the word of their class: classes that are not ours are one."""
        found: Counter[str] = Counter()
        for entity, count in self.hits.items():
            found[entity_of(entity).value] += count
        return found


_current: ContextVar[Call | None] = ContextVar("memvault_call", default=None)
_NOTHING: Final = nullcontext()


def _number(bits: int) -> int:
    """An id that tells one trace from another; no secret, and never 0, which means that there is none."""
    return random.getrandbits(bits) or 1


def _duration(nanoseconds: int) -> timedelta:
    return timedelta(microseconds=nanoseconds / 1_000)


class _Timed:
    """One run of a stage."""

    __slots__ = ("_began", "_call", "_stage")

    def __init__(self, call: Call, stage: Stage) -> None:
        self._call = call
        self._stage = stage

    def __enter__(self) -> None:
        self._began = perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if len(self._call.spans) < MOST_SPANS:
            self._call.spans.append(Span(self._stage, self._began, perf_counter_ns(), kind is not None))


def stage(which: Stage) -> AbstractContextManager[None]:
    """Times what runs inside it as a stage of the call under way."""
    call = _current.get()
    return _Timed(call, which) if call is not None and call.detailed else _NOTHING


class _Leaving:
    """A manager whose way out is a stage, where nothing failed inside."""

    __slots__ = ("_manager", "_stage")

    def __init__(self, which: Stage, manager: AbstractContextManager[None]) -> None:
        self._stage = which
        self._manager = manager

    def __enter__(self) -> None:
        self._manager.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if error is not None:
            return self._manager.__exit__(kind, error, trace)
        with stage(self._stage):
            return self._manager.__exit__(None, None, None)


def leaving(which: Stage, manager: AbstractContextManager[None]) -> AbstractContextManager[None]:
    """The same manager; what it does at its end, such as a commit, is timed as a stage."""
    return manager if _current.get() is None else _Leaving(which, manager)


def detected(entities: Iterable[str]) -> None:
    """The detector reported values of these classes."""
    call = _current.get()
    if call is not None and call.detailed:
        call.hits.update(entities)


class Observer:
    """Tells its listeners; one of each open vault."""

    def __init__(
        self,
        listeners: Sequence[Listener] = (),
        names: Names | None = None,
        around: Callable[[], Around | None] = lambda: None,
    ) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._names = names
        self.around = around
        self._measured: dict[str, int] = {}
        self.on = self.detailed = False
        self.tell(*listeners)

    def tell(self, *more: Listener) -> None:
        """Tell these too, of calls that begin from here on."""
        self._listeners += more
        self.on = bool(self._listeners)
        self.detailed = any(one.detailed for one in self._listeners)

    def call(self, action: str, tenant: str) -> AbstractContextManager[None]:
        """Watches one call from here on."""
        return Call(self, action, tenant) if self.on else _NOTHING

    def prepare(self) -> None:
        """Once per call, while the keystore may be read: see that tenants' names have stand-ins."""
        if self.on and self._names is not None:
            self._names.prepare()

    def pseudonym(self, tenant: str) -> Pseudo | None:
        """What stands for a tenant's name; None while the keystore could not be read."""
        return self._names.tenant(tenant) if self._names is not None else None

    def ended(self, call: Call) -> None:
        for one in self._listeners:
            one.ended(call)

    def say(self, event: Event) -> None:
        for one in self._listeners:
            one.said(event)

    def alarm(self, action: str, tenant: str) -> None:
        """Something was not what the vault wrote, and the call goes on without it."""
        if self.on:
            self.say(Alarmed(action_of(action), None, self.pseudonym(tenant)))

    def due(self, tenant: str) -> bool:
        """Whether a tenant's upkeep was not looked at in the last minute; asked, it counts as looked at."""
        if not self.detailed:
            return False
        now = perf_counter_ns()
        if now - self._measured.get(tenant, now - _LOOK_NS) < _LOOK_NS:
            return False
        if len(self._measured) >= _MOST_TENANTS:
            self._measured.clear()
        self._measured[tenant] = now
        return True

    def close(self) -> None:
        """Tell what is still waiting, for a second at most; idempotent."""
        for one in self._listeners:
            one.close()
        if self._names is not None:
            self._names.close()


_LOOK_NS: Final = 60_000_000_000
_MOST_TENANTS: Final = 4_096


def counted(count: int) -> None:
    """What the call under way is about: so many memories, values or entries."""
    call = _current.get()
    if call is not None:
        call.count = (call.count or 0) + count
