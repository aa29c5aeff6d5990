"""Sends calls and metrics to a receiver of OTLP, from a thread of its own: a call hands over one object and goes on.

What waits is bounded; what does not fit is counted and left out. A receiver that hangs, fails or is away costs the
vault nothing but this thread's time, and one warning. Metrics add up in this process, so none are lost meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from vault.door import Door
from vault.errors import EgressError
from vault.observe.calls import Call
from vault.observe.catalogue import Resumed, Unsent
from vault.observe.events import Event
from vault.observe.meter import Meter
from vault.observe.otlp import TYPE, Messages
from vault.observe.words import Receiver, code_of

MOST_WAITING: Final = 4_096  # calls
BATCH: Final = 512
PAUSE_S: Final = 2.0  # between looks at what waits
LONGEST_PAUSE_S: Final = 60.0  # while the receiver fails
CLOSE_S: Final = 1.0  # for what waits when the vault closes
_ANSWER_BYTES: Final = 64 * 1024
_TRIES: Final = 3  # of one batch
_DOUBLINGS: Final = 5  # of the pause, while the receiver fails


class OtlpListener:
    """A listener for one open vault; its thread starts with the first call."""

    detailed = True

    def __init__(
        self,
        door: Door,
        headers: Mapping[str, str],
        *,
        traces: bool,
        metrics: bool,
        interval_s: float,
        tell: Callable[[Event], None],
    ) -> None:
        self._door = door
        self._headers = {**headers, "content-type": TYPE}
        self._traces = traces
        self._metrics = metrics
        self._interval_s = interval_s
        self._tell = tell
        self._meter = Meter()
        self._messages = Messages()
        self._waiting: deque[Call] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._failures = 0
        self._dropped = 0

    # --- on the threads of calls -------------------------------------------------------------------------------------

    def ended(self, call: Call) -> None:
        if self._metrics:
            self._meter.ended(call)
        if self._traces and call.sampled:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(call)
            else:
                self._dropped += 1
        if self._thread is None:
            self._start()

    def said(self, event: Event) -> None:
        self._meter.said(event)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="memvault-otlp", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Send what waits, for a second at most; what is not sent by then stays unsent."""
        self._closing = True
        self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join(CLOSE_S)
        else:
            self._door.close()

    # --- on its own thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        next_metrics = time.monotonic() + min(PAUSE_S, self._interval_s)
        while not self._closing:
            self._wake.wait(min(LONGEST_PAUSE_S, PAUSE_S * 2 ** min(self._failures, _DOUBLINGS)))
            self._send_calls()
            if self._metrics and time.monotonic() >= next_metrics and not self._closing:
                next_metrics = time.monotonic() + self._interval_s
                self._send_metrics()
        self._send_calls()
        if self._metrics:
            self._send_metrics()
        self._door.close()

    def _send_metrics(self) -> None:
        self._sent("/v1/metrics", self._messages.metrics(self._meter.read()))

    def _send_calls(self) -> None:
        """Everything that waits; stops at the first failure, for then the rest would fail too."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            body = self._messages.traces(batch)
            if not self._sent("/v1/traces", body):
                if self._failures <= _TRIES and not self._closing:
                    self._waiting.extendleft(reversed(batch))  # once more, later
                else:
                    self._dropped += len(batch)
                return

    def _sent(self, path: str, body: bytes) -> bool:
        try:
            self._door.send(path, body, self._headers, most_bytes=_ANSWER_BYTES)
        except EgressError as error:
            self._failures += 1
            if self._failures == 1:
                self._tell(Unsent(Receiver.OTLP, code_of(error)))
            return False
        if self._failures:
            event = Resumed(Receiver.OTLP, self._dropped)
            self._failures = self._dropped = 0
            self._meter.said(event)
            self._tell(event)
        return True
