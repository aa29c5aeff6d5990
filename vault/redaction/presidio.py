"""Optional detector: presidio-analyzer's predefined recognisers, off the network and closed on failure.

Needs the extra `memvault[presidio]`. Importing Presidio takes seconds and 170 MB (it brings spaCy), which is
why the built-in detector does not. Five things about Presidio are changed here, each because the default is
unsafe:

* `AnalyzerEngine()` downloads a language model when none is installed: it gets an engine without one.
* E-mail checks fetch the public suffix list from the internet: they get the list that ships with tldextract.
* A regex that times out is logged and skipped: here it is a DetectorError. Long texts are analysed in
  windows.
* Its URL regex is quadratic (20 KB can take 13 seconds): URLs are found by the vault's own recogniser.
* Log lines can quote the text: Presidio's logger is silenced.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import re
import time
from hashlib import sha256
from importlib import resources
from typing import Any, Final

from vault.errors import ConfigError, DetectorError
from vault.redaction.contact import UrlRecogniser
from vault.redaction.context import NEAR_WORDS
from vault.redaction.interface import DEFAULT_THRESHOLD, Guard
from vault.redaction.normalise import View
from vault.redaction.resolve import resolve
from vault.types import Finding

LANGUAGE: Final = "en"
WINDOW: Final = 8192
OVERLAP: Final = 256

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")


class PresidioDetector:
    """Presidio's default recognisers for English over the normalised view; whole words near a match count.

    Raises ConfigError where the extra is not installed. Silences the `presidio-analyzer` logger.
    """

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold
        self._engine, self._nlp = _engine()
        self._urls = UrlRecogniser(threshold=threshold)
        self._presidio: frozenset[str] = frozenset(self._engine.get_supported_entities(LANGUAGE))

    @property
    def entities(self) -> frozenset[str]:
        return self._presidio | self._urls.entities

    @property
    def version(self) -> str:
        digest = sha256()
        for name in ("contact.py", "context.py", "normalise.py", "presidio.py", "resolve.py"):
            digest.update(resources.files(__package__).joinpath(name).read_bytes())
        release = importlib.metadata.version("presidio-analyzer")
        tuned = "" if self._threshold == DEFAULT_THRESHOLD else f",threshold={self._threshold}"
        return f"presidio-{release}+{digest.hexdigest()[:12]}{tuned}"

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        view = View(text, context=context)
        entities = sorted(self._presidio - keep)
        with Guard("presidio") as guard:
            found = [one for one in self._urls.find(view) if one.entity not in keep]
            if entities:
                for start in range(0, max(len(view.text), 1), WINDOW):
                    found += self._analyse(view, start, entities)
            return resolve(
                text,
                [Finding(f.entity, *view.original(f.start, f.end), f.score, f.recogniser) for f in found],
            )
        raise guard.failure()

    def batch(self, texts: list[str]) -> list[list[Finding]]:
        """The findings of each text."""
        return [self.detect(text) for text in texts]

    def _analyse(self, view: View, start: int, entities: list[str]) -> list[Finding]:
        """The findings of one window; a value across its end is whole in the next one's overlap."""
        from presidio_analyzer import pattern_recognizer

        text = view.text[max(0, start - OVERLAP) : start + WINDOW]
        shift = max(0, start - OVERLAP)
        started = time.monotonic()
        results = self._engine.analyze(
            text=text,
            language=LANGUAGE,
            entities=entities,
            context=list(view.key_words),
            score_threshold=self._threshold,
            nlp_artifacts=self._artifacts(text),
        )
        # A regex that gives up does so silently, after this long: a quicker analysis was a whole one.
        if time.monotonic() - started >= pattern_recognizer.REGEX_TIMEOUT_SECONDS:
            raise DetectorError("detector.timeout", "a Presidio pattern timed out; the text was not examined")
        return [
            Finding(one.entity_type, shift + one.start, shift + one.end, one.score, "presidio")
            for one in results
        ]

    def _artifacts(self, text: str) -> Any:
        """Tokens with their lower case as lemma: what the context enhancer needs, and no model."""
        from presidio_analyzer.nlp_engine import NlpArtifacts

        tokens = [(match.group(), match.start()) for match in _TOKEN.finditer(text)]
        words: Any = [token for token, _ in tokens]
        return NlpArtifacts(
            entities=[],
            tokens=words,  # the enhancer asks for their length only
            tokens_indices=[at for _, at in tokens],
            lemmas=[word.lower() for word in words],
            nlp_engine=self._nlp,
            language=LANGUAGE,
        )


def _engine() -> tuple[Any, Any]:
    os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""  # read once, when tldextract is imported
    try:
        import presidio_analyzer as presidio
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
        from presidio_analyzer.nlp_engine import NoOpNlpEngine
    except ImportError:
        raise ConfigError(
            "presidio.missing", "the detector `presidio` needs the extra memvault[presidio]"
        ) from None
    logging.getLogger("presidio-analyzer").addFilter(_drop)
    nlp = NoOpNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": "none"}])
    nlp.load()
    registry = presidio.RecognizerRegistry(supported_languages=[LANGUAGE])
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=nlp)
    registry.remove_recognizer("UrlRecognizer")
    registry.remove_recognizer("EmailRecognizer")
    registry.add_recognizer(_offline_email())
    engine = presidio.AnalyzerEngine(
        registry=registry, nlp_engine=nlp, supported_languages=[LANGUAGE], default_score_threshold=0.0
    )
    # Set afterwards: the constructor warns that this enhancer finds no words with this engine; we bring the
    # words.
    engine.context_aware_enhancer = LemmaContextAwareEnhancer(
        context_prefix_count=NEAR_WORDS, context_suffix_count=NEAR_WORDS, context_matching_mode="whole_word"
    )
    return engine, nlp


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
