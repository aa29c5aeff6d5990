"""Detection and redaction of everything a write carries; nothing else turns caller text into stored text.

Phase one (`Draft`) runs outside the transaction: normalise, detect, decide an operator per finding. Phase two
(`finish`) runs inside it: tokens are assigned, and the final text, name and metadata are rendered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.flows.tokens import TokenMap
from vault.redaction.interface import Detector
from vault.redaction.operators import (
    TOKEN_ALPHABET,
    TOKEN_LENGTH,
    Redacted,
    escape_tokens,
    find_tokens,
    label_of,
    plan,
    unescape_tokens,
)
from vault.redaction.resolve import resolve
from vault.redaction.structure import walk_metadata
from vault.types import Metadata

Segments = Sequence["str | Redacted"]

_ANY_TOKEN: Final = TOKEN_ALPHABET[0] * TOKEN_LENGTH


@dataclass(slots=True)
class Draft:
    """One memory on its way in: planned segments, and what was found by class."""

    text: Segments
    name: Segments | None
    metadata: Metadata
    planned: dict[tuple[str, str | None], Segments]
    found: Counter[str] = field(default_factory=Counter)

    @property
    def changes(self) -> Counter[str]:
        """What becomes another text, by class; what an operator leaves as it is does not count."""
        return Counter(
            part.entity
            for segments in (self.text, self.name or (), *self.planned.values())
            for part in segments
            if isinstance(part, Redacted) and part.replacement != part.original
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """What is stored: nothing of the original, but the tokens that stand for it."""

    text: str
    name: str | None
    metadata: Metadata
    tokens: list[str]


class Redactor:
    """Runs the detector and the pack's operators over text, names and metadata."""

    def __init__(self, detector: Detector, operators: Mapping[str, str], default: str) -> None:
        self._detector = detector
        self._operators = operators
        self._default = default
        self._keep = frozenset(entity for entity, operator in operators.items() if operator == "keep")

    def draft(
        self,
        text: str,
        *,
        name: str | None = None,
        metadata: Metadata | None = None,
        own: Callable[[str], bool] | None = None,
    ) -> Draft:
        """Plan one memory; `own` says which tokens in the text are the subject's and stay (updates only)."""
        draft = Draft((), None, metadata or {}, {})
        draft.text = self._plan(draft, text, None, own)
        if name is not None:
            draft.name = self._plan(draft, name, "name", own)
        if metadata:

            def visit(value: str, context: str | None) -> str:
                if (value, context) not in draft.planned:
                    draft.planned[value, context] = self._plan(draft, value, context, own)
                return _preview(draft.planned[value, context])

            walk_metadata(metadata, visit)
        return draft

    def _plan(
        self, draft: Draft, text: str, context: str | None, own: Callable[[str], bool] | None
    ) -> Segments:
        findings = self._detector.detect(text, context=context, keep=self._keep)
        kept = [(start, end) for start, end, token in find_tokens(text) if own and own(token)]
        if kept:
            findings = resolve(text, findings, reserved=kept)
        for finding in findings:
            draft.found[finding.entity] += 1
        segments = plan(text, findings, self._operators, self._default)
        return [part if isinstance(part, Redacted) else _escape(part, own) for part in segments]


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


def _preview(segments: Segments) -> str:
    """The text as it will be stored, but for the ids of its tokens: an embedder reads a token as its class's word."""
    pieces = []
    for part in segments:
        if isinstance(part, str):
            pieces.append(part)
        elif part.replacement is not None:
            pieces.append(part.replacement)
        else:
            pieces.append(f"[{label_of(part.entity)}:{_ANY_TOKEN}]")
    return "".join(pieces)


def preview(draft: Draft) -> str:
    return _preview(draft.text)


def finish(draft: Draft, tokens: TokenMap) -> Finished:
    """Assign tokens and render; belongs inside the transaction that stores the result."""
    used: dict[str, None] = {}

    def render(segments: Segments) -> str:
        pieces = []
        for part in segments:
            if isinstance(part, str):
                pieces.append(part)
                used.update(dict.fromkeys(token for _, _, token in find_tokens(part) if tokens.known(token)))
            elif part.replacement is not None:
                pieces.append(part.replacement)
            else:
                token = tokens.assign(label_of(part.entity), part.entity, part.original)
                used[token] = None
                pieces.append(f"[{token}]")
        return "".join(pieces)

    text = render(draft.text)
    name = render(draft.name) if draft.name is not None else None
    metadata = draft.metadata
    if draft.planned:
        metadata = walk_metadata(metadata, lambda value, context: render(draft.planned[value, context]))
    return Finished(text, name, metadata, list(used))
