"""Counters: what is counted, how it is put, and that there is never more of it than there are words."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from vault import errors
from vault.config import EmbedderChoice, IndexConfig
from vault.observe.switches import Switches, environment_allows
from vault.observe.usage import (
    OFF,
    Action,
    Calls,
    Counters,
    Embedding,
    Index,
    Pack,
    Result,
    Size,
    Took,
    size_of,
)
from vault.policy.decide import ACTIONS

ROOT = Path(__file__).resolve().parents[3]


def test_the_words_are_those_of_the_vault() -> None:
    assert {action.value for action in Action} == {
        name for name in ACTIONS if not name.startswith("telemetry.")
    }
    for words, model, name in ((Embedding, EmbedderChoice, "provider"), (Index, IndexConfig, "adapter")):
        assert {word.value for word in words} == set(model.model_fields[name].annotation.__args__)  # type: ignore[union-attr]
    shipped = {path.parent.name for path in (ROOT / "policies").glob("*/pack.yaml")}
    assert {pack.value for pack in Pack} == shipped | {"own"}


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, Result.OK),
        (errors.DeniedError("a.b", "c"), Result.DENIED),
        (errors.PurposeDeniedError("a.b", "c"), Result.DENIED),
        (errors.NotFoundError("a.b", "c"), Result.NOT_FOUND),
        (errors.HeldError("a.b", "c"), Result.REFUSED),
        (errors.RejectedError("a.b", "c"), Result.REFUSED),
        (errors.InvalidInputError("a.b", "c"), Result.REFUSED),
        (errors.ConflictError("a.b", "c"), Result.REFUSED),
        (errors.StorageError("a.b", "c"), Result.ERROR),
        (RuntimeError("c"), Result.ERROR),
        (KeyboardInterrupt(), Result.ERROR),
    ],
)
def test_how_a_call_ended(error: BaseException | None, result: Result) -> None:
    counters = Counters()
    if error is None:
        with counters.counted("memory.add"):
            pass
    else:
        with pytest.raises(type(error)), counters.counted("memory.add"):
            raise error
    (seen,) = counters.seen()
    assert (seen.action, seen.result, seen.count) == (Action.MEMORY_ADD, result, 1)
    assert seen.took in (Took.UNDER_1_MS, Took.UNDER_10_MS)


def test_taking_begins_anew_and_looking_does_not() -> None:
    counters = Counters()
    for _ in range(3):
        with counters.counted("memory.get"):
            pass
    assert sum(calls.count for calls in counters.seen()) == 3
    assert counters.seen() == counters.take()
    assert counters.seen() == counters.take() == []


@pytest.mark.parametrize("action", ["telemetry.status", "telemetry.enable", "memory.sell", "", "pat-42"])
def test_calls_about_telemetry_and_unknown_words_are_not_counted(action: str) -> None:
    counters = Counters()
    with counters.counted(action), OFF.counted(action):
        pass
    assert counters.seen() == []


def test_there_are_never_more_counts_than_words() -> None:
    counters = Counters()
    kinds = [(action, result, took) for action in Action for result in Result for took in Took]
    for kind in kinds * 3:
        counters.add(kind)
    assert len(counters.seen()) == len(kinds) == len(Action) * 5 * 6
    assert {calls.count for calls in counters.take()} == {3}


def test_many_threads_lose_no_count() -> None:
    counters = Counters()
    kind = (Action.MEMORY_ADD, Result.OK, Took.UNDER_1_S)

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
