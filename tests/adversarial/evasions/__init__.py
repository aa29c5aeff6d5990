"""Evasion probes by family. What must not survive stands between ⟦ and ⟧; a list is messages of one add."""

from __future__ import annotations

Probe = str | tuple[str, ...]
