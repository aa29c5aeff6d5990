"""Recognisers made of regular expressions, validators and context words, Presidio's predefined ones too.

A regex is compiled on its first use. Before it runs, cheap reasons to skip it are asked: too few digits in
the text, a character every match holds is absent, no cue word where the regex alone would not reach the
threshold. Long texts are scanned in windows, so that no regex sees more than a few thousand characters at
once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vault.redaction.context import Cues, boosted
from vault.redaction.data import pattern_data
from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.national_checks import NATIONAL_CHECKS
from vault.redaction.normalise import View
from vault.redaction.validators import PROVING, VALIDATORS
from vault.types import Finding

PROVEN: Final = 0.99  # the score of a finding whose checksum fits
TOLD: Final = 1.0  # its checksum fits, and a word beside it says what it is
WINDOW: Final = 8192  # characters a regex sees at once, beside the overlap
OVERLAP: Final = 256  # no windowed pattern matches anything longer
CHECKS: Final[Mapping[str, Callable[[str], bool | None]]] = {**VALIDATORS, **NATIONAL_CHECKS}
_PROVES: Final = PROVING | frozenset(NATIONAL_CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One regex and what a match of it is worth.

    `score` is a match's worth alone, `near` its worth with a cue near it (by default Presidio's boost).
    `check` names a validator: refuted matches are dropped, proven ones score PROVEN, with a cue near TOLD; with
    `check_needs_cue` they count only there. A group `value` narrows the finding. `digits` and `chars` are what
    every match holds (a character as often as it is named); `hints` are strings in lower case, `words` whole
    words, of which the text must hold one.
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
    words: frozenset[str] = frozenset()
    flags: int = re.IGNORECASE
    whole: bool = False  # scan the text at once: linear, and matches may be long

    def alone(self) -> float:
        """The most a match can score without a cue."""
        proves = self.check in _PROVES and not self.check_needs_cue
        return PROVEN if proves else self.score


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The rules of one entity, their shared cues, and a `gate` that finds something wherever a rule does.

    `unstructured` rules also apply to a text without digit, @, dotted word or URL.
    """

    name: str
    entity: str
    rules: tuple[Rule, ...]
    cues: tuple[str, ...] = ()
    gate: str = ""
    unstructured: bool = False


def windows(length: int) -> Iterable[tuple[int, int, int]]:
    """(start, end, owned) of each window: it sees up to `end` and reports what begins before `owned`."""
    return ((0, length, length),) if length <= WINDOW + OVERLAP else _windows(length)


def _windows(length: int) -> Iterator[tuple[int, int, int]]:
    start = 0
    while length - start > WINDOW + OVERLAP:
        yield start, start + WINDOW + OVERLAP, start + WINDOW
        start += WINDOW
    yield start, length, length


