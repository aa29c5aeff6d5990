"""Our own text generator: deterministic texts with spans, for the names model and the evaluation set.

    from training.corpus import generate
    for sample in generate(60_000, seed=1): sample.text, sample.spans, sample.kind

Spans carry the taxonomy's class names. STREET_ADDRESS spans are street lines; the city, state and ZIP code
beside them have spans of their own. Titles (Mr, Dr) and possessive 's stay outside a PERSON span.
Needs `../shared/data/gazetteers` (or MEMVAULT_SHARED) and Faker (MIT) for its lists of names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from training.corpus.engine import Filler, Piece, Template, templates
from training.corpus.noise import disturb, recase

__all__ = ["Sample", "generate", "render", "templates"]

# Texts come this often from the templates without a name (files "negative*").
NEGATIVE_SHARE: Final = 0.33
# Another piece of the same register follows this often, each time; the people of the first may come back.
_MORE_SHARE: Final = 0.24
_MOST_PIECES: Final = 6
_STANDING_ALONE: Final = frozenset({"forms", "address", "lists", "email", "letters"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, the spans (start, end, class) in it, and its register."""

    text: str
    spans: list[tuple[int, int, str]]
    kind: str


def _assembled(pieces: list[Piece], kind: str) -> Sample:
    text, spans = "", []
    for piece in pieces:
        if piece.entity is not None:
            spans.append((len(text), len(text) + len(piece.text), piece.entity))
        text += piece.text
    return Sample(text, spans, kind)


def render(template: Template, rng: random.Random) -> Sample:
    """One text from one template; a probe is only recased, since a slip in its one cue would change its question."""
    pieces = Filler(rng, held_out=template.held_out).fill(template.text)
    if template.probe is None:
        pieces = disturb(rng, pieces, template.kind)
    else:
        recase(rng, pieces)
    return _assembled(pieces, template.kind)


def _of_kind(all_templates: tuple[Template, ...], negative: bool) -> tuple[Template, ...]:
    return tuple(one for one in all_templates if one.kind.startswith("negative") == negative)


def generate(count: int, seed: int) -> Iterator[Sample]:
    """`count` training samples; the n-th depends on the seed and n alone."""
    everything = templates(held_out=False)
    positive, negative = _of_kind(everything, negative=False), _of_kind(everything, negative=True)
    by_kind = {one.kind: [other for other in everything if other.kind == one.kind] for one in everything}
    for index in range(count):
        rng = random.Random(f"{seed}/{index}")
        template = rng.choice(negative if rng.random() < NEGATIVE_SHARE else positive)
        filler = Filler(rng, held_out=False)
        pieces, parts = filler.fill(template.text), 1
        while parts < _MOST_PIECES and template.kind not in _STANDING_ALONE and rng.random() < _MORE_SHARE:
            pieces.append(Piece(rng.choice((" ", " ", "\n")), None))
            pieces += filler.fill(rng.choice(by_kind[template.kind]).text)
            parts += 1
        yield _assembled(disturb(rng, pieces, template.kind), template.kind)
