"""The detectors that `benchmarks.detection` compares: ours, and Presidio with its predefined recognisers.

Presidio runs as its documentation sets it up, but on a blank spaCy pipeline, because a language model is a
download: nothing is left out that comes with the package. Its e-mail check gets the public suffix list that ships
with tldextract, so that it opens no connection.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, Protocol

from vault.types import Finding


class System(Protocol):
    """A detector under its name; `batch` is its own way to do several texts, `together` the messages of one call."""

    name: str

    def detect(self, text: str) -> list[Finding]: ...

    def batch(self, texts: Sequence[str]) -> list[list[Finding]]: ...

    def together(self, texts: Sequence[str]) -> list[list[Finding]]: ...


class Ours:
    """The built-in detector as `memvault init` sets it up."""

    def __init__(self) -> None:
        from vault.redaction.detect import BuiltinDetector

        detector = BuiltinDetector()
        self.name = "memvault"
        self.version = detector.version
        self.entities = detector.entities
        self.detect = detector.detect
        self.batch = detector.batch
        self.together = detector.detect_group


class Presidio:
    """AnalyzerEngine with predefined recognisers on a blank English pipeline; results under `least` are dropped."""

    def __init__(self, least: float = 0.0) -> None:
        os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""  # read once, when tldextract is imported
        import presidio_analyzer
        import spacy
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

        logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)

        quiet = NerModelConfiguration(labels_to_ignore=["O"])
        models = [{"lang_code": "en", "model_name": "blank"}]
        nlp: Any = SpacyNlpEngine(models=models, ner_model_configuration=quiet)
        nlp.nlp = {"en": spacy.blank("en")}  # instead of load(), which would download a model
        registry = presidio_analyzer.RecognizerRegistry(supported_languages=["en"])
        registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
        self._engine = presidio_analyzer.AnalyzerEngine(
            registry=registry, nlp_engine=nlp, supported_languages=["en"], default_score_threshold=least
        )
        self._batch: Any = presidio_analyzer.BatchAnalyzerEngine(self._engine)
        self.name = "Presidio" if least == 0.0 else f"Presidio, score {least} and more"

    def detect(self, text: str) -> list[Finding]:
        return _findings(self._engine.analyze(text=text, language="en"))

    def batch(self, texts: Sequence[str]) -> list[list[Finding]]:
        return [_findings(found) for found in self._batch.analyze_iterator(list(texts), language="en")]

    def together(self, texts: Sequence[str]) -> list[list[Finding]]:
        return [self.detect(text) for text in texts]


def _findings(results: Sequence[Any]) -> list[Finding]:
    found = (Finding(one.entity_type, one.start, one.end, one.score, "presidio") for one in results)
    return sorted(found, key=lambda one: (one.start, one.end))


SYSTEMS = {"ours": Ours, "presidio": Presidio}
