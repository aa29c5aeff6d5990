"""Scores: what was marked against what was found, by entity and by character, in all and by type.

    strict      same borders, same type
    overlap     a marked entity is touched by a finding of its type; a finding touches a marked entity of its type
    iou70       spans of one type, neighbours joined, that share at least 0.7 of their union, one to one
    cover       a marked entity is wholly masked, by findings of any type; `found` if its own type is among them
    character   marked and masked characters, white space left out, of any type

F2 weighs recall over precision four to one. A finding counts only where everything personal is marked, or its
class is among those that are; a tag (SENSITIVE_...) only where its class is. What lies in a neutral stretch is
neither right nor wrong. The 95 % intervals are of texts drawn again from the same file.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vault.redaction.evaluation import labels
from vault.redaction.evaluation.samples import DataSet, Sample, Span
from vault.redaction.evaluation.tab import TabScorer
from vault.types import Finding

IOU: Final = 0.7
RESAMPLES: Final = 1000
MOST_DRAWN: Final = 4000
NO_MASK: Final = "NO_MASK"
_TITLE: Final = re.compile(
    r"(?:mr|mrs|ms|miss|mx|dr|prof)\b\.?\s+(?=\S)", re.IGNORECASE
)  # "Mr" gives nobody away
_GAP: Final = 3  # characters between neighbours that are joined: blanks and punctuation only

# Classes that together make one address: neighbours of these are joined for `iou70`.
_PLACE: Final = labels.accepts("LOCATION")


@dataclass(frozen=True, slots=True)
class Miss:
    """A marked entity that is not wholly masked: where it is, and how many of its characters are."""

    sample: int
    line: int
    start: int
    end: int
    label: str
    masked: int


@dataclass(frozen=True, slots=True)
class _Gold:
    start: int
    end: int
    label: str
    group: str
    accepts: frozenset[str]

    def accepted(self, entity: str) -> bool:
        return not self.accepts or entity in self.accepts


def ratio(part: float, whole: float) -> float | None:
    """`part / whole` to four places; None where there is nothing to divide by."""
    return round(part / whole, 4) if whole else None


def f_measure(precision: float | None, recall: float | None, beta: float) -> float | None:
    """The F measure; None where either is undefined."""
    if precision is None or recall is None:
        return None
    below = beta * beta * precision + recall
    return round((1 + beta * beta) * precision * recall / below, 4) if below else 0.0


class Scorer:
    """Takes the samples of one data set with their findings, one after the other; `report()` sums up."""

    def __init__(self, data: DataSet) -> None:
        self._data = data
        self._totals: Counter[str] = Counter()
        self._types: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._tab = TabScorer() if data.form == "tab" else None
        marked = {span.label for sample in data.samples for span in sample.spans}
        self._tags = frozenset(label for label in marked if labels.is_tag(label))
        self._groups: dict[str, frozenset[str]] = {}
        self._found: Counter[str] = Counter()
        self._hits: dict[str, Counter[str]] = {"strict": Counter(), "overlap": Counter()}
        self.characters: list[tuple[int, int, int]] = []  # right, masked, marked; by sample
        self.misses: list[Miss] = []
        self.extras: list[Miss] = []

    def add(self, sample: Sample, findings: Sequence[Finding]) -> None:
        neutral = {at for start, end in sample.neutral for at in range(start, end)}
        gold: list[_Gold] = []
        for span in sample.spans:
            group = labels.group(span.label, self._data.form)
            if group == labels.NEUTRAL:
                neutral.update(range(span.start, span.end))
            elif span.kind != NO_MASK:
                gold.append(self._gold(span, group))
        known = [f for f in findings if self._counts(f.entity)]
        marked = {at for one in gold for at in range(one.start, one.end)}
        neutral -= marked
        known = [f for f in known if not neutral or not neutral.issuperset(range(f.start, f.end))]
        masked = {at for f in known for at in range(f.start, f.end)}
        self._characters(sample.text, marked, masked, neutral)
        self._entities(sample, gold, known, masked)
        self._found.update(f.entity for f in known)
        self._joined(sample.text, gold, known)
        self._totals["texts"] += 1
        if not gold:
            self._totals["texts without"] += 1
            self._totals["texts wrongly masked"] += bool(known)
        if self._tab is not None:
            self._tab.add(sample, known)

    def _counts(self, entity: str) -> bool:
        """Whether a class is marked in this data set, wherever it occurs."""
        if labels.is_tag(entity):
            return entity in self._tags
        return self._data.classes is None or entity in self._data.classes

    def _gold(self, span: Span, group: str) -> _Gold:
        accepts = self._groups.setdefault(group, labels.accepts(group))
        return _Gold(span.start, span.end, span.label, group, accepts)

    def _characters(self, text: str, marked: set[int], masked: set[int], neutral: set[int]) -> None:
        seen = {at for at in marked | masked if not text[at].isspace() and at not in neutral}
        self.characters.append((len(seen & marked & masked), len(seen & masked), len(seen & marked)))

    def _entities(
        self, sample: Sample, gold: Sequence[_Gold], known: Sequence[Finding], masked: set[int]
    ) -> None:
        exact = {(f.start, f.end, f.entity) for f in known}
        for one in gold:
            own = [f for f in known if f.start < one.end and f.end > one.start]
            typed = [f for f in own if one.accepted(f.entity)]
            inner = _inner(sample.text, one.start, one.end)
            held = sum(at in masked for at in inner)
            counts = {
                "entities": 1,
                "strict": any((one.start, one.end, f.entity) in exact for f in typed),
                "overlap": bool(typed),
                "touched": bool(own),
                "cover": held == len(inner),
                "found": held == len(inner) and bool(typed),
                "characters": len(inner),
                "characters masked": held,
            }
            for table in (self._totals, self._types[one.group], self._labels[one.label]):
                table.update(counts)
            if held < len(inner):
                self.misses.append(
                    Miss(self._totals["texts"], sample.line, one.start, one.end, one.label, held)
                )
        for f in known:
            touching = [one for one in gold if one.start < f.end and one.end > f.start]
            typed_gold = [one for one in touching if one.accepted(f.entity)]
            self._hits["overlap"][f.entity] += bool(typed_gold)
            self._hits["strict"][f.entity] += any(
                (one.start, one.end) == (f.start, f.end) for one in typed_gold
            )
            if not touching:
                self.extras.append(
                    Miss(self._totals["texts"], sample.line, f.start, f.end, f.entity, f.end - f.start)
                )

    def _joined(self, text: str, gold: Sequence[_Gold], known: Sequence[Finding]) -> None:
        marked = _join(text, [(one.start, one.end, one.group) for one in gold])
        found = _join(text, [(f.start, f.end, _family(f.entity)) for f in known])
        self._totals["marked joined"] += len(marked)
        self._totals["found joined"] += len(found)
        accepts = {one.group: one.accepts for one in gold}
        for name, typed in (("iou70", True), ("iou70 any", False)):
            left = list(found)
            for start, end, group in marked:
                pairs = [
                    (share, at)
                    for at, (a, b, family) in enumerate(left)
                    if a < end and b > start and (share := _iou(start, end, a, b)) >= IOU
                    if not typed or _of_family(family, accepts[group])
                ]
                if pairs:
                    left.pop(max(pairs)[1])
                    self._totals[name] += 1

    def report(self) -> dict[str, Any]:
        """Every figure, as JSON types; None where there was nothing to measure."""
        t, found = self._totals, sum(self._found.values())
        right, masked, marked = (sum(one[at] for one in self.characters) for at in range(3))
        precision, recall = ratio(right, masked), ratio(right, marked)
        hits = {kind: ratio(sum(self._hits[kind].values()), found) for kind in self._hits}
        said: dict[str, Any] = {
            "texts": t["texts"],
            "entities": t["entities"],
            "findings": found,
            "character": {
                "precision": precision,
                "recall": recall,
                "f1": f_measure(precision, recall, 1),
                "f2": f_measure(precision, recall, 2),
                **self._intervals(),
            },
            "entity": {
                "strict": _measures(hits["strict"], ratio(t["strict"], t["entities"])),
                "overlap": _measures(hits["overlap"], ratio(t["overlap"], t["entities"])),
                "iou70": _measures(
                    ratio(t["iou70"], t["found joined"]), ratio(t["iou70"], t["marked joined"])
                ),
                "iou70_any_type": _measures(
                    ratio(t["iou70 any"], t["found joined"]), ratio(t["iou70 any"], t["marked joined"])
                ),
                "touched_recall": ratio(t["touched"], t["entities"]),
                "cover_recall": ratio(t["cover"], t["entities"]),
            },
            "types": {name: self._type(name) for name in sorted(self._types)},
            "labels": {name: _recalls(self._labels[name]) for name in sorted(self._labels)},
            "found": dict(sorted(self._found.items())),
            "precision_of_class": {
                entity: ratio(self._hits["overlap"][entity], count)
                for entity, count in sorted(self._found.items())
            },
            "ordinary": {
                "texts": t["texts without"],
                "wrongly_masked": t["texts wrongly masked"],
                "rate": ratio(t["texts wrongly masked"], t["texts without"]),
            },
            "skipped": dict(sorted(self._data.skipped.items())),
        }
        if self._tab is not None:
            said["tab"] = self._tab.report()
        return said

    def _intervals(self) -> dict[str, list[float] | None]:
        """Percentile bootstrap over texts: what chance in drawing them would do to precision and recall."""
        import numpy as np

        if not self.characters:
            return {"precision_95": None, "recall_95": None}
        # Neighbouring texts of a long file are drawn together, so that the table of draws stays small.
        step = -(-len(self.characters) // MOST_DRAWN)
        counts = np.add.reduceat(np.array(self.characters, dtype=float), range(0, len(self.characters), step))
        texts = len(counts)
        chooser = np.random.default_rng(0)
        drawn = chooser.multinomial(texts, np.full(texts, 1 / texts), size=RESAMPLES) @ counts
        said: dict[str, list[float] | None] = {}
        for name, whole in (("precision_95", drawn[:, 1]), ("recall_95", drawn[:, 2])):
            shares = drawn[whole > 0, 0] / whole[whole > 0]
            said[name] = (
                [round(float(one), 4) for one in np.quantile(shares, (0.025, 0.975))] if len(shares) else None
            )
        return said

    def _type(self, name: str) -> dict[str, Any]:
        counts, accepts = self._types[name], self._groups[name]
        classes = [entity for entity in self._found if entity in accepts]
        found = sum(self._found[entity] for entity in classes)
        said = _recalls(counts)
        for kind in ("strict", "overlap"):
            # Any class may stand for a group without classes: precision has no meaning there.
            precision = ratio(sum(self._hits[kind][entity] for entity in classes), found) if accepts else None
            said[kind] = _measures(precision, ratio(counts[kind], counts["entities"]))
        said["findings"] = found if accepts else None
        return said


def _recalls(counts: Counter[str]) -> dict[str, Any]:
    total = counts["entities"]
    return {
        "entities": total,
        "strict_recall": ratio(counts["strict"], total),
        "overlap_recall": ratio(counts["overlap"], total),
        "touched_recall": ratio(counts["touched"], total),
        "cover_recall": ratio(counts["cover"], total),
        "found_recall": ratio(counts["found"], total),
        "character_recall": ratio(counts["characters masked"], counts["characters"]),
    }


def _measures(precision: float | None, recall: float | None) -> dict[str, float | None]:
    return {
        "precision": precision,
        "recall": recall,
        "f1": f_measure(precision, recall, 1),
        "f2": f_measure(precision, recall, 2),
    }


def _inner(text: str, start: int, end: int) -> list[int]:
    """The characters of a span that must be masked: not white space, punctuation at its borders, or a title before."""
    title = _TITLE.match(text, start, end)
    if title is not None:
        start = title.end()
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return [at for at in range(start, end) if not text[at].isspace()]


def _family(entity: str) -> str:
    return "LOCATION" if entity in _PLACE else entity


def _of_family(family: str, accepts: frozenset[str]) -> bool:
    return not accepts or family in accepts


def _join(text: str, spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans of one kind with nothing but a little punctuation between them as one."""
    joined: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(spans):
        if joined and joined[-1][2] == kind:
            first, last, _ = joined[-1]
            between = text[last:start]
            if len(between) <= _GAP and not any(char.isalnum() for char in between):
                joined[-1] = (first, max(last, end), kind)
                continue
        joined.append((start, end, kind))
    return joined


def _iou(start: int, end: int, a: int, b: int) -> float:
    return max(0, min(end, b) - max(start, a)) / (max(end, b) - min(start, a))
