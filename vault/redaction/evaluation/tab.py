"""The measures of the Text Anonymization Benchmark: an entity is protected only if all its mentions are.

Words such as `the`, titles, and punctuation need not be masked, as in the benchmark's own scorer. Its precision is
by token: a masked word is right where it lies wholly in a mention that was to be masked.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

from vault.redaction.evaluation.samples import Sample, Span
from vault.types import Finding

# What the benchmark leaves out of a mention: words that carry little, and these marks.
_IGNORED_WORDS: Final = """
    mr mrs ms and or from until to about after as at before between by during for in into of on over since with
    the a an no nr ’s 's
""".split()  # noqa: SIM905
_IGNORED: Final = re.compile(
    "|".join([*(rf"\b{re.escape(word)}\b" for word in _IGNORED_WORDS), r"[,.\-;:/&()\[\]–'\" ’“”]"]),
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\w+")


class TabScorer:
    """Entity recall of direct and quasi identifiers, token precision and token recall."""

    def __init__(self) -> None:
        self._entities: Counter[str] = Counter()
        self._protected: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    def add(self, sample: Sample, findings: Sequence[Finding]) -> None:
        masked = {at for f in findings for at in range(f.start, f.end)}
        mentions: defaultdict[str, list[Span]] = defaultdict(list)
        for span in sample.spans:
            mentions[span.entity].append(span)
        marked: set[int] = set()
        for spans in mentions.values():
            to_mask = [span for span in spans if span.kind != "NO_MASK"]
            if not to_mask:
                continue
            kind = "direct" if spans[0].kind == "DIRECT" else "quasi"
            protected = all(_is_masked(sample.text, span.start, span.end, masked) for span in to_mask)
            for name in (kind, f"{kind} {spans[0].label}"):
                self._entities[name] += 1
                self._protected[name] += protected
            for span in to_mask:
                marked.update(range(span.start, span.end))
                for word in _WORD.finditer(sample.text, span.start, span.end):
                    self._tokens["to mask"] += 1
                    self._tokens["masked of these"] += _is_masked(sample.text, *word.span(), masked)
        for f in findings:
            for word in _WORD.finditer(sample.text, f.start, f.end):
                self._tokens["masked"] += 1
                self._tokens["rightly masked"] += marked.issuperset(range(*word.span()))

    def report(self) -> dict[str, Any]:
        tokens = self._tokens
        return {
            "direct_recall": _share(self._protected["direct"], self._entities["direct"]),
            "quasi_recall": _share(self._protected["quasi"], self._entities["quasi"]),
            "direct_entities": self._entities["direct"],
            "quasi_entities": self._entities["quasi"],
            "token_precision": _share(tokens["rightly masked"], tokens["masked"]),
            "token_recall": _share(tokens["masked of these"], tokens["to mask"]),
            "recall_by_type": {
                name: {"entities": count, "recall": _share(self._protected[name], count)}
                for name, count in sorted(self._entities.items())
                if " " in name
            },
        }


def _is_masked(text: str, start: int, end: int, masked: set[int]) -> bool:
    left = {at for at in range(start, end) if at not in masked}
    if left:
        for skipped in _IGNORED.finditer(text[start:end]):
            left.difference_update(range(start + skipped.start(), start + skipped.end()))
    return not left


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
