"""Sends what was counted, from a thread of its own: a call waits for nothing here, and nothing here is kept on disk.

What could not be sent is dropped: there is no queue, and no second try.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from vault.errors import VaultError
from vault.observe.bodies import Interval, bodies
from vault.observe.calls import Call
from vault.observe.catalogue import Unsent
from vault.observe.events import Event
from vault.observe.usage import Calls, Counters, Installation
from vault.observe.words import Receiver, code_of

CLOSE_S: Final = 2.0  # the longest that closing a vault waits for the last sending


class Carrier(Protocol):
    """Brings one body to where it goes."""

    def send(self, body: bytes) -> None:
        """Send it, once; raises EgressError."""

    def close(self) -> None:
        """Give connections up."""


class Once:
    """True the first time it is asked in the life of a process, however many vaults it opens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False

    def first(self) -> bool:
        with self._lock:
            asked, self._asked = self._asked, True
        return not asked


warned: Final = Once()


class Sender:
    """A listener that counts calls, and sends the counts of each interval while `consent` gives an installation id.

    `carrier` and `key` are asked for in the thread, so that opening a vault does not wait for what they load.
    """

    detailed = False  # stages are not asked for

    def __init__(
        self,
        installation: Installation,
        *,
        key: Callable[[], str],
        carrier: Callable[[str], Carrier],
        consent: Callable[[], UUID | None],
        tell: Callable[[Event], None],
        interval_s: float,
        batch: int,
    ) -> None:
        self._installation = installation
        self._key = key
        self._carrier = carrier
        self._consent = consent
        self._tell = tell
        self._interval_s = interval_s
        self._batch = batch
        self._counters = Counters()
        self._interval = _begin()
        self._turn = threading.Lock()  # counters and interval change together
        self._gate = threading.Lock()  # no question to the keystore once the vault closes
        self._ending = threading.Event()
        self._closing = False
        self._last: UUID | None = None
        self._thread = threading.Thread(target=self._run, name="memvault-telemetry", daemon=True)
        self._thread.start()

    def ended(self, call: Call) -> None:
        """See `Listener`: one number for each kind of call."""
        self._counters.count(call)

    def said(self, event: Event) -> None:
        """See `Listener`: nothing but calls is counted."""

    def pending(self, install: UUID) -> list[bytes]:
        """See `Usage`; byte for byte, and everything stays pending."""
        with self._turn:
            events, interval = self._counters.seen(), self._interval
        return self._bodies(events, interval, install, self._key())

    def close(self) -> None:
        """See `Usage`; waits for `CLOSE_S` at the most, and leaves a sending that hangs to its own time-out."""
        with self._gate:
            if self._closing:
                return
            self._closing = True
            self._last = self._consent()
        self._ending.set()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        try:
            key = self._key()
            carrier = self._carrier(key)
        except VaultError as error:
            self._failed(error)
            return
        try:
            while not self._ending.wait(self._interval_s):
                with self._gate:
                    if self._closing:
                        break
                    install = self._consent()
                self._send(carrier, key, install)
            self._send(carrier, key, self._last)
        finally:
            carrier.close()

    def _send(self, carrier: Carrier, key: str, install: UUID | None) -> None:
        with self._turn:
            events, interval = self._counters.take(), self._interval
            self._interval = _begin()
        if install is None:
            return
        try:
            for body in self._bodies(events, interval, install, key):
                carrier.send(body)
        except VaultError as error:
            self._failed(error)

    def _failed(self, error: VaultError) -> None:
        if warned.first():
            self._tell(Unsent(Receiver.POSTHOG, code_of(error)))

    def _bodies(self, calls: list[Calls], interval: Interval, install: UUID, key: str) -> list[bytes]:
        events: list[Event] = [self._installation, *calls]
        return list(bodies(events, key=key, install=install, interval=interval, batch=self._batch))


def _begin() -> Interval:
    return Interval.beginning(datetime.now(UTC))
