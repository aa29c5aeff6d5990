"""What the vault says about itself: one catalogue of events, and the logs, traces, metrics and telemetry that speak it.

Nothing here can hold content: an event's fields are enumerations, numbers, durations and keyed pseudonyms (G2).
`install` is for the owner of a process; the vault itself never touches the host's root logger or hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vault.observe.lines import handler
    from vault.observe.scrub import install

__all__ = ["handler", "install"]


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: whoever does not install it does not pay for it."""
    if name == "install":
        from vault.observe.scrub import install

        return install
    if name == "handler":
        from vault.observe.lines import handler

        return handler
    raise AttributeError(name)
