"""Calls that cannot be interrupted: one at a time, a bounded wait, and what becomes of a call nobody waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from vault.errors import KeyProviderError
from vault.keys.bounded import BoundedCalls

THREAD = "memvault-test-calls"


@pytest.fixture
def calls() -> Iterator[BoundedCalls]:
    made = BoundedCalls(THREAD)
    yield made
    made.stop()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def slow(calls: BoundedCalls, *, timeout_s: float) -> str:
    with pytest.raises(KeyProviderError) as caught:
        calls.run(lambda: None, timeout_s)
    assert caught.value.code == "keys.provider_slow"
    return caught.value.message


def test_results_and_errors_come_back(calls: BoundedCalls) -> None:
    assert calls.run(lambda: 6 * 7, 5) == 42
    with pytest.raises(ZeroDivisionError):
        calls.run(lambda: 1 / 0, 5)
    with pytest.raises(TimeoutError):  # of the work itself: not taken for our own
        calls.run(_time_out, 5)
    assert calls.run(threading.current_thread, 5).name == THREAD
    assert calls.abandoned == 0


def _time_out() -> None:
    raise TimeoutError


def test_one_thread_and_one_call_at_a_time(calls: BoundedCalls) -> None:
    running: list[int] = []
    most: list[int] = []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.001)
        running.pop()

    callers = [threading.Thread(target=lambda: [calls.run(work, 30) for _ in range(20)]) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (len(most), max(most), len(threads())) == (160, 1, 1)


def test_a_call_that_hangs_is_given_up_and_the_next_ones_fail_at_once(calls: BoundedCalls) -> None:
    release, late = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(30)
        late.set()

    began = time.monotonic()
    with pytest.raises(KeyProviderError) as caught:
        calls.run(hang, 0.2)
    assert caught.value.code == "keys.provider_slow"
    assert "unknown" in caught.value.message
    assert 0.2 <= time.monotonic() - began < 20
    assert calls.abandoned == 1
    for _ in range(3):
        began = time.monotonic()
        assert "not begun" in slow(calls, timeout_s=10)
        assert time.monotonic() - began < 8
    assert len(threads()) == 1
    release.set()
    assert late.wait(10)
    while calls._pending is not None and not calls._pending.returned:
        time.sleep(0.001)
    assert not hasattr(calls._pending, "_result")  # it may have been a key
    assert calls.run(lambda: "again", 5) == "again"


def test_who_waits_in_vain_for_its_turn_is_never_called(calls: BoundedCalls) -> None:
    begun, release = threading.Event(), threading.Event()
    made: list[str] = []

    def first() -> None:
        begun.set()
        release.wait(30)

    holder = threading.Thread(target=lambda: calls.run(first, 30))
    holder.start()
    assert begun.wait(10)
    with pytest.raises(KeyProviderError):
        calls.run(lambda: made.append("late"), 0.1)
    release.set()
    holder.join()
    assert calls.run(lambda: "after", 5) == "after"
    assert made == []
    assert calls.abandoned == 0


def test_an_interrupted_wait_counts_as_given_up(calls: BoundedCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    from vault.keys import bounded

    def interrupted(job: object, timeout_s: float) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bounded._Job, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            calls.run(lambda: 1, 5)
    assert calls.abandoned == 1


def test_stopping_ends_the_thread_and_the_next_call_starts_one(calls: BoundedCalls) -> None:
    calls.run(lambda: None, 5)
    (thread,) = threads()
    assert thread.daemon  # a call that never returns does not keep the process from ending
    calls.stop()
    thread.join(10)
    assert threads() == []
    assert calls.run(lambda: 1, 5) == 1
    calls.stop()
    calls.stop()
