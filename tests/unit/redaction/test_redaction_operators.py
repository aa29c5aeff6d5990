"""Operators, tokens, and text that only looks like a token."""

from __future__ import annotations

import re
from datetime import date

import pytest

from vault.errors import ConfigError, RejectedError
from vault.redaction.operators import (
    OPERATORS,
    TOKEN,
    TOKEN_ALPHABET,
    TOKEN_LENGTH,
    Redacted,
    escape_tokens,
    find_tokens,
    label_of,
    plan,
    unescape_tokens,
)
from vault.redaction.taxonomy import LABELS
from vault.types import Finding

TODAY = date(2025, 6, 1)


def replaced(entity: str, operator: str, value: str) -> str | None:
    (part,) = plan(value, [Finding(entity, 0, len(value), 1.0, "t")], {entity: operator}, today=TODAY)
    assert isinstance(part, Redacted)
    assert (part.entity, part.operator, part.original) == (entity, operator, value)
    return part.replacement


def test_a_plan_cuts_the_text_into_what_stays_and_what_goes() -> None:
    text = "mail bob@x.org or sue@x.org!"
    findings = [Finding("EMAIL_ADDRESS", 18, 27, 1.0, "t"), Finding("EMAIL_ADDRESS", 5, 14, 1.0, "t")]
    assert plan(text, findings, {}) == [
        "mail ",
        Redacted("EMAIL_ADDRESS", "token", "bob@x.org", None),
        " or ",
        Redacted("EMAIL_ADDRESS", "token", "sue@x.org", None),
        "!",
    ]
    assert plan("", [], {}) == []
    assert plan("abc", [], {}) == ["abc"]


def test_classes_without_an_operator_get_the_default() -> None:
    (part,) = plan("x1", [Finding("NEW_CLASS", 0, 2, 1.0, "t")], {"OTHER": "keep"}, "drop")
    assert isinstance(part, Redacted)
    assert part.replacement == "[NEW_CLASS]"


def test_a_kept_class_stays_and_hides_nothing() -> None:
    findings = [Finding("DATE_TIME", 0, 10, 1.0, "t"), Finding("DATE_OF_BIRTH", 0, 10, 0.5, "t")]
    (part,) = plan("1985-03-12", findings, {"DATE_TIME": "keep"})
    assert isinstance(part, Redacted)
    assert part.entity == "DATE_OF_BIRTH"
    assert plan("1985-03-12", findings[:1], {"DATE_TIME": "keep"}) == ["1985-03-12"]


def test_block_names_the_class_and_no_more() -> None:
    with pytest.raises(RejectedError) as caught:
        plan("4821", [Finding("CARD_PIN", 0, 4, 1.0, "t")], {"CARD_PIN": "block"})
    assert caught.value.code == "content.blocked"
    assert "CARD_PIN" in str(caught.value)
    assert "4821" not in str(caught.value)


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ConfigError):
        plan("x1", [Finding("A", 0, 2, 1.0, "t")], {"A": "erase"})
    assert {"token", "mask", "generalise", "shift", "drop", "block", "keep"} == OPERATORS


@pytest.mark.parametrize(
    ("entity", "value", "masked"),
    [
        ("CREDIT_CARD", "4111 1111 1111 1111", "************1111"),
        ("IBAN_CODE", "DE89370400440532013000", "******************3000"),
        ("US_BANK_NUMBER", "1234567", "*******"),  # too short to show four
        ("US_SSN", "536-90-4399", "*********"),
        ("EMAIL_ADDRESS", "a@b", "****"),
    ],
)
def test_mask(entity: str, value: str, masked: str) -> None:
    assert replaced(entity, "mask", value) == masked


