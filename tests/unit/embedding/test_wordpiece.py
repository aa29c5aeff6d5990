"""Pieces as BERT's uncased tokenizer makes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.embedding.static import MODEL_FOLDER
from vault.embedding.wordpiece import MAX_WORD_CHARS, WordPiece, words

VOCABULARY: dict[str, int] = json.loads((MODEL_FOLDER / "tokenizer.json").read_bytes())["model"]["vocab"]
PIECES = WordPiece(VOCABULARY)
NAMES = {row: piece for piece, row in VOCABULARY.items()}


def pieces(text: str) -> list[str]:
    return [NAMES[row] for row in PIECES.ids(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Patient", ["the", "patient"]),
        ("unaffable", ["una", "##ffa", "##ble"]),
        ("don't (stop)!", ["don", "'", "t", "(", "stop", ")", "!"]),
        ("Señor Müller", ["sen", "##or", "muller"]),
        ("東京", ["東", "京"]),
        ("€5 – ¥", ["€", "##5", "–", "¥"]),
        ("so\u00adft\u200bware", ["software"]),
        ("a\x00b\tc", ["ab", "c"]),
        ("a\x1fb c\x85d é", ["ab", "cd", "e"]),
        ("ΣΑΣ", ["σ", "##α", "##σ"]),
        ("##ing", ["#", "#", "ing"]),
        ("", []),
    ],
)
def test_pieces(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_words_without_pieces_are_left_out() -> None:
    assert pieces("red 𓀀 car") == ["red", "car"]


def test_overlong_words_are_left_out() -> None:
    assert pieces("a" * MAX_WORD_CHARS) != []
    assert pieces(f"red {'a' * (MAX_WORD_CHARS + 1)} car") == ["red", "car"]


@given(st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_ascii_and_unicode_paths_agree(text: str) -> None:
    plain = "".join(char for char in text if char.isascii())
    assert words(f"{plain} é") == [*words(plain), "e"]


@pytest.fixture(scope="module")
def reference() -> Any:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    made = tokenizers.Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
    return made, made.token_to_id("[UNK]")


# Up to U+07B1: scripts whose characters were assigned long before either library's tables, but for U+061D, which
# came with Unicode 14.
LETTERS = st.text(
    st.characters(max_codepoint=0x07B1, exclude_categories=["Cn", "Cs"], exclude_characters="\u061d"),
    max_size=80,
)
WORDS = "Maria's tele-health visit at 10:30 (room 4B) costs €5.20 — naïve Straße ½ ﬁne 東京"
PHRASES = st.lists(
    st.sampled_from(WORDS.split()),
    max_size=12,
).map(" ".join)


@given(st.one_of(LETTERS, PHRASES))
@settings(max_examples=50, deadline=None)
def test_equals_the_installed_tokenizers(reference: Any, text: str) -> None:
    tokenizer, unknown = reference
    # Its special tokens, written out in a text, are text here.
    text = text.replace("[PAD]", "").replace("[UNK]", "")
    expected = [row for row in tokenizer.encode(text, add_special_tokens=False).ids if row != unknown]
    assert PIECES.ids(text) == expected
