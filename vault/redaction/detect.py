"""The detector that ships: rules, a names model, and every reading of a text that hides something from them.

Rules know identifiers with a form (cards, accounts, ids, contacts, dates, addresses, secrets), the names model
persons, places and organisations in running text. Both see the text and its further readings (views.py); what
is found once is masked at all its mentions (propagate.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Final, Protocol

from vault.redaction.accounts import MOST_AFTER_PLUS, CardRecogniser, IbanRecogniser
from vault.redaction.contact import EmailRecogniser, UrlRecogniser
from vault.redaction.context import NEAR_WORDS
from vault.redaction.fields import FieldRecogniser
from vault.redaction.interface import DEFAULT_THRESHOLD, Guard, Recogniser
from vault.redaction.joins import joins
from vault.redaction.keyed import fields
from vault.redaction.normalise import View, key_words
from vault.redaction.patterns import PROVEN, PatternRecogniser, RuleBook, presidio_rules
from vault.redaction.phone import PhoneRecogniser
from vault.redaction.propagate import propagated
from vault.redaction.resolve import joined, resolve
from vault.redaction.rules import own_recognisers
from vault.redaction.secret_rules import SECRET_RULES
from vault.redaction.views import Reading, readings, unjoined
from vault.redaction.vote import NameVote
from vault.types import Finding

if TYPE_CHECKING:
    from types import EllipsisType

RULES_VERSION: Final = "builtin-2"
_TELEPHONE: Final = frozenset(
    ("phone", "telephone", "tel", "fax", "mobile", "cell", "call", "ring", "dial", "sms")
)
NAME_CLASSES: Final = frozenset(("PERSON", "LOCATION", "ORGANIZATION"))
STRICT_RECALL: Final = 1.5  # lowers the model's "no name" by so many logits
STRICT_THRESHOLD: Final = 0.3

# Modules of this folder that no finding depends on. The version is bound to all others.
_APART: Final = frozenset(
    (
        *(
            "__init__.py",
            "operators.py",
            "generalise.py",
            "shift.py",
            "structure.py",
            "taxonomy.py",
            "union.py",
        ),
        *("models.py", "presidio.py", "presidio_engines.py", "presidio_frame.py", "presidio_operators.py"),
    )
)


# In a reading that is a guess a checksum may fit by chance: alone it convinces only where it is long.
_LONG_CHECKS: Final = frozenset(("CREDIT_CARD", "IBAN_CODE"))


class Names(Protocol):
    """A names model: PERSON, LOCATION and ORGANIZATION in texts; `recall` finds more and errs more."""

    version: str

    def find(self, texts: Sequence[str], *, recall: float = 0.0) -> list[list[Finding]]: ...


@cache
def rules_version() -> str:
    """`builtin-2+` and the first 12 hex digits of SHA-256 over the source and data of every rule and view."""
    digest = sha256()
    for one in _sources():
        data = one.read_bytes()
        digest.update(f"{one.name}\0{len(data)}\0".encode() + data)
    return f"{RULES_VERSION}+{digest.hexdigest()[:12]}"


def _sources() -> list[Traversable]:
    """What findings depend on: every module and data file of this folder but those that stand apart."""
    return sorted(
        (
            one
            for one in resources.files(__package__).iterdir()
            if one.name.endswith((".py", ".json")) and one.name not in _APART
        ),
        key=lambda one: one.name,
    )


@cache
def shipped_names() -> Names:
    """The names model of the package, read and checked once. Raises DetectorError if it is not the pinned one."""
    from vault.redaction.ner import NameModel  # numpy: 0.1 s that rules alone need not pay

    return NameModel.load()


def default_recognisers(threshold: float = DEFAULT_THRESHOLD) -> list[Recogniser]:
    """Every recogniser of the vault, cheap and certain ones first; telephone numbers last, they cost most."""
    return list(_default_recognisers(threshold))


@lru_cache(maxsize=4)  # they keep nothing of a text; every detector of a process may share them
def _default_recognisers(threshold: float) -> tuple[Recogniser, ...]:
    return (
        *(PatternRecogniser(rules, threshold=threshold) for rules in SECRET_RULES),
        EmailRecogniser(threshold=threshold),
        CardRecogniser(threshold=threshold),
        IbanRecogniser(threshold=threshold),
        *(PatternRecogniser(rules, threshold=threshold) for rules in presidio_rules()),
        *own_recognisers(threshold),
        FieldRecogniser(threshold=threshold),
        UrlRecogniser(threshold=threshold),
        PhoneRecogniser(threshold=threshold),
    )


class _Case:
    """One text under examination: its readings that names are looked for in, and what was found so far."""

    __slots__ = ("found", "text", "views")

    def __init__(self, text: str) -> None:
        self.text = text
        self.views: list[View] = []
        self.found: list[Finding] = []  # spans of the original text

    def add(self, view: View, findings: Sequence[Finding], *, names: bool = False) -> None:
        """Note findings of a view that may be reported."""
        for one in findings:
            if isinstance(view, Reading) and not view.counts(one.start, one.end, one.score, touching=names):
                continue
            start, end = view.original(one.start, one.end)
            self.found.append(Finding(one.entity, start, end, one.score, one.recogniser))


class BuiltinDetector:
    """The shipped detector; `extra` recognisers run before telephone numbers are looked for. Thread-safe.

    `names` is a names model, None for rules alone, and by default the one that ships. `strict` looks harder:
    a lower threshold, the model's recall raised, and a vote by titles, kinship and introductions. Findings
    under `threshold` are not reported. Raises InvalidInputError for a lone surrogate, DetectorError when any
    part fails or the text is encoded too deeply: a text that could not be examined is refused.
    """

    def __init__(
        self,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        extra: Sequence[Recogniser] = (),
        names: Names | EllipsisType | None = ...,
        strict: bool = False,
    ) -> None:
        floor = min(threshold, STRICT_THRESHOLD) if strict else threshold
        recognisers = default_recognisers(floor)
        if strict or names is not None:
            recognisers[-1:-1] = [NameVote(threshold=floor, strict=strict)]
        recognisers[-1:-1] = extra
        self._recognisers = [(one.digits, _only_near(one), one.entities, one) for one in recognisers]
        # Those that may find something in a text without digit, @, dotted word or URL.
        self._plain = [entry for entry in self._recognisers if entry[0] < 0]
        keyed = [one for one in recognisers if isinstance(one, FieldRecogniser)]
        self._keyed = [entry for entry in self._recognisers if entry[3] in keyed]
        self._last_words = frozenset(word for one in keyed for word in one.last_words)
        self._key_cues = frozenset(
            word for one in recognisers if isinstance(one, PatternRecogniser | RuleBook) for word in one.heads
        )
        self._names = shipped_names() if isinstance(names, type(...)) else names
        self._recall = STRICT_RECALL if strict else 0.0
        self._extra = "".join(f",{one.name}" for one in extra)
        # What only a key can name is found there, but not claimed: a pack may require it of a detector.
        in_text = [one for one in recognisers if not isinstance(one, FieldRecogniser)]
        self._entities = frozenset(entity for one in in_text for entity in one.entities) | (
            NAME_CLASSES if self._names is not None else frozenset()
        )
        self._threshold = threshold
        self._floor = floor
        self._strict = strict

    @property
    def entities(self) -> frozenset[str]:
        return self._entities

    @property
    def version(self) -> str:
        model = "" if self._names is None else f"+{self._names.version}"
        tuned = "" if self._threshold == DEFAULT_THRESHOLD else f",threshold={self._threshold}"
        return rules_version() + model + tuned + (",strict" if self._strict else "") + self._extra

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
        """The findings of each text; the names of all are looked for at once."""
        found = self._examined(texts, contexts or (None,) * len(texts), keep)
        return [
            resolve_all(text, [*one, *propagated((text,), (one,))[0]]) if one else []
            for text, one in zip(texts, found, strict=True)
        ]

    def detect_group(
        self,
        texts: Sequence[str],
        contexts: Sequence[str | None] | None = None,
        *,
        keep: frozenset[str] = frozenset(),
    ) -> list[list[Finding]]:
        """The findings of consecutive messages: also values split over several, and names found in another."""
        alone = self._examined(texts, contexts or (None,) * len(texts), keep)
        found = [list(one) for one in alone]
        spans = list(joins(texts))
        for join, crossing in zip(
            spans, self._examined([one.text for one in spans], (None,) * len(spans), keep), strict=True
        ):
            for one in resolve(join.text, crossing):
                parts = join.parts(one)
                # "... write to ana@example.org" and "Visits on Mondays": what is whole in one message is not split.
                if not any(_known(alone[number], part) for number, part in parts):
                    for number, part in parts:
                        found[number] += _whole(texts[number], part)
        further = propagated(texts, found)
        return [
            resolve_all(text, [*one, *more]) for text, one, more in zip(texts, found, further, strict=True)
        ]

    def _examined(
        self, texts: Sequence[str], contexts: Sequence[str | None], keep: frozenset[str]
    ) -> list[list[Finding]]:
        """What rules and names find in each text, overlaps and all; spans of the original text."""
        with Guard("the detector") as guard:
            cases = [
                self._case(text, context, keep, guard) for text, context in zip(texts, contexts, strict=True)
            ]
            if self._names is not None and not keep >= NAME_CLASSES:
                guard.name = "the names model"
                self._name(self._names, cases, keep)
            return [case.found for case in cases]
        raise guard.failure()

    def _case(self, text: str, context: str | None, keep: frozenset[str], guard: Guard) -> _Case:
        view = View(text, context=context)
        case = _Case(text)
        self._rules(case, view, keep, guard)
        case.views.append(view)
        for reading in readings(view):
            if reading.rules:
                self._rules(case, reading, keep, guard)
            if reading.names:
                case.views.append(reading)
        return case

    def _rules(self, case: _Case, view: View, keep: frozenset[str], guard: Guard) -> None:
        found = self._find(view, keep, guard, self._recognisers)
        if isinstance(view, Reading) and view.floor:
            found = [one for one in found if self._convincing(view, one)]
        case.add(view, found)
        spaced = unjoined(view)
        if spaced is not None:
            case.add(spaced, self._find(spaced, keep, guard, self._recognisers))
        for key, start, end in fields(view.text, self._wanted):
            value = Reading(view, (), span=(start, end), context=key)
            near = not self._key_cues.isdisjoint(value.key_words)
            found = self._find(value, keep, guard, self._recognisers if near else self._keyed)
            case.add(value, found)

    def _convincing(self, view: View, found: Finding) -> bool:
        """Whether a finding in a guessed reading is more than a checksum that fits: some rule's cue is near."""
        if found.score < PROVEN or found.entity in _LONG_CHECKS:
            return True
        before, after = view.near(found.start, found.end, NEAR_WORDS)
        return not self._key_cues.isdisjoint((*before, *after, *view.key_words))

    def _wanted(self, key: str) -> bool:
        """Whether a value under this key is examined with the key as context."""
        words = key_words(key)
        return bool(words) and (words[-1] in self._last_words or not self._key_cues.isdisjoint(words))

    def _name(self, names: Names, cases: Sequence[_Case], keep: frozenset[str]) -> None:
        """One pass of the names model over every reading of every text."""
        asked = [(case, view) for case in cases for view in case.views if view.text]
        answers = names.find([view.text for _, view in asked], recall=self._recall)
        for (case, view), found in zip(asked, answers, strict=True):
            if found:
                case.add(
                    view,
                    [one for one in found if one.score >= self._floor and one.entity not in keep],
                    names=True,
                )

    def _find(
        self,
        view: View,
        keep: frozenset[str],
        guard: Guard,
        recognisers: Sequence[tuple[int, frozenset[str] | None, frozenset[str], Recogniser]],
    ) -> list[Finding]:
        found: list[Finding] = []
        level = view.digits if view.structured else -1
        if level < 0 and recognisers is self._recognisers:
            recognisers = self._plain
        for digits, only_near, entities, recogniser in recognisers:
            if digits > level or (keep and entities <= keep):
                continue
            if only_near is not None and not view.key_words and only_near.isdisjoint(view.words):
                continue
            guard.name = recogniser.name
            for finding in recogniser.find(view):
                if finding.entity not in keep and not _dialled(view, finding):
                    found.append(finding)
                    if finding.score >= PROVEN:
                        view.claim(finding.start, finding.end)
        return found


