"""Presidio's analyzer, put together from what is on this machine: its own recognisers, a user's, one model.

What Presidio would fetch is refused instead: models are loaded from where `models.locate` finds them, the public suffix
list is the one that ships with tldextract, and the hub's clients are told to stay offline.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from vault.errors import ConfigError, DetectorError
from vault.redaction.context import NEAR_WORDS
from vault.redaction.interface import Guard
from vault.redaction.models import Model, fingerprint, locate, required_module

LANGUAGE: Final = "en"
# spaCy's labels that name no person, place, group or time: quantities, works, languages
_IGNORED: Final = (
    *("CARDINAL", "EVENT", "LANGUAGE", "LAW", "MISC", "MONEY"),
    *("ORDINAL", "PERCENT", "PRODUCT", "QUANTITY", "WORK_OF_ART"),
)
_GLINER: Final[Mapping[str, str]] = {
    "person": "PERSON",
    "location": "LOCATION",
    "organization": "ORGANIZATION",
    "date": "DATE_TIME",
    "address": "STREET_ADDRESS",
    "nationality, religion or political group": "NRP",
}


@dataclass(frozen=True, slots=True)
class Analyzer:
    """An analyzer, its language engine, whether that one reads texts, and what tells it from others."""

    engine: Any
    nlp: Any
    reads: bool
    version: str


def analyzer(model: Model | None, recognisers: Sequence[Path]) -> Analyzer:
    """Presidio with its predefined recognisers, those of YAML files, and a model.

    Raises ConfigError: presidio.missing without the extra, models.missing and models.runtime for a model that is not
    here, presidio.recognisers for a file that does not load. Silences the `presidio-analyzer` logger.
    """
    os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""  # read once, when tldextract is imported
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    place = None if model is None else locate(model)
    try:
        import presidio_analyzer as presidio
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
    except ImportError:
        raise ConfigError(
            "presidio.missing", "the detector `presidio` needs the extra memvault[presidio]"
        ) from None
    logging.getLogger("presidio-analyzer").addFilter(_drop)
    spacy_model = place if model is not None and model.kind == "spacy" else None
    nlp = _spacy(spacy_model) if spacy_model is not None else _nothing()
    registry = presidio.RecognizerRegistry(supported_languages=[LANGUAGE])
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=nlp)
    registry.remove_recognizer("UrlRecognizer")
    registry.remove_recognizer("EmailRecognizer")
    registry.add_recognizer(_offline_email())
    if model is not None and place is not None and model.kind != "spacy":
        registry.add_recognizer(_recogniser(model, place))
    parts = [
        *([] if model is None else [fingerprint(model)]),
        *(_add_from(path, registry) for path in recognisers),
    ]
    engine = presidio.AnalyzerEngine(
        registry=registry, nlp_engine=nlp, supported_languages=[LANGUAGE], default_score_threshold=0.0
    )
    # Set afterwards: the constructor warns that this enhancer finds no words with no engine; we bring the words.
    engine.context_aware_enhancer = LemmaContextAwareEnhancer(
        context_prefix_count=NEAR_WORDS, context_suffix_count=NEAR_WORDS, context_matching_mode="whole_word"
    )
    return Analyzer(engine, nlp, spacy_model is not None, "".join(f",{part}" for part in parts))


def _nothing() -> Any:
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    nlp = NoOpNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": "none"}])
    nlp.load()
    return nlp


def _spacy(place: str) -> Any:
    """Presidio's spaCy engine around a pipeline that is loaded here: its own `load` would download a missing one."""
    import spacy
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    settings = NerModelConfiguration(labels_to_ignore=_IGNORED)
    settings.model_to_presidio_entity_mapping = {
        **(settings.model_to_presidio_entity_mapping or {}),
        "FAC": "LOCATION",
    }
    nlp: Any = SpacyNlpEngine(
        models=[{"lang_code": LANGUAGE, "model_name": place}], ner_model_configuration=settings
    )
    try:
        nlp.nlp = {LANGUAGE: spacy.load(place)}
    except (OSError, ValueError):
        raise ConfigError("models.broken", "a spaCy model does not load in this version of spaCy") from None
    return nlp


def _recogniser(model: Model, place: str) -> Any:
    """A loaded recogniser around a transformers or GLiNER model."""
    required_module(model.kind)
    from presidio_analyzer.predefined_recognizers import GLiNERRecognizer, HuggingFaceNerRecognizer

    try:
        if model.kind == "gliner":
            return GLiNERRecognizer(
                model_name=place,
                entity_mapping=dict(_GLINER),
                supported_language=LANGUAGE,
                local_files_only=True,
            )
        found: Any = HuggingFaceNerRecognizer(model_name=place, supported_language=LANGUAGE)
        found.load()
    except (OSError, ValueError, ImportError):
        raise ConfigError("models.broken", f"a {model.kind} model does not load") from None
    found.ner_pipeline = _Loud(found.ner_pipeline)
    return found


class Unread(BaseException):
    """A model failed on a text. Not an Exception: Presidio swallows those, and reports that it found nothing."""


class _Loud:
    """A pipeline whose failures reach the detector."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self.tokenizer = getattr(pipeline, "tokenizer", None)

    def __call__(self, text: str) -> Any:
        with Guard("a model"):
            return self._pipeline(text)
        raise Unread  # out here it carries nothing of what failed


def analyze(analyzer: Analyzer, **asked: Any) -> Any:
    """The analyzer's results. Raises DetectorError where a model failed."""
    try:
        return analyzer.engine.analyze(**asked)
    except Unread:
        raise DetectorError("detector.failed", "a model failed; the text was not examined") from None


def _add_from(path: Path, registry: Any) -> str:
    """Add the pattern recognisers of a file in Presidio's YAML form; answers what tells the file from others."""
    import yaml

    broken = ConfigError(
        "presidio.recognisers", "a file of Presidio recognisers cannot be read or is not valid"
    )
    try:
        data = path.read_bytes()
        entries = yaml.safe_load(data)["recognizers"]
        for entry in entries:
            registry.add_pattern_recognizer_from_dict(entry)
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError, AttributeError):
        raise broken from None
    return f"recognisers-{sha256(data).hexdigest()[:12]}"


def _offline_email() -> Any:
    from presidio_analyzer.predefined_recognizers import EmailRecognizer
    from tldextract import TLDExtract

    extract = TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return bool(extract(pattern_text).fqdn)

    return OfflineEmailRecognizer()


def _drop(record: logging.LogRecord) -> bool:
    return False
