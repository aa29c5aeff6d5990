"""Where a value stands in a text: any writing of it, whole words only, never inside a token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInputError
from vault.flows.people.sought import Sought

VALUES = {"PERSON:k7q2m9": "Bo Silva", "PERSON:ann222": "Ana", "NAME:rrr333": "Rivera-Smith"}


def places(value: str, text: str) -> list[str]:
    return [text[place.start : place.end] for place in Sought(value).places(text, VALUES)]


FOUND = [
    ("Ana Rivera", "ask Ana Rivera today", "Ana Rivera"),
    ("ana rivera", "ask ANA  RIVERA, please", "ANA  RIVERA"),
    ("Ana Rivera", "by Ana-Rivera", "Ana-Rivera"),
    ("Jean-Luc", "jean luc came", "jean luc"),
    ("Jean-Luc", "JeanLuc came", "JeanLuc"),
    ("O'Neil", "Mrs O’Neil's dog", "O’Neil"),
    ("Zoë", "with Zoe\u0308 and", "Zoe\u0308"),
    ("Zoe\u0308", "with ZOË and", "ZOË"),
    ("Straße", "in der STRASSE 5", "STRASSE"),
    ("ana.rivera@example.org", "Mail: Ana.Rivera@Example.org!", "Ana.Rivera@Example.org"),
    ("+1 212 555 0187", "call 1-212-555-0187 now", "1-212-555-0187"),
    ("+1 212 555 0187", "call +1 (212) 555.0187 now", "1 (212) 555.0187"),
    ("12125550187", "call 1 212 555 0187x", "1 212 555 0187"),
    ("MRN 77", "see mrn77 there", "mrn77"),
    ("田中", "田中さんは来ました", "田中"),
    ("ｒｉｖｅｒａ", "Rivera", "Rivera"),
    ("Rivera", "tel:Rivera2", "Rivera"),
    ("ﬁsher", "Mr Fisher", "Fisher"),
    ("sher", "ﬁ sher", "sher"),
    ("Ana", "[~PERSON:abcdef] Ana", "Ana"),
]
MISSED = [
    ("Ana", "Anatomy of a banana"),
    ("Ana", "an apple"),
    ("Ana", "An a-b"),
    ("212", "call 12125550187"),
    ("55501", "1-212-555-0187"),
    ("Ana Rivera", "Ana met Rivera"),
    ("Ana Rivera", "Ana [PERSON:k7q2m9] Rivera"),
    ("k7q2m9", "said [PERSON:k7q2m9] here"),
    ("person", "said [PERSON:k7q2m9] here"),
    ("isher", "Mr ﬁsher"),
    ("Rivera", ""),
    ("Rivera", "..."),
]


@pytest.mark.parametrize(("value", "text", "expected"), FOUND)
def test_found(value: str, text: str, expected: str) -> None:
    assert places(value, text) == [expected]
    (place,) = Sought(value).places(text, {})
    assert (place.clear, place.original) == (True, expected)


@pytest.mark.parametrize(("value", "text"), MISSED)
def test_not_found(value: str, text: str) -> None:
    assert places(value, text) == []


def test_behind_tokens_and_across() -> None:
    def told(value: str, text: str) -> list[tuple[str, bool, str]]:
        found = Sought(value).places(text, VALUES)
        return [(text[place.start : place.end], place.clear, place.original) for place in found]

    token, ann, rest = "[PERSON:k7q2m9]", "[PERSON:ann222]", "[NAME:rrr333]"
    assert told("Bo Silva", f"ask {token} now") == [(token, False, "Bo Silva")]
    assert told("Silva", f"ask {token} now") == [(token, False, "Bo Silva")]
    assert told("Ana Rivera", f"ask {ann} Rivera now") == [(f"{ann} Rivera", True, "Ana Rivera")]
    assert told("Dr Ana", f"ask Dr. {ann}, now") == [(f"Dr. {ann}", True, "Dr. Ana")]
    assert told("Ana Rivera", f"{ann} {rest}") == [(f"{ann} {rest}", False, "Ana Rivera-Smith")]
    assert told("Dr Ana Rivera", f"Dr {ann} {rest}!") == [(f"Dr {ann} {rest}", True, "Dr Ana Rivera-Smith")]
    assert told("Smith", f"{rest}, smith") == [(rest, False, "Rivera-Smith"), ("smith", True, "smith")]
    assert told("Rivera Rivera", f"Rivera {rest} Rivera") == [(f"Rivera {rest}", True, "Rivera Rivera-Smith")]
    assert told("Smith", "[NAME:unknwn] Smith") == [("Smith", True, "Smith")]
    assert told("Ana Rivera", "Ana [NAME:unknwn] Rivera") == []


def test_every_place_is_found() -> None:
    assert places("Ana", "Ana, ANA; banana and ana Ana") == ["Ana", "ANA", "ana", "Ana"]
    assert places("1212", "1212 1212-1212") == ["1212", "1212", "1212"]


@pytest.mark.parametrize("value", ["a", "?", " - ", "", "7", "\u200b"])
def test_a_value_without_letters_is_refused(value: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Sought(value)
    assert caught.value.code == "value.short"
    assert repr(Sought("Rivera")) == "<Sought>"


@given(st.text(max_size=12), st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_a_value_between_other_words_is_always_found(before: str, after: str, value: str) -> None:
    """Whatever stands around it: spans lie inside the text, and what is between them is the value in some writing."""
    try:
        sought = Sought(value)
    except InvalidInputError:
        return
    text = f"{before} . . . {value} . . . {after}".replace("[", "(")
    if unicode_marks(value):
        return
    found = sought.spans(text)
    assert found
    assert found == sorted(found)
    for start, end in found:
        assert 0 <= start < end <= len(text)
        assert Sought(text[start:end]).spans(value) or len(text[start:end]) <= len(value) + 12


def unicode_marks(value: str) -> bool:
    """A value whose first letter carries marks that only normalising with its neighbour would move."""
    import unicodedata

    return any(unicodedata.combining(char) for char in value) or value != unicodedata.normalize("NFC", value)
