"""What every reader makes of a file: texts with the spans that somebody marked in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """A marked stretch of a text. `entity` ties the mentions of one entity together, `kind` is TAB's
    DIRECT, QUASI or NO_MASK; both are empty elsewhere."""

    start: int
    end: int
    label: str
    entity: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One text; `line` is where it begins in its file. What `neutral` covers is neither looked for nor a mistake."""

    text: str
    spans: tuple[Span, ...]
    line: int
    neutral: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class DataSet:
    """The samples of a file. `classes` are the only ones marked in it, None where everything personal is.

    `skipped` counts what could not be used, by reason: values that are not in their text, spans outside it.
    """

    form: str
    samples: list[Sample] = field(default_factory=list)
    classes: frozenset[str] | None = None
    skipped: Counter[str] = field(default_factory=Counter)
