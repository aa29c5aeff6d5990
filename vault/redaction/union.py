"""Several detectors as one."""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import ConfigError
from vault.redaction.interface import Detector
from vault.redaction.resolve import resolve
from vault.types import Finding


class UnionDetector:
    """What any of its detectors finds is found; raises what any of them raises."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        if not detectors:
            raise ConfigError("detection.none", "at least one detector is needed")
        self._detectors = tuple(detectors)

    @property
    def entities(self) -> frozenset[str]:
        return frozenset(entity for one in self._detectors for entity in one.entities)

    @property
    def version(self) -> str:
        return " & ".join(one.version for one in self._detectors)

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        return self.batch((text,), (context,), keep=keep)[0]

    def batch(
        self,
        texts: Sequence[str],
        contexts: Sequence[str | None] | None = None,
        *,
        keep: frozenset[str] = frozenset(),
    ) -> list[list[Finding]]:
        return _united(texts, [one.batch(texts, contexts, keep=keep) for one in self._detectors])

    def detect_group(
        self,
        texts: Sequence[str],
        contexts: Sequence[str | None] | None = None,
        *,
        keep: frozenset[str] = frozenset(),
    ) -> list[list[Finding]]:
        return _united(texts, [one.detect_group(texts, contexts, keep=keep) for one in self._detectors])


def _united(texts: Sequence[str], answers: Sequence[list[list[Finding]]]) -> list[list[Finding]]:
    return [
        resolve(text, [found for one in of_text for found in one])
        for text, *of_text in zip(texts, *answers, strict=True)
    ]
