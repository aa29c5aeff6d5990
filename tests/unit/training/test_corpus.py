"""The text generator: deterministic, spans that say what they mark, and two sides that never meet."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

pytest.importorskip("faker", reason="the generator needs Faker (a training-only dependency)")

from training.corpus import generate, lexicon, render, templates
from training.corpus.engine import Piece
from training.corpus.noise import disturb

SHARED = Path(os.environ.get("MEMVAULT_SHARED", Path(__file__).resolve().parents[4] / "shared"))

pytestmark = pytest.mark.skipif(
    not (SHARED / "data" / "gazetteers").is_dir(), reason="the gazetteers are not here (MEMVAULT_SHARED)"
)


def test_same_seed_same_texts_and_another_seed_others() -> None:
    once, again, other = list(generate(60, 1)), list(generate(60, 1)), list(generate(60, 2))
    assert once == again
    assert once != other


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    assert list(generate(80, 3))[:20] == list(generate(20, 3))


def test_spans_are_in_order_inside_the_text_and_apart() -> None:
    for sample in generate(800, 4):
        at = 0
        for start, end, entity in sample.spans:
            assert at <= start < end <= len(sample.text)
            assert sample.text[start:end].strip() == sample.text[start:end]
            assert entity.isupper()
            at = end


def test_no_slot_or_choice_is_left_unfilled() -> None:
    rng = random.Random(5)
    for held_out in (False, True):
        for template in templates(held_out=held_out):
            text = render(template, rng).text.lower()
            assert "@a}" not in text
            assert not any(mark in text for mark in ("{first", "{last", "{full", "{city", "{org", "<|"))


def test_a_third_of_the_texts_holds_no_name() -> None:
    named = {"PERSON", "LOCATION", "ORGANIZATION"}
    samples = list(generate(1500, 6))
    without = sum(not any(entity in named for _, _, entity in one.spans) for one in samples)
    assert 0.25 < without / len(samples) < 0.45


def test_there_are_more_than_four_hundred_training_templates_and_none_is_held_out_too() -> None:
    training = {one.text for one in templates(held_out=False)}
    held_out = {one.text for one in templates(held_out=True)}
    assert len(training) > 400
    assert not training & held_out


def test_the_two_sides_of_the_split_share_no_name() -> None:
    for kind in ("first", "last"):
        for region in ("english", "world"):
            ours, theirs = (lexicon.pool(kind, region, held=held).names for held in (False, True))
            assert ours
            assert theirs
            assert not {name.casefold() for name in ours} & {name.casefold() for name in theirs}


def test_composed_names_keep_to_their_side() -> None:
    rng = random.Random(7)
    for held in (False, True):
        names = [lexicon.compose(rng, "first", held=held) for _ in range(20)]
        assert all(lexicon.held_out(name) == held for name in names)


def test_noise_never_touches_an_identifier() -> None:
    for seed in range(200):
        pieces = [
            Piece("pay with ", None),
            Piece("DE89 3704 0044 0532 0130 00", "IBAN_CODE"),
            Piece(" now", None),
        ]
        noisy = disturb(random.Random(seed), pieces, "chat")
        assert [one.text for one in noisy if one.entity] == ["DE89 3704 0044 0532 0130 00"]


def test_some_texts_are_lower_cased_and_some_upper_cased() -> None:
    texts = [one.text for one in generate(600, 8)]
    assert 0.12 < sum(text == text.lower() for text in texts) / len(texts) < 0.45
    assert sum(text == text.upper() for text in texts) > 6
