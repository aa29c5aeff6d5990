"""A receiver that works, and receivers that hang, reset or fail: the vault goes on as if there were none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from support.receivers import OtlpReceiver, receiving

from vault.door import Door
from vault.observe import sending
from vault.observe.calls import Observer, stage
from vault.observe.catalogue import Alarmed, Measured, Resumed, Unsent
from vault.observe.events import Event
from vault.observe.meter import METRICS, Kind
from vault.observe.sending import MOST_WAITING, OtlpListener
from vault.observe.words import Action, Code, Receiver, Stage


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSE_S", 0.02)
    monkeypatch.setattr(sending, "LONGEST_PAUSE_S", 0.05)


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with receiving(OtlpReceiver()) as receiver:
        yield receiver


class Told(list[Event]):
    """What the log was told."""


def listener(
    receiver: OtlpReceiver, told: Told, *, timeout_s: float = 0.3, metrics: bool = True
) -> OtlpListener:
    door = Door(receiver.url, ca=None, proxy=None, loopback=True, timeout_s=timeout_s)
    return OtlpListener(door, {"x-key": "k"}, traces=True, metrics=metrics, interval_s=0.05, tell=told.append)


def calls(observer: Observer, count: int) -> None:
    for _ in range(count):
        with observer.call("memory.add", "t"), stage(Stage.SEAL):
            pass


def until(true: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def test_spans_and_metrics_arrive_once_and_add_up(collector: OtlpReceiver) -> None:
    told = Told()
    observer = Observer([listener(collector, told, timeout_s=5)])
    calls(observer, 700)
    with pytest.raises(ValueError, match="x"), observer.call("memory.search", "t"), stage(Stage.FIND):
        raise ValueError("x")
    observer.say(Alarmed(Action("memory.get"), Code("records.changed")))
    observer.say(Measured(7, 2, key_age=timedelta(days=3), checkpoint_age=timedelta(seconds=5),
                          archive_age=timedelta(0), backup_age=timedelta(hours=1)))  # fmt: skip
    observer.close()
    spans = collector.spans()
    assert len(spans) == 1402
    assert len({span.span_id for span in spans}) == 1402
    parents = {span.span_id: span for span in spans if not span.parent_span_id}
    assert len(parents) == 701
    for span in spans:
        if span.parent_span_id:
            parent = parents[span.parent_span_id]
            assert span.trace_id == parent.trace_id
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano
    assert sum(span.status.code == 2 and not span.status.message for span in spans) == 2
    metrics = collector.metrics()
    assert set(metrics) == {metric.name for metric in METRICS} - {
        "memvault.items", "memvault.detections", "memvault.unsent.calls",
    }  # fmt: skip
    counted = {
        tuple(one.value.string_value for one in point.attributes): point.as_int
        for point in metrics["memvault.calls"].sum.data_points
    }
    assert counted == {("memory.add", "ok"): 700, ("memory.search", "failed"): 1}
    (spread,) = [p for p in metrics["memvault.stage.duration"].histogram.data_points if p.count == 700]
    assert sum(spread.bucket_counts) == 700
    assert metrics["memvault.outbox.depth"].gauge.data_points[0].as_double == 7
    assert 5 <= metrics["memvault.checkpoint.age"].gauge.data_points[0].as_double < 60
    assert all(metric.kind in Kind for metric in METRICS)
    assert all(one.headers["content-type"] == "application/x-protobuf" for one in collector.requests)
    assert told == []


@pytest.mark.parametrize("bad", [{"hang_s": 2.0}, {"status": 500}, {"reset": True}])
def test_a_bad_receiver_costs_nothing_is_said_once_and_forgets_little(
    bad: dict[str, float], collector: OtlpReceiver
) -> None:
    told = Told()
    for name, value in bad.items():
        setattr(collector, name, value)
    made = listener(collector, told)
    observer = Observer([made])
    began = time.perf_counter()
    calls(observer, MOST_WAITING + 3_000)
    assert time.perf_counter() - began < 10
    until(lambda: told)
    assert len(made._waiting) <= MOST_WAITING + sending.BATCH
    time.sleep(0.5)
    (warning,) = told
    assert isinstance(warning, Unsent)
    assert warning.receiver is Receiver.OTLP
    assert warning.code.value.startswith("egress.")
    collector.hang_s, collector.status, collector.reset = 0.0, 200, False
    until(lambda: len(told) == 2)
    resumed = told[1]
    assert isinstance(resumed, Resumed)
    until(lambda: not made._waiting)
    observer.close()
    calls_told = sum(not span.parent_span_id for span in collector.spans())
    assert resumed.dropped > 0
    assert calls_told + resumed.dropped >= MOST_WAITING  # nothing vanishes uncounted
    total = sum(p.as_int for p in collector.metrics()["memvault.calls"].sum.data_points)
    assert total == MOST_WAITING + 3_000  # metrics add up whatever happened


def test_closing_waits_a_second_at_most(collector: OtlpReceiver) -> None:
    collector.hang_s = 30
    observer = Observer([listener(collector, Told(), timeout_s=60)])
    calls(observer, 10)
    time.sleep(0.1)
    began = time.perf_counter()
    observer.close()
    assert time.perf_counter() - began < 15


def test_nothing_listening_there_is_one_warning_too() -> None:
    told = Told()
    with receiving(OtlpReceiver()) as receiver:
        pass
    observer = Observer([listener(receiver, told)])
    calls(observer, 5)
    until(lambda: told)
    observer.close()
    assert [event.name for event in told] == ["unsent"]