class PatternRecogniser:
    """Finds one entity by a few rules that share context words."""

    __slots__ = (
        "_compiled",
        "_cues",
        "_gate",
        "_hints",
        "_plan",
        "_set",
        "_threshold",
        "digits",
        "entities",
        "heads",
        "name",
        "only_near",
    )

    def __init__(self, rules: RuleSet, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self.name = rules.name
        self.entities = frozenset((rules.entity,))
        self.digits = -1 if rules.unstructured else min(rule.digits for rule in rules.rules)
        self._set = rules
        self._cues = Cues(rules.cues)
        self.heads = self._cues.heads  # first words of its cues
        self._threshold = threshold
        self._gate: re.Pattern[str] | None = None
        self._compiled: dict[str, tuple[re.Pattern[str], bool]] = {}
        self._plan = [
            (rule, rule.digits, rule.alone() >= threshold, tuple(Counter(rule.chars).items()))
            for rule in rules.rules
        ]
        # Strings of which a text must hold one, if every rule has such; else none.
        self._hints = _shortest(rules.rules) if all(rule.hints for rule in rules.rules) else ()
        # Words of which a text must hold one, if no rule reaches the threshold without a cue; else None.
        self.only_near = None if any(enough for _, _, enough, _ in self._plan) else self._cues.heads

    def words(self) -> frozenset[str]:
        """Words of which a text must hold one for anything to be found; ValueError if there are none such."""
        words: set[str] = set()
        for rule, _, enough, _ in self._plan:
            if rule.words:
                words |= rule.words
            elif not enough and self._cues.heads:
                words |= self._cues.heads
            else:
                raise ValueError(f"{self.name}: {rule.name} needs no word")
        return frozenset(words)

    def find(self, view: View) -> Iterable[Finding]:
        if self._hints and not any(map(view.lower.__contains__, self._hints)):
            return ()
        if self._set.gate and not self._passes(view):
            return ()
        found: list[Finding] = []
        held = view.digits
        cued: bool | None = None
        for rule, digits, enough, needs in self._plan:
            if digits > held:
                continue
            if not enough:
                if cued is None:
                    cued = self._cues.possible(view)
                if not cued:
                    continue
            if _possible(view, rule, needs):
                if cued is None:
                    cued = self._cues.possible(view)
                self._scan(view, rule, cued, found)
        return found

    def _passes(self, view: View) -> bool:
        if self._gate is None:
            self._gate = re.compile(self._set.gate, re.IGNORECASE)
        return self._gate.search(view.text) is not None

    def _scan(self, view: View, rule: Rule, cued: bool, found: list[Finding]) -> None:
        compiled = self._compiled.get(rule.name)
        if compiled is None:
            pattern = re.compile(rule.regex, rule.flags)
            compiled = self._compiled[rule.name] = (pattern, "value" in pattern.groupindex)
        pattern, narrowed = compiled
        check = CHECKS[rule.check] if rule.check else None
        text = view.text
        spans = ((0, len(text), len(text)),) if rule.whole else windows(len(text))
        for start, end, owned in spans:
            for match in pattern.finditer(text, start, end):
                if match.start() >= owned:
                    break
                first, last = match.span("value") if narrowed else match.span()
                verdict = check(text[first:last]) if check else None
                if verdict is False or first == last:
                    continue
                score = PROVEN if verdict and not rule.check_needs_cue else rule.score
                if score < TOLD and cued and self._cues.near(view, first, last):
                    score = TOLD if verdict else boosted(score) if rule.near is None else rule.near
                if score >= self._threshold and score > 0:
                    found.append(Finding(self._set.entity, first, last, score, self._set.name))


def _shortest(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The hints of all rules without those that hold another one."""
    every = {hint for rule in rules for hint in rule.hints}
    return tuple(sorted(hint for hint in every if not any(other in hint for other in every - {hint})))


def _possible(view: View, rule: Rule, needs: tuple[tuple[str, int], ...]) -> bool:
    """False only if no match of the rule can be in the text."""
    for char, least in needs:
        if view.text.count(char) < least:
            return False
    if rule.words and rule.words.isdisjoint(view.words):
        return False
    return not rule.hints or any(map(view.lower.__contains__, rule.hints))


class RuleBook:
    """Many rule sets of which a text needs few: each is asked only where a word of its own is in the text or key.

    Raises ValueError for a set that could match a text without any such word.
    """

    def __init__(self, name: str, sets: Sequence[RuleSet], *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self.name = name
        self.entities = frozenset(rules.entity for rules in sets)
        self._by_word: dict[str, tuple[int, ...]] = {}
        self._recognisers = [PatternRecogniser(rules, threshold=threshold) for rules in sets]
        for index, one in enumerate(self._recognisers):
            for word in one.words():
                self._by_word[word] = (*self._by_word.get(word, ()), index)
        self._words = frozenset(self._by_word)
        # Words that count in a text without digit, @, dotted word or URL.
        self._plain_words = frozenset(
            word for one in self._recognisers if one.digits < 0 for word in one.words()
        )
        self.heads = frozenset(word for one in self._recognisers for word in one.heads)
        self.digits = min(one.digits for one in self._recognisers)

    def find(self, view: View) -> Iterable[Finding]:
        level = view.digits if view.structured else -1
        known = self._words if level >= 0 else self._plain_words
        words = known & view.words
        if view.key_words:
            words |= known.intersection(view.key_words)
        if not words:
            return ()
        found: list[Finding] = []
        for index in sorted({index for word in words for index in self._by_word[word]}):
            one = self._recognisers[index]
            if one.digits <= level:
                found.extend(one.find(view))
        return found


def presidio_rules() -> list[RuleSet]:
    """Presidio's predefined pattern recognisers (patterns.json) as rules of ours."""
    data = pattern_data()
    return [
        RuleSet(
            name=f"presidio.{entry['name']}",
            entity=entry["entity"],
            cues=tuple(entry["context"]),
            gate=entry.get("gate", ""),
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
