"""Detection and redaction of everything a write carries; nothing else turns caller text into stored text.

Phase one (`Draft`) runs outside the transaction: normalise, detect, decide an operator per finding. Phase two
(`finish`) runs inside it: tokens and shifted dates are assigned, and the final text, name and metadata are rendered.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vault.errors import DetectorError
from vault.flows.tokens import TokenMap
from vault.observe.calls import detected, stage
from vault.observe.words import Stage
from vault.policy.decide import Policy
from vault.redaction.interface import Detector
from vault.redaction.operators import (
    TOKEN_ALPHABET,
    TOKEN_LENGTH,
    Redacted,
    coarse,
    escape_tokens,
    find_tokens,
    label_of,
    marker,
    plan,
    shifted,
    unescape_tokens,
)
from vault.redaction.resolve import resolve
from vault.redaction.structure import walk_metadata
from vault.types import Finding, Metadata

if TYPE_CHECKING:
    from vault.flows.context import Stages

Segments = Sequence["str | Redacted"]

_ANY_TOKEN: Final = TOKEN_ALPHABET[0] * TOKEN_LENGTH
UNEXAMINED: Final = "UNEXAMINED"  # the class of a whole field that no detector could look at


@dataclass(frozen=True, slots=True)
class Material:
    """What one memory is to hold. `own` says which tokens are the subject's and stay; `settled` is a stored text.

    Both are for text that was read from the vault: a date of `settled` was moved when it was stored, and is not
    moved again.
    """

    text: str
    name: str | None = None
    metadata: Metadata | None = None
    own: Callable[[str], bool] | None = None
    settled: str | None = None


@dataclass(slots=True)
class Draft:
    """One memory on its way in: planned segments."""

    text: Segments
    name: Segments | None
    metadata: Metadata
    planned: dict[tuple[str, str | None], Segments]

    @property
    def changes(self) -> Counter[str]:
        """What becomes another text, by class; what an operator leaves as it is does not count."""
        return Counter(part.entity for part in self._redacted() if part.replacement != part.original)

    @property
    def shifts(self) -> bool:
        """Whether a date is moved."""
        return any(part.operator == "shift" for part in self._redacted())

    def _redacted(self) -> Iterable[Redacted]:
        for segments in (self.text, self.name or (), *self.planned.values()):
            yield from (part for part in segments if isinstance(part, Redacted))


@dataclass(frozen=True, slots=True)
class Finished:
    """What is stored: nothing of the original, but the tokens that stand for it."""

    text: str
    name: str | None
    metadata: Metadata
    tokens: list[str]


class Redactor:
    """Runs the detector and the pack's operators over texts, names and metadata.

    What cannot be examined is refused with a DetectorError, or where the pack says so replaced, the whole field, by a
    marker.
    """

    def __init__(self, detector: Detector, policy: Policy) -> None:
        self._detector = detector
        self._operators = {**policy.operators, UNEXAMINED: "drop"}
        self._default = policy.default_operator
        self._refuse = policy.on_failure == "refuse"
        self._keep = frozenset(entity for entity, operator in policy.operators.items() if operator == "keep")

    def draft(self, material: Material) -> Draft:
        """Plan one memory."""
        return self.drafts([[material]])[0]

    def drafts(self, groups: Sequence[Sequence[Material]]) -> list[Draft]:
        """Plan many; the members of a group are consecutive messages, read together. In order, all groups in a row."""
        single = [(group[0].text, None) for group in groups if len(group) == 1]
        others = [_others(material) for group in groups for material in group]
        fields = [*single, *(field for of_one in others for field in of_one)]
        answers = iter(self._ask(self._detector.batch, fields))
        texts, rest = iter([next(answers) for _ in single]), iter(others)
        found = [
            [next(texts)]
            if len(group) == 1
            else self._ask(self._detector.detect_group, [(one.text, None) for one in group])
            for group in groups
        ]
        with stage(Stage.REDACT):
            return [
                self._planned(material, of_text, next(rest), answers)
                for group, of_group in zip(groups, found, strict=True)
                for material, of_text in zip(group, of_group, strict=True)
            ]

    def _ask(
        self, detect: Callable[..., list[list[Finding]]], fields: Sequence[tuple[str, str | None]]
    ) -> list[list[Finding]]:
        with stage(Stage.DETECT):
            found = self._found(detect, fields)
        detected(one.entity for of_field in found for one in of_field)
        return found

    def _found(
        self, detect: Callable[..., list[list[Finding]]], fields: Sequence[tuple[str, str | None]]
    ) -> list[list[Finding]]:
        texts, contexts = [text for text, _ in fields], [context for _, context in fields]
        if self._refuse:
            return detect(texts, contexts, keep=self._keep)
        try:
            return detect(texts, contexts, keep=self._keep)
        except DetectorError:
            return [self._or_nothing(text, context) for text, context in fields]

    def _or_nothing(self, text: str, context: str | None) -> list[Finding]:
        try:
            return self._detector.detect(text, context=context, keep=self._keep)
        except DetectorError:
            return [Finding(UNEXAMINED, 0, len(text), 1.0, "failure")] if text else []

    def _planned(
        self,
        material: Material,
        found: list[Finding],
        others: Sequence[tuple[str, str | None]],
        answers: Iterator[list[Finding]],
    ) -> Draft:
        draft = Draft(self._plan(material, material.text, found), None, material.metadata or {}, {})
        planned = [(part, self._plan(material, part[0], next(answers))) for part in others]
        if material.name is not None:
            draft.name = planned.pop(0)[1]
        draft.planned.update(planned)
        return draft

    def _plan(self, material: Material, text: str, findings: list[Finding]) -> Segments:
        own = material.own
        kept = [(start, end) for start, end, token in find_tokens(text) if own and own(token)]
        if kept:
            findings = resolve(text, findings, reserved=kept)
        if material.settled is not None:
            findings = [
                one for one in findings if not self._settled(text[one.start : one.end], one, material)
            ]
        segments = plan(text, findings, self._operators, self._default)
        return [part if isinstance(part, Redacted) else _escape(part, own) for part in segments]

    def _settled(self, value: str, found: Finding, material: Material) -> bool:
        operator = self._operators.get(found.entity, self._default)
        return operator == "shift" and material.settled is not None and value in material.settled


def redactor(stages: Stages) -> Redactor:
    """By the detector and the pack in force."""
    return Redactor(stages.detector, stages.policy)


def _others(material: Material) -> list[tuple[str, str | None]]:
    """What a memory holds beside its text, with the context it stands in: the name, then keys and values, each once."""
    parts: list[tuple[str, str | None]] = [(material.name, "name")] if material.name is not None else []
    pairs: dict[tuple[str, str | None], None] = {}

    def visit(value: str, context: str | None) -> str:
        pairs[value, context] = None
        return value

    if material.metadata:
        walk_metadata(material.metadata, visit)
    return [*parts, *pairs]


def settled(text: str, metadata: Metadata) -> str:
    """A stored memory as one text, for `Material.settled`."""
    return f"{text}\n{json.dumps(metadata, ensure_ascii=False)}"


def _escape(text: str, own: Callable[[str], bool] | None) -> str:
    """Token-like text in input is made inert, but for the subject's own tokens in an update.

    An update usually carries text that was read from the vault: what is escaped in it already stays as it is.
    """
    if own is None:
        return escape_tokens(text)
    pieces, position = [], 0
    for start, end, token in find_tokens(text):
        if own(token):
            pieces += [escape_tokens(unescape_tokens(text[position:start])), text[start:end]]
            position = end
    return "".join([*pieces, escape_tokens(unescape_tokens(text[position:]))])


def _written(segments: Segments, stand_in: Callable[[Redacted], str]) -> str:
    """The text of planned segments; `stand_in` answers for what only the subject's keys can replace."""
    return "".join(
        part if isinstance(part, str) else stand_in(part) if part.replacement is None else part.replacement
        for part in segments
    )


