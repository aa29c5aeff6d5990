"""Spans of the vault in a trace that the host began: children of the host's span, recorded where the host's are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import Span, SpanContext
from support.receivers import OtlpReceiver
from test_sending import collector

from vault import AsyncSession, AsyncVault, Principal, Session, Vault

__all__ = ["collector"]  # a fixture


@pytest.fixture
def traced(make_vault: Callable[..., Vault], collector: OtlpReceiver) -> Vault:
    """A vault, closed, whose configuration names the receiver."""
    vault = make_vault()
    vault.close()
    config = vault.folder / "memvault.toml"
    text = config.read_text()
    assert "\n[otel]\n" in text
    config.write_text(text.replace("\n[otel]\n", f'\n[otel]\nendpoint = "{collector.url}"\n'))
    return vault


def session_of(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


def host(sampler: Sampler = ALWAYS_ON) -> TracerProvider:
    return TracerProvider(sampler=sampler, shutdown_on_exit=False)


def ids(span: Span) -> tuple[bytes, bytes]:
    context: SpanContext = span.get_span_context()
    return context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")


def test_a_call_inside_a_span_of_the_host_is_a_child_of_it(traced: Vault, collector: OtlpReceiver) -> None:
    with Vault.open(traced.folder) as vault:
        session = session_of(vault)
        with host().get_tracer("web").start_as_current_span("GET /chat") as span:
            session.add("Prefers appointments before nine", user_id="pat-42")
        session.search("When are appointments?", user_id="pat-42")
    spans = {one.name: one for one in collector.spans()}
    added, searched = spans["memory.add"], spans["memory.search"]
    assert (added.trace_id, added.parent_span_id) == ids(span)
    assert (spans["seal"].trace_id, spans["seal"].parent_span_id) == (added.trace_id, added.span_id)
    assert searched.parent_span_id == b""
    assert searched.trace_id != added.trace_id


def test_a_trace_that_the_host_does_not_record_has_no_spans_and_metrics_count(
    traced: Vault, collector: OtlpReceiver
) -> None:
    with Vault.open(traced.folder) as vault:
        session = session_of(vault)
        with host(ALWAYS_OFF).get_tracer("web").start_as_current_span("GET /chat"):
            session.add("Prefers appointments before nine", user_id="pat-42")
    assert "memory.add" not in {one.name for one in collector.spans()}
    counted = collector.metrics()["memvault.calls"].sum.data_points
    assert ["memory.add", "ok"] in [
        [word.value.string_value for word in point.attributes] for point in counted
    ]


def test_a_configuration_that_does_not_join_leaves_traces_apart(
    traced: Vault, collector: OtlpReceiver
) -> None:
    config = traced.folder / "memvault.toml"
    config.write_text(config.read_text().replace("\njoin = true\n", "\njoin = false\n"))
    with Vault.open(traced.folder) as vault:
        session = session_of(vault)
        with host(ALWAYS_OFF).get_tracer("web").start_as_current_span("GET /chat"):
            session.add("Prefers appointments before nine", user_id="pat-42")
    assert [one.parent_span_id for one in collector.spans() if one.name == "memory.add"] == [b""]


def test_each_task_is_in_its_own_trace(traced: Vault, collector: OtlpReceiver) -> None:
    tracer = host().get_tracer("web")

    async def handle(session: AsyncSession, number: int) -> tuple[bytes, bytes]:
        with tracer.start_as_current_span("GET /chat") as span:
            await session.add(f"Likes walk {number}", user_id=f"pat-{number}")
        return ids(span)

    async def serve() -> list[tuple[bytes, bytes]]:
        async with await AsyncVault.open(traced.folder) as vault:
            session = await vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
            return await asyncio.gather(*(handle(session, number) for number in range(5)))

    asked = asyncio.run(serve())
    added = [(one.trace_id, one.parent_span_id) for one in collector.spans() if one.name == "memory.add"]
    assert sorted(added) == sorted(asked)
    assert all(a != b for a, b in pairwise(sorted(asked)))
