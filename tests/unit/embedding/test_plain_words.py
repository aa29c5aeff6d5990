"""Redaction tokens read as their label."""

from __future__ import annotations

import pytest

from vault.embedding.interface import plain_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no token", "no token"),
        ("mail [EMAIL:k7q2m9] now", "mail email now"),
        ("[CREDIT_CARD:k7q2m9]", "credit card"),
        ("x[EMAIL:a1]y[PERSON:b2]z", "x email y person z"),
        ("see [1] and [note: this]", "see [1] and [note: this]"),
        ("[email:k7q2m9]", "[email:k7q2m9]"),
        ("[EMAIL:]", "[EMAIL:]"),
        ("[EMAIL:k7q2m9", "[EMAIL:k7q2m9"),
    ],
)
def test_plain_words(text: str, expected: str) -> None:
    assert plain_words(text).split() == expected.split()
