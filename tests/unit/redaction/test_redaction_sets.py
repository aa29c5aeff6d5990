"""Recall and precision over our own sets (HIPAA-18, card data, secrets), and ordinary texts left alone."""

from __future__ import annotations

import pytest
from unit.redaction.ordinary import TEXTS
from unit.redaction.sets import HIPAA, PCI, SECRETS, Case, provider_cases

from vault.redaction.detect import BuiltinDetector

DETECTOR = BuiltinDetector(names=None)
RECALL, PRECISION, WRONG = 0.99, 0.95, 0.02
# What a pack may keep, because alone it identifies nobody.
HARMLESS = frozenset({"DATE_TIME", "AGE", "OCCUPATION", "NRP", "UUID"})


def letters(text: str) -> set[int]:
    return {at for at, char in enumerate(text) if char.isalnum()}


def score(cases: list[Case], keep: frozenset[str] = frozenset()) -> tuple[float, float, list[str]]:
    """(share of values wholly masked, share of masked characters that are to be masked, texts with a miss)."""
    values = found = masked = right = 0
    missed = []
    for text, wanted in cases:
        covered: set[int] = set()
        for one in DETECTOR.detect(text, keep=keep):
            covered |= set(range(one.start, one.end))
        covered &= letters(text)
        gold: set[int] = set()
        for value in wanted:
            at = text.index(value)
            span = set(range(at, at + len(value))) & letters(text)
            gold |= span
            values += 1
            found += span <= covered
            if not span <= covered:
                missed.append(text)
        masked += len(covered)
        right += len(covered & gold)
    return found / values, right / max(masked, 1), missed


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("HIPAA-18", [one for cases in HIPAA.values() for one in cases]),
        ("PCI", [one for cases in PCI.values() for one in cases]),
        ("secrets", [*(one for cases in SECRETS.values() for one in cases), *provider_cases()]),
    ],
)
def test_a_set_is_found_and_little_else(
    name: str, cases: list[Case], capsys: pytest.CaptureFixture[str]
) -> None:
    recall, precision, missed = score(cases)
    with capsys.disabled():
        print(f"\n{name}: {len(cases)} texts, recall {recall:.3f}, precision {precision:.3f}")
    assert recall >= RECALL, missed
    assert precision >= PRECISION


@pytest.mark.parametrize("group", HIPAA)
def test_every_identifier_of_hipaa_is_looked_for(group: str) -> None:
    recall, _, missed = score(HIPAA[group])
    assert recall >= 0.9, missed


def test_ordinary_texts_with_numbers_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(TEXTS) >= 300
    wrong = [text for text in TEXTS if DETECTOR.detect(text, keep=HARMLESS)]
    with capsys.disabled():
        print(f"\nordinary texts: {len(wrong)} of {len(TEXTS)} touched")
    assert len(wrong) <= WRONG * len(TEXTS), wrong
