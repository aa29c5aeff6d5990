"""Recognisers made of regular expressions, validators and context words; Presidio's predefined ones among them.

A regex is compiled on its first use. Before it runs, cheap reasons to skip it are asked: too few digits in the text,
a character every match holds is absent, no cue word where the regex alone would not reach the threshold. Long texts
are scanned in windows, so that no regex sees more than a few thousand characters at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vault.redaction.context import Cues, boosted
from vault.redaction.data import pattern_data
from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.redaction.validators import PROVING, VALIDATORS
from vault.types import Finding

PROVEN: Final = 1.0  # the score of a finding whose checksum fits
WINDOW: Final = 8192  # characters a regex sees at once, beside the overlap
OVERLAP: Final = 256  # no windowed pattern matches anything longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One regex and what a match of it is worth.

    `score` is a match's worth alone, `near` its worth with a cue near it (by default Presidio's boost). `check` names
    a validator: refuted matches are dropped, proven ones score 1.0, with `check_needs_cue` only where a cue is near.
    A group `value` narrows the finding. `digits` and `chars` are what every match holds, `hints` are lower-case
    strings of which the text must hold one.
    """

    name: str
    regex: str
    score: float
    near: float | None = None
    check: str | None = None
    check_needs_cue: bool = False
    digits: int = 0
    chars: str = ""
    hints: tuple[str, ...] = ()
    flags: int = re.IGNORECASE
    whole: bool = False  # scan the text at once: linear, and matches may be long

    def alone(self) -> float:
        """The most a match can score without a cue."""
        proves = self.check in PROVING and not self.check_needs_cue
        return PROVEN if proves else self.score


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The rules of one entity with their shared cues; `unstructured` ones also apply to text without any digit."""

    name: str
    entity: str
    rules: tuple[Rule, ...]
    cues: tuple[str, ...] = ()
    unstructured: bool = False


def windows(length: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, owned end) of each window: it sees up to `end` and reports matches that begin before `owned end`."""
    start = 0
    while length - start > WINDOW + OVERLAP:
        yield start, start + WINDOW + OVERLAP, start + WINDOW
        start += WINDOW
    yield start, length, length


class PatternRecogniser:
    """Finds one entity by a few rules that share context words."""

    __slots__ = ("_compiled", "_cues", "_set", "_threshold")

    def __init__(self, rules: RuleSet, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._set = rules
        self._cues = Cues(rules.cues)
        self._threshold = threshold
        self._compiled: dict[str, tuple[re.Pattern[str], bool]] = {}

    @property
    def name(self) -> str:
        return self._set.name

    @property
    def entities(self) -> frozenset[str]:
        return frozenset((self._set.entity,))

    def find(self, view: View) -> Iterable[Finding]:
        if not self._set.unstructured and not view.structured:
            return ()
        found: list[Finding] = []
        cued: bool | None = None
        for rule in self._set.rules:
            if view.digits < rule.digits or (rule.hints and not _holds_hint(view, rule)):
                continue
            if rule.chars and not all(char in view.text for char in rule.chars):
                continue
            if cued is None:
                cued = self._cues.possible(view)
            if cued or rule.alone() >= self._threshold:
                self._scan(view, rule, cued, found)
        return found

    def _scan(self, view: View, rule: Rule, cued: bool, found: list[Finding]) -> None:
        compiled = self._compiled.get(rule.name)
        if compiled is None:
            pattern = re.compile(rule.regex, rule.flags)
            compiled = self._compiled[rule.name] = (pattern, "value" in pattern.groupindex)
        pattern, narrowed = compiled
        check = VALIDATORS[rule.check] if rule.check else None
        spans = ((0, len(view.text), len(view.text)),) if rule.whole else windows(len(view.text))
        for start, end, owned in spans:
            for match in pattern.finditer(view.text, start, end):
                if match.start() >= owned:
                    break
                first, last = match.span("value") if narrowed else match.span()
                verdict = check(view.text[first:last]) if check else None
                if verdict is False or first == last:
                    continue
                score = PROVEN if verdict and not rule.check_needs_cue else rule.score
                if score < PROVEN and cued and self._cues.near(view, match.start(), match.end()):
                    score = PROVEN if verdict else boosted(score) if rule.near is None else rule.near
                if score >= self._threshold and score > 0:
                    found.append(Finding(self._set.entity, first, last, score, self._set.name))


def _holds_hint(view: View, rule: Rule) -> bool:
    text = view.lower
    return any(hint in text for hint in rule.hints)


def presidio_rules() -> list[RuleSet]:
    """Presidio's predefined pattern recognisers (patterns.json) as rules of ours."""
    data = pattern_data()
    return [
        RuleSet(
            name=f"presidio.{entry['name']}",
            entity=entry["entity"],
            cues=tuple(entry["context"]),
            rules=tuple(
                Rule(
                    name=raw["name"],
                    regex=raw["regex"],
                    score=raw["score"],
                    check=entry.get("validator"),
                    check_needs_cue=entry.get("checksum_needs_context", False),
                    digits=raw.get("digits", 0),
                    chars=raw.get("chars", ""),
                    flags=data["flags"],
                )
                for raw in entry["patterns"]
            ),
        )
        for entry in data["recognisers"]
    ]
