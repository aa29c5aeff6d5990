"""Counters: what is counted, how it is put, and that there is never more of it than there are words."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from vault import errors
from vault.config import EmbedderChoice, IndexConfig
from vault.observe.calls import Call, Observer
from vault.observe.events import Event
from vault.observe.switches import Switches, environment_allows
from vault.observe.usage import (
    Calls,
    Counters,
    Embedding,
    Index,
    Pack,
    Size,
    Took,
    size_of,
)
from vault.observe.words import Action, Result, result_of

ROOT = Path(__file__).resolve().parents[3]


def test_the_words_are_those_of_the_vault() -> None:
    for words, model, name in ((Embedding, EmbedderChoice, "provider"), (Index, IndexConfig, "adapter")):
        assert {word.value for word in words} == set(model.model_fields[name].annotation.__args__)  # type: ignore[union-attr]
    shipped = {path.parent.name for path in (ROOT / "policies").glob("*/pack.yaml")}
    assert {pack.value for pack in Pack} == shipped | {"own"}


class Counting:
    """A listener that counts, as the sender does."""

    detailed = False

    def __init__(self) -> None:
        self.counters = Counters()

    def ended(self, call: Call) -> None:
        self.counters.count(call)

    def said(self, event: Event) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.mark.parametrize(
    "error", [None, errors.NotFoundError("a.b", "c"), RuntimeError("c"), KeyboardInterrupt()]
)
def test_how_a_call_ended(counting: Counting, error: BaseException | None) -> None:
    observer = Observer([counting])
    if error is None:
        with observer.call("memory.add", "clinic"):
            pass
    else:
        with pytest.raises(type(error)), observer.call("memory.add", "clinic"):
            raise error
    (seen,) = counting.counters.seen()
    wanted = Result.OK if error is None else result_of(error)
    assert (seen.action, seen.result, seen.count) == (Action("memory.add"), wanted, 1)
    assert seen.took in (Took.UNDER_1_MS, Took.UNDER_10_MS)


def test_taking_begins_anew_and_looking_does_not(counting: Counting) -> None:
    observer = Observer()
    observer.tell(counting)
    for _ in range(3):
        with observer.call("memory.get", "clinic"):
            pass
    counters = counting.counters
    assert sum(calls.count for calls in counters.seen()) == 3
    assert counters.seen() == counters.take()
    assert counters.seen() == counters.take() == []


@pytest.mark.parametrize("action", ["telemetry.status", "telemetry.enable"])
def test_calls_about_telemetry_are_not_counted(counting: Counting, action: str) -> None:
    with Observer([counting]).call(action, "clinic"):
        pass
    assert counting.counters.seen() == []


@pytest.mark.parametrize("action", ["memory.sell", "", "pat-42"])
def test_unknown_words_are_one(counting: Counting, action: str) -> None:
    with Observer([counting]).call(action, "clinic"):
        pass
    assert [calls.action for calls in counting.counters.seen()] == [Action.OTHER]


def test_there_are_never_more_counts_than_words() -> None:
    counters = Counters()
    kinds = [(action, result, took) for action in Action for result in Result for took in Took]
    for kind in kinds * 3:
        counters.add(kind)
    assert len(counters.seen()) == len(kinds)
    assert {calls.count for calls in counters.take()} == {3}


def test_many_threads_lose_no_count() -> None:
    counters = Counters()
    kind = (Action("memory.add"), Result.OK, Took.UNDER_1_S)

    def work() -> None:
        for _ in range(2_000):
            counters.add(kind)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.take() == [Calls(*kind, 8_000)]


def test_sizes_are_words() -> None:
    found = [size_of(n) for n in (0, 1, 2, 10, 11, 100, 101, 10**9)]
    assert found == [
        Size.NONE, Size.ONE, Size.UP_TO_10, Size.UP_TO_10, Size.UP_TO_100, Size.UP_TO_100, Size.MORE, Size.MORE,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "allowed"),
    [
        ({}, True),
        *(({"MEMVAULT_TELEMETRY": word}, True) for word in ("on", "1", "TRUE", " yes ")),
        *(({"MEMVAULT_TELEMETRY": word}, False) for word in ("off", "0", "false", "no", "", "ja", "enabled")),
        *(({"DO_NOT_TRACK": word}, False) for word in ("1", "true", "yes", "please")),
        *(({"DO_NOT_TRACK": word}, True) for word in ("", "0", "false")),
        ({"MEMVAULT_TELEMETRY": "on", "DO_NOT_TRACK": "1"}, False),
    ],
)
def test_the_environment_only_switches_off(environment: dict[str, str], allowed: bool) -> None:
    assert environment_allows(environment) is allowed


def test_every_switch_has_to_be_on() -> None:
    names = list(Switches.__dataclass_fields__)
    for bits in range(2 ** len(names)):
        values = {name: bool(bits >> place & 1) for place, name in enumerate(names)}
        switches = Switches(**values)
        assert switches.on is all(values.values())
        assert switches.off() == [name for name, value in values.items() if not value]
