"""Overlaps: one winner, and nothing that was found becomes uncovered."""

from __future__ import annotations

import pytest

from vault.errors import DetectorError
from vault.redaction.resolve import resolve
from vault.types import Finding

TEXT = "abcdefghij0123456789"


def f(entity: str, start: int, end: int, score: float = 0.5) -> Finding:
    return Finding(entity, start, end, score, "t")


def spans(
    *findings: Finding, text: str = TEXT, reserved: tuple[tuple[int, int], ...] = ()
) -> list[tuple[str, int, int]]:
    return [(one.entity, one.start, one.end) for one in resolve(text, findings, reserved=reserved)]


def test_apart_stays_apart_and_is_sorted() -> None:
    assert spans(f("A", 5, 8), f("B", 0, 2)) == [("B", 0, 2), ("A", 5, 8)]


def test_one_class_merges_and_keeps_the_best_score() -> None:
    (one,) = resolve(TEXT, [f("A", 0, 5, 0.4), f("A", 3, 9, 0.9), f("A", 8, 10, 0.5)])
    assert (one.start, one.end, one.score) == (0, 10, 0.9)


def test_touching_findings_of_one_class_stay_two() -> None:
    assert spans(f("A", 0, 5), f("A", 5, 9)) == [("A", 0, 5), ("A", 5, 9)]


def test_the_higher_score_wins_then_the_longer() -> None:
    assert spans(f("A", 0, 10, 0.6), f("B", 0, 10, 1.0)) == [("B", 0, 10)]
    assert spans(f("A", 2, 4), f("B", 0, 10)) == [("B", 0, 10)]


def test_what_the_loser_covered_beyond_the_winner_stays_covered() -> None:
    assert spans(f("A", 0, 10, 0.5), f("B", 3, 6, 0.9)) == [("A", 0, 3), ("B", 3, 6), ("A", 6, 10)]
    assert spans(f("A", 0, 6, 0.5), f("B", 4, 10, 0.9)) == [("A", 0, 4), ("B", 4, 10)]


def test_left_over_punctuation_and_a_bare_scheme_are_not_worth_a_finding() -> None:
    assert spans(f("A", 0, 5, 0.5), f("B", 0, 3, 0.9), text="abc-.") == [("B", 0, 3)]
    text = "https://john@example.com"
    assert spans(f("URL", 0, len(text)), f("EMAIL", 8, len(text), 0.9), text=text) == [
        ("EMAIL", 8, len(text))
    ]


def test_reserved_spans_are_left_out() -> None:
    assert spans(f("A", 0, 10), reserved=((3, 5),)) == [("A", 0, 3), ("A", 5, 10)]
    assert spans(f("A", 3, 5), reserved=((0, 10),)) == []


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 3), (5, 2), (0, 99)])
def test_a_span_outside_the_text_is_a_detector_error(start: int, end: int) -> None:
    with pytest.raises(DetectorError):
        resolve(TEXT, [f("A", start, end)])
