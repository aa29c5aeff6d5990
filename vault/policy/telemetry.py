"""telemetry.yaml of a pack and of those it extends: one that forbids it wins, and so do the most approvals."""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import PolicyInvalidError
from vault.policy.decide import Policy, Telemetry
from vault.policy.model import TelemetryFile


def combine_telemetry(name: str, given: TelemetryFile | None, parents: Sequence[Policy]) -> Telemetry:
    """The telemetry part of pack `name`. Raises PolicyInvalidError policy.relaxed."""
    own = given or TelemetryFile()
    both = " and ".join(parent.name for parent in parents)
    allowed = all(parent.telemetry.allowed for parent in parents)
    approvals = max((parent.telemetry.approvals for parent in parents), default=0)
    if own.allowed and not allowed:
        raise _relaxed(f"allowed: pack {name} allows what {both} forbids")
    if own.approvals is not None and own.approvals < approvals:
        raise _relaxed(f"approvals: pack {name} asks for fewer than {both}")
    return Telemetry(
        allowed=allowed and own.allowed is not False,
        approvals=approvals if own.approvals is None else own.approvals,
    )


def _relaxed(what: str) -> PolicyInvalidError:
    return PolicyInvalidError("policy.relaxed", f"telemetry.yaml: {what}")
