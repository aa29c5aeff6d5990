"""Calls and metrics as OpenTelemetry's protocol has them (OTLP 1, protobuf); the messages, and nothing that sends.

Made from the catalogue alone. Names of spans are words of `Action` and `Stage`, attributes are fields of events, a
failed span has a status without a message, and the resource is named here: the environment's additions are not read.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from vault.observe.calls import Call
from vault.observe.events import Value
from vault.observe.meter import BOUNDS, METRICS, Kind, Metric, Reading, Words
from vault.observe.spoken import PREFIX

SCOPE: Final = "memvault"
TYPE: Final = "application/x-protobuf"
CHUNK: Final = 32  # calls made into messages before other threads have their turn
_FAILED: Final = Status(code=Status.STATUS_CODE_ERROR)


def _attribute(name: str, value: Value) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=name, value=AnyValue(double_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=value))


class Messages:
    """Makes requests of one process; all carry the same resource, with a random id that a restart changes."""

    def __init__(self) -> None:
        try:
            number = version("memvault")
        except PackageNotFoundError:  # run from a source tree
            number = "0"
        self._resource = Resource(
            attributes=[
                _attribute("service.name", SCOPE),
                _attribute("service.version", number),
                _attribute("service.instance.id", secrets.token_hex(16)),
            ]
        )
        self._scope = InstrumentationScope(name=SCOPE, version=number)
        self._began = time.time_ns()

    def traces(self, calls: Sequence[Call]) -> bytes:
        """A request with a span per call and one per stage under it."""
        scoped = ScopeSpans(scope=self._scope)
        for position, call in enumerate(calls):
            if position % CHUNK == CHUNK - 1:
                time.sleep(0)  # calls go on in other threads, which wait for the interpreter meanwhile
            _add_spans(scoped, call)
        request = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self._resource, scope_spans=[scoped])]
        )
        return bytes(request.SerializeToString())

    def metrics(self, reading: Reading) -> bytes:
        """A request with everything counted since this process began."""
        now = time.time_ns()
        made = [one for metric in METRICS if (one := self._metric(metric, reading, now)) is not None]
        scoped = metrics_pb2.ScopeMetrics(scope=self._scope, metrics=made)
        request = ExportMetricsServiceRequest(
            resource_metrics=[metrics_pb2.ResourceMetrics(resource=self._resource, scope_metrics=[scoped])]
        )
        return bytes(request.SerializeToString())

    def _metric(self, metric: Metric, reading: Reading, now: int) -> metrics_pb2.Metric | None:
        made = metrics_pb2.Metric(name=metric.name, unit=metric.unit, description=metric.description)
        if metric.kind is Kind.GAUGE:
            value = reading.gauges.get(metric)
            if value is None:
                return None
            made.gauge.data_points.add(time_unix_nano=now, as_double=value)
            return made
        if metric.kind is Kind.COUNTER:
            made.sum.aggregation_temporality = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
            made.sum.is_monotonic = True
            for (of, words), count in reading.counters.items():
                if of is metric:
                    made.sum.data_points.add(
                        start_time_unix_nano=self._began,
                        time_unix_nano=now,
                        as_int=count,
                        attributes=_divided(metric, words),
                    )
            return made if made.sum.data_points else None
        made.histogram.aggregation_temporality = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
        for (of, words), (counts, total, count) in reading.spreads.items():
            if of is metric:
                made.histogram.data_points.add(
                    start_time_unix_nano=self._began,
                    time_unix_nano=now,
                    count=count,
                    sum=total,
                    bucket_counts=counts,
                    explicit_bounds=BOUNDS,
                    attributes=_divided(metric, words),
                )
        return made if made.histogram.data_points else None


def _divided(metric: Metric, words: Words) -> list[KeyValue]:
    return [_attribute(name, word) for name, word in zip(attributes(metric), words, strict=True)]


def attributes(metric: Metric) -> list[str]:
    """The names of a metric's attributes."""
    return [PREFIX + kind.__name__.lower() for kind in metric.by]


def _add_spans(scoped: ScopeSpans, call: Call) -> None:
    trace_id, span_id = call.trace_id.to_bytes(16, "big"), call.span_id.to_bytes(8, "big")
    around = call.around.span_id.to_bytes(8, "big") if call.around is not None else b""
    scoped.spans.add(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=around,
        name=call.action.value,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=call.began,
        end_time_unix_nano=call.began + call.duration_ns,
        attributes=list(_of_call(call)),
        status=_FAILED if call.code is not None else None,
    )
    for number, span in enumerate(call.spans, 1):
        scoped.spans.add(
            trace_id=trace_id,
            span_id=(call.span_id + number & _LAST or 1).to_bytes(8, "big"),
            parent_span_id=span_id,
            name=span.stage.value,
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=call.began + span.began - call.clock,
            end_time_unix_nano=call.began + span.ended - call.clock,
            status=_FAILED if span.failed else None,
        )


_LAST: Final = 2**64 - 1


def _of_call(call: Call) -> Iterator[KeyValue]:
    """The call's event, but for what the span says itself: its name and its duration."""
    for name, value in call.event().fields().items():
        if name not in ("action", "duration"):
            yield _attribute(PREFIX + name, value)
