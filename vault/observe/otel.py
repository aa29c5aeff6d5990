"""For a host with an OpenTelemetry SDK of its own: processors that let nothing through but the vault's catalogue.

The vault has its own way out (`vault.observe.sending`) and never sets or asks for a global provider. Spans and logs
that other instrumentation makes while the vault works (of HTTP clients, of logging) belong to the host's providers:

    provider.add_span_processor(ClosedSpans(BatchSpanProcessor(exporter)))
    logger_provider.add_log_record_processor(ClosedLogs(BatchLogRecordProcessor(log_exporter)))
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status

from vault.observe.guard import NOT_SHOWN
from vault.observe.spoken import is_attribute, is_line, is_span

OTHER: Final = "other"
_RESOURCE: Final = ("service.name", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version")


class ClosedSpans(SpanProcessor):
    """Hands `inner` each ended span without what is not of the catalogue.

    Kept: ids, times, kind, whether it failed, the name and the attributes that the vault's spans can have, and the
    service's name, which is the host's own. Gone: other names and attributes, events with exceptions, links, the
    text of a status, trace state, and what detectors of resources added. `inner` is told of no beginning.
    """

    def __init__(self, inner: SpanProcessor) -> None:
        self._inner = inner

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: a span that begins has attributes already."""

    def on_end(self, span: ReadableSpan) -> None:
        self._inner.on_end(closed(span))

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class ClosedLogs(LogRecordProcessor):
    """Hands `inner` each log record with its time and severity, and its text only where it is an event as a line."""

    def __init__(self, inner: LogRecordProcessor) -> None:
        self._inner = inner

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        said = log_record.log_record
        self._inner.on_emit(
            ReadWriteLogRecord(
                LogRecord(
                    timestamp=said.timestamp,
                    observed_timestamp=said.observed_timestamp,
                    trace_id=said.trace_id,
                    span_id=said.span_id,
                    trace_flags=said.trace_flags,
                    severity_number=said.severity_number,
                    body=said.body if is_line(said.body) else NOT_SHOWN,
                ),
                resource=_resource(log_record.resource),
                instrumentation_scope=_scope(log_record.instrumentation_scope),
            )
        )

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def closed(span: ReadableSpan) -> ReadableSpan:
    """The span with nothing that is not of the catalogue."""
    attributes: Mapping[str, object] = span.attributes or {}
    return ReadableSpan(
        name=span.name if is_span(span.name) else OTHER,
        context=_context(span.context),
        parent=_context(span.parent),
        resource=_resource(span.resource),
        attributes={
            name: value
            for name, value in attributes.items()
            if is_attribute(name, value) and isinstance(value, str | bool | int | float)
        },
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=_scope(span.instrumentation_scope),
    )


def _context(context: SpanContext | None) -> SpanContext | None:
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _resource(resource: Resource | None) -> Resource:
    found = resource.attributes if resource is not None else {}
    return Resource({name: found[name] for name in _RESOURCE if name in found})


def _scope(scope: InstrumentationScope | None) -> InstrumentationScope:
    """Libraries are named by their modules; any other name may hold anything."""
    name = scope.name if scope is not None and scope.name in sys.modules else OTHER
    return InstrumentationScope(name)
