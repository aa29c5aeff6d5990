"""One detector over one data set: findings, scores and speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from vault.redaction.evaluation import labels
from vault.redaction.evaluation.samples import DataSet
from vault.redaction.evaluation.score import Scorer
from vault.redaction.interface import Detector
from vault.types import Finding

CHUNK: Final = 64  # texts per batch


def evaluate(
    data: DataSet,
    detector: Detector,
    *,
    keep: frozenset[str] = frozenset(),
    watch: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> tuple[Scorer, dict[str, Any]]:
    """The scorer after every sample, and its report with the detector's version and speed.

    A text that the detector refuses is an error, as it is in the vault: no figure leaves it out.
    """
    scorer, seconds, words = Scorer(data), 0.0, 0
    for begin in range(0, len(data.samples), CHUNK):
        chunk = data.samples[begin : begin + CHUNK]
        started = time.perf_counter()
        found = findings(detector, [sample.text for sample in chunk], keep)
        seconds += time.perf_counter() - started
        for sample, own in zip(chunk, found, strict=True):
            scorer.add(sample, own)
            words += len(sample.text.split())
        watch(begin + len(chunk), len(data.samples))
    report = {"detector": detector.version, **scorer.report()}
    report["speed"] = {
        "seconds": round(seconds, 3),
        "texts_per_s": round(len(data.samples) / max(seconds, 1e-9), 1),
        "words_per_s": round(words / max(seconds, 1e-9)),
    }
    return scorer, report


def findings(
    detector: Detector, texts: Sequence[str], keep: frozenset[str] = frozenset()
) -> list[list[Finding]]:
    """The findings of each text, in one batch where the detector has batches and nothing is kept."""
    batch = getattr(detector, "batch", None)
    if batch is not None and not keep:
        return list(batch(list(texts)))
    return [detector.detect(text, keep=keep) for text in texts]


def by_class(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of each class marked in data whose labels are our classes, as in measured.json."""
    return {
        name: {
            "samples": row["entities"],
            # A tag flags a statement, and need not reach to the last word of it.
            "recall": row["overlap_recall" if labels.is_tag(name) else "found_recall"],
            "precision": report["precision_of_class"].get(name),
            "character_recall": row["character_recall"],
        }
        for name, row in report["labels"].items()
    }


def record(report: Mapping[str, Any], model: str | None) -> dict[str, Any]:
    """What a file of figures says of one detector, from its report on the shipped samples."""
    return {
        "version": report["detector"],
        "model": model,
        **{name: report[name] for name in ("texts", "character", "ordinary")},
        "classes": by_class(report),
    }
