"""What docs/qdrant.md says about a thief of Qdrant's data, at a small size: what fails, and what does not fail."""

from __future__ import annotations

import pytest

from benchmarks.inversion import Figure, as_table, measure

MEMORIES = 500


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str, str], Figure]:
    found = measure(MEMORIES, planted=60, known=(10, 256))
    assert as_table(found, MEMORIES).count("\n| ") == len(found) == 14
    return {(one.attack, one.knows, one.finds): one for one in found}


@pytest.mark.parametrize(
    ("attack", "knows", "finds"),
    [
        ("nearest neighbour", "candidate sentences", "planted facts"),
        ("template filling", "the sentence but for one word", "the word"),
        ("two people compared", "nothing", "the same fact, by vector"),
        ("two people compared", "nothing", "the same word, by name"),
    ],
)
def test_without_known_texts_simple_attacks_are_near_chance(
    figures: dict[tuple[str, str, str], Figure], attack: str, knows: str, finds: str
) -> None:
    one = figures[attack, knows, finds]
    assert one.share <= one.chance + 0.15


@pytest.mark.parametrize(
    ("attack", "finds", "least"),
    [
        ("turn solved", "which of the other texts a point is", 0.9),
        ("turn solved", "the missing word of a sentence", 0.7),
        ("terms compared", "words of other memories", 0.5),
    ],
)
def test_with_many_known_texts_of_the_person_the_others_are_open(
    figures: dict[tuple[str, str, str], Figure], attack: str, finds: str, least: float
) -> None:
    assert figures[attack, "256 texts with their points", finds].share >= least


def test_likeness_within_one_person_shows(figures: dict[tuple[str, str, str], Figure]) -> None:
    one = figures["distances looked at", "nothing", "which memory is most like another"]
    assert one.share >= 0.2
