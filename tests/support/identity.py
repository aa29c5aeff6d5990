"""Protections taken away, so that the tests that count leaks and crossings are seen to fail. Never shipped."""

from __future__ import annotations

import sys

import pytest

from vault.redaction.detect import BuiltinDetector
from vault.redaction.interface import OneByOne
from vault.types import Finding


class IdentityDetector(OneByOne):
    """Claims every class of the detector that ships, and finds nothing."""

    entities = BuiltinDetector().entities
    version = "identity"

    def __init__(self, **_options: object) -> None:
        """Takes whatever the detector that ships takes."""

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        return []


def without_sealing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores what a record holds as it is: every flow hands back what it should seal or open."""
    from vault.flows import bodies

    def seal_value(
        tenant: object, subject: object, use: str, identity: bytes, version: int, data: bytes
    ) -> bytes:
        return data

    def open_values(
        tenant: object, subject: object, use: str, items: list[tuple[bytes, int, bytes]]
    ) -> list[bytes]:
        return [blob for _, _, blob in items]

    replaced = {
        bodies.seal_value: seal_value,
        bodies.open_value: seal_value,
        bodies.open_values: open_values,
    }
    for name, module in list(sys.modules.items()):
        if name.startswith("vault.flows."):
            for attribute in ("seal_value", "open_value", "open_values"):
                if getattr(module, attribute, None) in replaced:
                    monkeypatch.setattr(module, attribute, replaced[getattr(module, attribute)])
