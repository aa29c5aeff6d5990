"""The vault's detector as a recogniser of Presidio, for applications that hold an `AnalyzerEngine` already.

    registry = RecognizerRegistry(supported_languages=["en"])
    registry.add_recognizer(VaultRecognizer())
    AnalyzerEngine(registry=registry, nlp_engine=NoOpNlpEngine(...), supported_languages=["en"])

Needs the extra `memvault[presidio]`; the vault itself does not import this module. Used with no other recogniser, it
reports the very spans that the vault redacts.
"""

from __future__ import annotations

from typing import Any

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

from vault.redaction.detect import BuiltinDetector
from vault.redaction.interface import Detector

NAME = "VaultRecognizer"


class VaultRecognizer(EntityRecognizer):
    """Finds what a detector finds, in any language Presidio is asked for; raises what the detector raises."""

    def __init__(self, detector: Detector | None = None, *, supported_language: str = "en") -> None:
        self._detector = detector if detector is not None else BuiltinDetector()
        super().__init__(
            supported_entities=sorted(self._detector.entities),
            name=NAME,
            supported_language=supported_language,
            version=self._detector.version,
        )

    def load(self) -> None:
        """Nothing: the detector is whole when it is made."""

    def analyze(
        self, text: str, entities: list[str] | None, nlp_artifacts: Any = None
    ) -> list[RecognizerResult]:
        """The findings; classes that are not asked for are not reported and hide no other."""
        unwanted = self._detector.entities - frozenset(entities) if entities else frozenset[str]()
        return [
            RecognizerResult(
                found.entity,
                found.start,
                found.end,
                float(found.score),
                AnalysisExplanation(recognizer=found.recogniser, original_score=float(found.score)),
            )
            for found in self._detector.detect(text, keep=unwanted)
        ]
