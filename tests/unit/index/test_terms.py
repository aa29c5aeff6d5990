"""Terms of texts, and the phrases of a question under which known values are looked up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.index import terms as terms_module
from vault.index.english import BASE_FORMS, STOP_WORDS
from vault.index.terms import MAX_NGRAMS, canonical, terms, token_term, value_ngrams


def term(stem: str) -> int:
    return int.from_bytes(blake2b(stem.encode()).digest()[:4], "big")


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("The patients were waiting for the doctors", ["patient", "wait", "doctor"]),
        ("Caroline's car", ["carolin", "car"]),
        ("Caroline\u2019s car", ["carolin", "car"]),
        ("don't", []),
        ("room 12 at 10:30", ["room", "12", "10", "30"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("STRASSE straße", ["strass", "strass"]),
        ("a_b-c", ["b", "c"]),
        ("She bought what he buys", ["buy", "buy"]),
        ("Children's teeth", ["child", "tooth"]),
        ("", []),
    ],
)
def test_terms(text: str, stems: list[str]) -> None:
    expected: dict[int, int] = {}
    for stem in stems:
        expected[term(stem)] = expected.get(term(stem), 0) + 1
    assert terms(text) == expected


def test_irregular_forms_are_no_stop_words_and_no_other_words_base() -> None:
    assert len(BASE_FORMS) > 150
    assert not BASE_FORMS.keys() & STOP_WORDS
    assert not BASE_FORMS.keys() & set(BASE_FORMS.values())


def test_a_token_is_a_term_beside_its_label() -> None:
    found = terms("mail [EMAIL:k7q2m9] or [CREDIT_CARD:a1b2c3] to pay, [EMAIL:k7q2m9]")
    assert found[token_term("[EMAIL:k7q2m9]")] == 2
    assert found[token_term("[CREDIT_CARD:a1b2c3]")] == 1
    assert found[term("email")] == 2
    assert term("credit") in found
    assert term("card") in found
    assert term("k7q2m9") not in found


def test_another_token_is_another_term() -> None:
    assert token_term("[EMAIL:k7q2m9]") != token_term("[EMAIL:k7q2m8]")
    assert token_term("[EMAIL:k7q2m9]") not in terms("[EMAIL:k7q2m8] k7q2m9")


def test_lower_case_brackets_are_words() -> None:
    assert terms("[email:k7q2m9]") == terms("email k7q2m9")


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_any_text_gives_32_bit_terms_with_counts(text: str) -> None:
    found = terms(text)
    assert all(0 <= key < 2**32 for key in found)
    assert all(count > 0 for count in found.values())
    assert found == terms(text)


def test_threads_do_not_share_a_stemmer() -> None:
    texts = [f"walking runners {n} jumped happily over running rivers" for n in range(400)]
    expected = [terms(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(terms, texts)) == expected


def test_the_stemmer_keeps_no_words() -> None:
    terms("remembering")
    assert terms_module._stemmer().maxCacheSize == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bob.Smith@Example.org", "bobsmithexampleorg"),
        ("+1 (555) 123-4567", "15551234567"),
        ("ＡＢＣ１２", "abc12"),
        ("Straße 5", "strasse5"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        (" - ", ""),
    ],
)
def test_canonical(value: str, expected: str) -> None:
    assert canonical(value) == expected


@given(st.text(max_size=60))
@settings(max_examples=50)
def test_canonical_is_stable(value: str) -> None:
    once = canonical(value)
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("What did bob.smith@mail.example.org write?", "bob.smith@mail.example.org"),
        ("Is it <Bob.Smith@example.org>?", "bob.smith@example.org"),
        ("mailto:bob@example.org,", "bob@example.org"),
        ("mary.anne.o-connor@mail.dept.example.co.uk?", "mary.anne.o-connor@mail.dept.example.co.uk"),
        ("Who has 555-123-4567?", "(555) 123 4567"),
        ("Who has +1 (555) 123-4567 and why?", "+1 555 123 4567"),
        ("call 0049 170 1234567 today", "0049-170-1234567"),
        ("the card 4111 1111 1111 1111 of hers", "4111111111111111"),
        ("account DE89 3704 0044 0532 0130 00?", "DE89370400440532013000"),
        ("What does Alice's sister do?", "Alice"),
        ("What does Alice van der Berg do?", "alice van der berg"),
        ("Has An Nguyen paid?", "An Nguyen"),
        ("who lives at 12 Main Street, Springfield?", "12 Main Street"),
        ("is ＢＯＢ here", "Bob"),
    ],
)
def test_a_value_in_a_question_is_found(question: str, value: str) -> None:
    assert canonical(value) in value_ngrams(question)


def test_phrases_do_not_begin_or_end_with_a_stop_word() -> None:
    assert value_ngrams("bank of america is the") == ["bank", "america", "bankofamerica"]


def test_a_value_late_in_a_long_question_is_found() -> None:
    found = value_ngrams(
        "word " * 20 + " ".join(f"filler{n:c}" for n in range(97, 122)) + " bob@example.org 555 123 4567"
    )
    assert "bobexampleorg" in found
    assert "5551234567" in found


@given(st.text(max_size=2000))
@settings(max_examples=30, deadline=None)
def test_phrases_are_few_distinct_and_canonical(question: str) -> None:
    found = value_ngrams(question)
    assert len(found) == len(set(found)) <= MAX_NGRAMS
    assert all(len(form) > 1 and form.isalnum() for form in found)


def test_a_hostile_question_is_bounded() -> None:
    assert len(value_ngrams(" ".join(f"w{n} a@b{n}" for n in range(20_000)))) == MAX_NGRAMS
    assert len(value_ngrams("1-" * 20_000)) <= MAX_NGRAMS
    assert len(value_ngrams("of " * 20_000)) == 0
