"""Optional detector: presidio-analyzer with its recognisers, a user's, and a model, off the network, closed on failure.

Needs the extra `memvault[presidio]`. Importing Presidio takes seconds and 170 MB (it brings spaCy), which is
why the built-in detector does not. Five things about Presidio are changed here, each because the default is
unsafe:

* `AnalyzerEngine()` downloads a language model when none is installed: it gets an engine without one, or with
  one that is here (presidio_engines.py).
* E-mail checks fetch the public suffix list from the internet: they get the list that ships with tldextract.
* A regex that times out is logged and skipped: here it is a DetectorError. Long texts are analysed in
  windows.
* Its URL regex is quadratic (20 KB can take 13 seconds): URLs are found by the vault's own recogniser.
* Log lines can quote the text: Presidio's logger is silenced.
"""

from __future__ import annotations

import importlib.metadata
import re
import time
from collections.abc import Sequence
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Final

from vault.errors import DetectorError
from vault.redaction.contact import UrlRecogniser
from vault.redaction.interface import DEFAULT_THRESHOLD, Guard, OneByOne
from vault.redaction.models import Model
from vault.redaction.normalise import View
from vault.redaction.presidio_engines import LANGUAGE, analyze, analyzer
from vault.redaction.resolve import resolve
from vault.types import Finding

WINDOW: Final = 8192
OVERLAP: Final = 256

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")


class PresidioDetector(OneByOne):
    """Presidio's recognisers for English over the normalised view; whole words near a match count.

    `model` adds what a spaCy, transformers or GLiNER model finds, `recognisers` are YAML files of patterns. Raises
    ConfigError where the extra, the model or a file is missing. Silences the `presidio-analyzer` logger.
    """

    def __init__(
        self,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        model: Model | None = None,
        recognisers: Sequence[Path] = (),
    ) -> None:
        self._threshold = threshold
        self._analyzer = analyzer(model, recognisers)
        self._engine, self._nlp = self._analyzer.engine, self._analyzer.nlp
        self._urls = UrlRecogniser(threshold=threshold)
        self._presidio: frozenset[str] = frozenset(self._engine.get_supported_entities(LANGUAGE))

    @property
    def entities(self) -> frozenset[str]:
        return self._presidio | self._urls.entities

    @property
    def version(self) -> str:
        digest = sha256()
        for name in (
            "contact.py",
            "context.py",
            "normalise.py",
            "presidio.py",
            "presidio_engines.py",
            "resolve.py",
        ):
            digest.update(resources.files(__package__).joinpath(name).read_bytes())
        release = importlib.metadata.version("presidio-analyzer")
        tuned = "" if self._threshold == DEFAULT_THRESHOLD else f",threshold={self._threshold}"
        return f"presidio-{release}+{digest.hexdigest()[:12]}{self._analyzer.version}{tuned}"

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

    def _analyse(self, view: View, start: int, entities: list[str]) -> list[Finding]:
        """The findings of one window; a value across its end is whole in the next one's overlap."""
        from presidio_analyzer import pattern_recognizer

        text = view.text[max(0, start - OVERLAP) : start + WINDOW]
        shift = max(0, start - OVERLAP)
        started = time.monotonic()
        results = analyze(
            self._analyzer,
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
        """What a spaCy model reads, else tokens with their lower case as lemma: what the context enhancer needs."""
        from presidio_analyzer.nlp_engine import NlpArtifacts

        if self._analyzer.reads:
            read = self._nlp.process_text(text, LANGUAGE)
            if not any(read.lemmas):  # a pipeline without a lemmatiser
                read.lemmas = [token.text.lower() for token in read.tokens]
                read.keywords = NlpArtifacts.set_keywords(self._nlp, read.lemmas, LANGUAGE)
            return read
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