@pytest.mark.parametrize(
    ("entity", "value", "general"),
    [
        ("DATE_TIME", "2023-05-06", "2023"),
        ("DATE_TIME", "6 May", "[DATE]"),
        ("DATE_OF_BIRTH", "March 12, 1985", "1985"),
        ("DATE_OF_BIRTH", "03/12/1935", "90+"),
        ("DATE_OF_BIRTH", "03/12/1936", "1936"),
        ("DATE_OF_BIRTH", "03/12/85", "1985"),
        ("DATE_OF_BIRTH", "03/12/20", "[BIRTHDATE]"),  # five years old, or a hundred and five
        ("AGE", "93", "90+"),
        ("AGE", "old", "[AGE]"),
        ("ZIP_CODE", "62704-1234", "627**"),
        ("ZIP_CODE", "03601", "000"),
        ("ZIP_CODE", "627", "[ZIP]"),
        ("PERSON", "Marie", "[PERSON]"),
    ],
)
def test_generalise(entity: str, value: str, general: str) -> None:
    assert replaced(entity, "generalise", value) == general


def test_drop_leaves_a_marker_without_value() -> None:
    assert replaced("CARD_CVV", "drop", "123") == "[CARD_CVV]"


def test_token_is_left_to_the_caller() -> None:
    assert replaced("PERSON", "token", "Marie") is None


def test_redacted_does_not_show_what_it_holds() -> None:
    assert "secret" not in repr(Redacted("PERSON", "token", "secret", None))


def test_labels_fit_tokens() -> None:
    for entity in [*LABELS, "HL7-id 2", "lower", "7", "_"]:
        token = f"[{label_of(entity)}:{TOKEN_ALPHABET[:TOKEN_LENGTH]}]"
        assert TOKEN.fullmatch(token), entity
    assert label_of("EMAIL_ADDRESS") == "EMAIL"
    assert label_of("7") == "OTHER"


def test_the_alphabet_has_no_look_alikes() -> None:
    assert not set(TOKEN_ALPHABET) & set("ilou01")
    assert len(set(TOKEN_ALPHABET)) == len(TOKEN_ALPHABET)


def test_find_tokens() -> None:
    text = (
        "ask [PERSON:k7q2m9] ([EMAIL:abcdef]) not [EMAIL:abc] [email:abcdef] [~EMAIL:abcdef] [EMAIL:abcde1]"
    )
    assert [(text[a:b], token) for a, b, token in find_tokens(text)] == [
        ("[PERSON:k7q2m9]", "PERSON:k7q2m9"),
        ("[EMAIL:abcdef]", "EMAIL:abcdef"),
    ]
    assert find_tokens("none") == []


@pytest.mark.parametrize(
    "text",
    [
        "[EMAIL:k7q2m9]",
        "[~EMAIL:k7q2m9]",
        "[[EMAIL:k7q2m9]]",
        "[EMAIL:k7q2m9",
        "[EMAIL:",
        "[A1:x] [~~B_C:] [] [x:y] [~] ~[A:",
        "no brackets",
    ],
)
def test_escaped_text_holds_no_token_and_comes_back(text: str) -> None:
    escaped = escape_tokens(text)
    assert find_tokens(escaped) == []
    assert not re.search(r"\[[A-Z][A-Z0-9_]*:", escaped)
    assert unescape_tokens(escaped) == text


def test_unescape_leaves_tokens_alone() -> None:
    stored = escape_tokens("he wrote [EMAIL:abcdef] about ") + "[PERSON:k7q2m9]"
    assert unescape_tokens(stored) == "he wrote [EMAIL:abcdef] about [PERSON:k7q2m9]"


def test_no_operator_output_completes_a_token_begun_in_the_text() -> None:
    value = "1234567890"
    text = f"[EMAIL:abc{value}]"
    for operator in ("mask", "generalise", "drop"):
        parts = plan(text, [Finding("CREDIT_CARD", 10, 20, 1.0, "t")], {}, operator)
        stored = "".join(escape_tokens(p) if isinstance(p, str) else str(p.replacement) for p in parts)
        assert find_tokens(stored) == []