def _dialled(view: View, found: Finding) -> bool:
    """Whether what passes for another number is dialled: one in ten has the check digit of a card, or of the NHS.

    Not an NHS number beside a word that says telephone, nor a short card number after a plus.
    """
    if found.score != PROVEN or found.entity not in ("UK_NHS", "CREDIT_CARD"):
        return False
    if found.entity == "CREDIT_CARD":
        plus = view.text[found.start - 1 : found.start] == "+"
        return plus and sum(map(str.isdigit, view.text[found.start : found.end])) <= MOST_AFTER_PLUS
    before, _ = view.near(found.start, found.end, 2)
    return not _TELEPHONE.isdisjoint((*before, *view.key_words))


def _known(found: Sequence[Finding], part: Finding) -> bool:
    """Whether a message alone shows what this part of a finding over several shows."""
    return any(one.entity == part.entity and one.start < part.end and part.start < one.end for one in found)


def resolve_all(text: str, findings: Sequence[Finding]) -> list[Finding]:
    """Findings apart and in order, the parts of one name or address joined."""
    return joined(text, resolve(text, findings))


def _whole(text: str, found: Finding) -> list[Finding]:
    """A finding grown to whole graphemes; nothing if it holds invisible characters alone."""
    view = View(text)
    start, end = view.derived(found.start, found.end)
    if start >= end:
        return []
    return [Finding(found.entity, *view.original(start, end), found.score, found.recogniser)]


def _only_near(recogniser: Recogniser) -> frozenset[str] | None:
    return recogniser.only_near if isinstance(recogniser, PatternRecogniser) else None
