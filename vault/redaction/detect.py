"""The detector that ships: Presidio's patterns and our own rules over one normalised view, with no model.

It knows identifiers with a form (cards, accounts, ids, contacts, dates, addresses, secrets). It does not know
names, places or organisations in running text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

from vault.redaction.accounts import CardRecogniser, IbanRecogniser
from vault.redaction.contact import EmailRecogniser, UrlRecogniser
from vault.redaction.fields import FieldRecogniser
from vault.redaction.interface import DEFAULT_THRESHOLD, Guard, Recogniser
from vault.redaction.normalise import View
from vault.redaction.patterns import PROVEN, PatternRecogniser, presidio_rules
from vault.redaction.phone import PhoneRecogniser
from vault.redaction.resolve import resolve
from vault.redaction.rules import OWN_RULES
from vault.redaction.secret_rules import SECRET_RULES
from vault.types import Finding

RULES_VERSION: Final = "builtin-1"

# What the findings depend on; `version` is bound to these bytes.
_SOURCES: Final = (
    "accounts.py",
    "contact.py",
    "context.py",
    "detect.py",
    "fields.py",
    "normalise.py",
    "patterns.json",
    "patterns.py",
    "phone.py",
    "resolve.py",
    "rules.py",
    "secret_rules.py",
    "validators.py",
)

_JOINED_DIGITS: Final = re.compile(r"\d_|_\d")


@cache
def rules_version() -> str:
    """`builtin-1+` and the first 12 hex digits of SHA-256 over patterns.json and the source of every rule."""
    digest = sha256()
    folder = resources.files(__package__)
    for name in _SOURCES:
        data = folder.joinpath(name).read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return f"{RULES_VERSION}+{digest.hexdigest()[:12]}"


def default_recognisers(threshold: float = DEFAULT_THRESHOLD) -> list[Recogniser]:
    """Every recogniser of the vault, cheap and certain ones first; telephone numbers last, they cost most."""
    return [
        *(PatternRecogniser(rules, threshold=threshold) for rules in SECRET_RULES),
        EmailRecogniser(threshold=threshold),
        CardRecogniser(threshold=threshold),
        IbanRecogniser(threshold=threshold),
        *(PatternRecogniser(rules, threshold=threshold) for rules in presidio_rules()),
        *(PatternRecogniser(rules, threshold=threshold) for rules in OWN_RULES),
        FieldRecogniser(threshold=threshold),
        UrlRecogniser(threshold=threshold),
        PhoneRecogniser(threshold=threshold),
    ]


class BuiltinDetector:
    """The shipped detector; `extra` recognisers run before telephone numbers are looked for. Thread-safe.

    Findings under `threshold` are not reported. Raises InvalidInputError for a lone surrogate, DetectorError
    when any recogniser fails: a text that could not be examined is refused.
    """

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD, extra: Sequence[Recogniser] = ()) -> None:
        recognisers = default_recognisers(threshold)
        recognisers[-1:-1] = extra
        self._recognisers = [(one.digits, _only_near(one), one.entities, one) for one in recognisers]
        self._extra = "".join(f",{one.name}" for one in extra)
        # What only a key can name (PERSON) is found there, but not claimed: a pack may require it of a detector.
        in_text = [one for one in recognisers if not isinstance(one, FieldRecogniser)]
        self._entities = frozenset(entity for one in in_text for entity in one.entities)
        self._threshold = threshold

    @property
    def entities(self) -> frozenset[str]:
        return self._entities

    @property
    def version(self) -> str:
        tuned = "" if self._threshold == DEFAULT_THRESHOLD else f",threshold={self._threshold}"
        return rules_version() + tuned + self._extra

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        view = View(text, context=context)
        with Guard("the detector") as guard:
            found = self._find(view, keep, guard)
            if view.structured and _JOINED_DIGITS.search(view.text):
                # `ssn_536904399`: to a regex an underscore is a letter, to a reader it is a space
                found += self._find(view.with_text(view.text.replace("_", " ")), keep, guard)
            if not found:
                return found
            spans = [Finding(f.entity, *view.original(f.start, f.end), f.score, f.recogniser) for f in found]
            return resolve(text, spans)
        raise guard.failure()

    def batch(self, texts: Sequence[str]) -> list[list[Finding]]:
        """The findings of each text."""
        return [self.detect(text) for text in texts]

    def _find(self, view: View, keep: frozenset[str], guard: Guard) -> list[Finding]:
        found: list[Finding] = []
        level = view.digits if view.structured else -1
        for digits, only_near, entities, recogniser in self._recognisers:
            if digits > level or (keep and entities <= keep):
                continue
            if only_near is not None and not view.key_words and only_near.isdisjoint(view.words):
                continue
            guard.name = recogniser.name
            for finding in recogniser.find(view):
                if finding.entity not in keep:
                    found.append(finding)
                    if finding.score >= PROVEN:
                        view.claim(finding.start, finding.end)
        return found


def _only_near(recogniser: Recogniser) -> frozenset[str] | None:
    return recogniser.only_near if isinstance(recogniser, PatternRecogniser) else None
