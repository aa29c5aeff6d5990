"""The span of the host that a call is made in, by OpenTelemetry's API, so that the vault's spans are part of its trace.

Only two numbers and a flag are read. The host's provider is not asked for anything, and is told nothing.
"""

from __future__ import annotations

from opentelemetry.trace import get_current_span

from vault.observe.calls import Around


def host_span() -> Around | None:
    """The current span of this thread or task; None where there is none."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Around(context.trace_id, context.span_id, context.trace_flags.sampled)
