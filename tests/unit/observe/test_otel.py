"""What a host's own OpenTelemetry is given where the vault's processors stand in front of its exporters."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, Status, StatusCode

from vault.observe.otel import ClosedLogs, ClosedSpans

SECRET = "ana.rivera@example.org"


def test_spans_of_others_keep_their_times_and_lose_what_is_not_of_the_catalogue() -> None:
    exporter = InMemorySpanExporter()
    resource = Resource(
        {"service.name": "clinic-backend", "process.command_args": [SECRET], "host.name": SECRET}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(ClosedSpans(SimpleSpanProcessor(exporter)))
    tracer = provider.get_tracer(SECRET, SECRET)
    with tracer.start_as_current_span("parent") as parent:
        span = tracer.start_span(
            f"GET /{SECRET}", attributes={"http.url": SECRET, "memvault.result": SECRET, "memvault.count": 3},
            links=[Link(parent.get_span_context(), {"x": SECRET})],
        )  # fmt: skip
        span.add_event(SECRET, {"x": SECRET})
        span.record_exception(ValueError(SECRET))
        span.set_status(Status(StatusCode.ERROR, SECRET))
        span.end()
        ours = tracer.start_span(
            "memory.add", attributes={"memvault.result": "ok", "memvault.tenant": "0a" * 16}
        )
        ours.end()
    assert provider.force_flush()
    other, kept, _ = exporter.get_finished_spans()
    assert SECRET not in other.to_json() + kept.to_json()
    assert SECRET not in repr(
        (other.instrumentation_scope, other.links, other.events, other.status.description)
    )
    assert (other.name, dict(other.attributes or {})) == ("other", {"memvault.count": 3})
    assert other.status.status_code is StatusCode.ERROR
    assert (kept.name, dict(kept.attributes or {})) == (
        "memory.add", {"memvault.result": "ok", "memvault.tenant": "0a" * 16},
    )  # fmt: skip
    assert other.parent is not None
    assert other.context.trace_id == other.parent.trace_id
    assert dict(other.resource.attributes) == {"service.name": "clinic-backend"}
    assert other.end_time is not None
    provider.shutdown()


class Kept(LogRecordProcessor):
    def __init__(self) -> None:
        self.records: list[Any] = []

    def on_emit(self, log_record: Any) -> None:
        self.records.append(log_record)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def test_log_records_keep_severity_and_a_line_of_ours() -> None:
    kept = Kept()
    provider = LoggerProvider(resource=Resource({"host.name": SECRET}), shutdown_on_exit=False)
    provider.add_log_record_processor(ClosedLogs(kept))
    logger = provider.get_logger(SECRET)
    line = "call action=memory.add result=ok duration=0.001000"
    for body in (SECRET, line, f"{line} {SECRET}", {"x": SECRET}):
        logger.emit(
            LogRecord(
                body=body,
                attributes={"x": SECRET},
                severity_text=SECRET,
                severity_number=SeverityNumber.WARN,
                event_name=SECRET,
            )
        )
    said = [one.log_record for one in kept.records]
    assert [one.body for one in said] == ["not shown", line, "not shown", "not shown"]
    assert all(one.severity_number is SeverityNumber.WARN and not one.attributes for one in said)
    assert SECRET not in repr(
        [(vars(one), one.resource.attributes, one.instrumentation_scope) for one in kept.records]
    )
    assert provider.force_flush()
    provider.shutdown()
    assert logging.getLogger("opentelemetry").filters  # nothing of this is said by the SDK either