def preview(draft: Draft) -> str:
    """The text as it will be stored, but for the ids of its tokens: an embedder reads a token as its class's word."""
    return _written(
        draft.text,
        lambda part: coarse(part) if part.operator == "shift" else f"[{label_of(part.entity)}:{_ANY_TOKEN}]",
    )


def unnamed(draft: Draft) -> str:
    """The text with a marker for all that only the subject's keys could replace: to be shown, never to be stored."""
    return _written(draft.text, lambda part: marker(part.entity))


def finish(draft: Draft, tokens: TokenMap) -> Finished:
    """Assign tokens and moved dates and render; belongs inside the transaction that stores the result."""
    used: dict[str, None] = {}

    def assigned(part: Redacted) -> str:
        if part.operator == "shift":
            return shifted(part, tokens.days)
        token = tokens.assign(label_of(part.entity), part.entity, part.original)
        used[token] = None
        return f"[{token}]"

    def render(segments: Segments) -> str:
        stays = (part for part in segments if isinstance(part, str))
        named = (token for part in stays for _, _, token in find_tokens(part))
        used.update(dict.fromkeys(token for token in named if tokens.known(token)))
        return _written(segments, assigned)

    text = render(draft.text)
    name = render(draft.name) if draft.name is not None else None
    metadata = draft.metadata
    if draft.planned:
        metadata = walk_metadata(metadata, lambda value, context: render(draft.planned[value, context]))
    return Finished(text, name, metadata, list(used))
