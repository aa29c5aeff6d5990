"""Further readings: made only on cues, with the exact way back, each by its own kind of rewriting."""

from __future__ import annotations

import pytest

from vault.redaction import decoding, disguise, keyed, layout, lookalikes, spelled
from vault.redaction.detect import BuiltinDetector
from vault.redaction.edits import Edit, apart
from vault.redaction.normalise import View
from vault.redaction.views import Reading, readings


def rewritten(text: str, edits: list[Edit]) -> str:
    """The text as the edits make it read."""
    return Reading(View(text), edits).text


@pytest.mark.parametrize(
    "text",
    [
        "My neighbour plays the cello every Sunday evening while the children read.",
        "We met at noon, and I liked it; did you?",
        "nothing",
        "",
    ],
)
def test_ordinary_text_has_one_reading(text: str) -> None:
    assert list(readings(View(text))) == []


def test_a_decoded_span_is_the_whole_token() -> None:
    text = "data NTM2OTA0Mzk5 end"
    (reading,) = [one for one in readings(View(text)) if "536904399" in one.text]
    at = reading.text.index("536904399")
    assert text[slice(*reading.original(at + 3, at + 5))] == "NTM2OTA0Mzk5"
    assert text[slice(*reading.original(at - 1, at + 9))] == " NTM2OTA0Mzk5"


def test_a_reading_of_a_reading_finds_the_way_back() -> None:
    text = "\u200bmail %6A%6Fhn&#64;example.org"
    views = [one for one in readings(View(text)) if "john@example.org" in one.text]
    at = views[0].text.index("john@example.org")
    assert text[slice(*views[0].original(at, at + 16))] == "%6A%6Fhn&#64;example.org"


def test_a_reversed_stretch_maps_each_character() -> None:
    view = View("ab 12345 cd")
    reading = Reading(view, [Edit(3, 8, "54321", reversed=True)])
    assert reading.text == "ab 54321 cd"
    assert reading.original(3, 5) == (6, 8)
    assert reading.original(1, 4) == (1, 8)
    assert reading.original(7, 11) == (3, 11)


def test_a_finding_counts_where_something_was_rewritten() -> None:
    reading = Reading(View("one 22 three"), [Edit(4, 6, "two")], touching=True, floor=0.5)
    assert reading.counts(4, 7, 0.5)
    assert not reading.counts(4, 7, 0.4)
    assert not reading.counts(8, 13, 0.9)
    cut = Reading(View("4111-1111"), [Edit(4, 5, "")], touching=True)
    assert cut.counts(2, 6, 0.5)
    assert not cut.counts(4, 8, 0.5)


def test_a_long_text_is_read_around_its_edits() -> None:
    text = "word " * 400 + "john%40example.org" + " word" * 400
    reading = next(readings(View(text)))
    assert len(reading.text) < 500
    at = reading.text.index("john@example.org")
    assert text[slice(*reading.original(at, at + 16))] == "john%40example.org"


def test_edits_that_overlap_give_way_to_the_first() -> None:
    assert apart([Edit(3, 5, "b"), Edit(0, 4, "a"), Edit(5, 6, "c")]) == [Edit(0, 4, "a"), Edit(5, 6, "c")]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a%40b", "a@b"),
        ("a%252540b", "a@b"),
        ("caf%C3%A9", "caf\u00e9"),
        ("caf%E9", "caf\u00e9"),
        ("100% of 50%", "100% of 50%"),
        ("a&#64;b &amp;#64; &commat; &copy", "a@b @ @ &copy"),
        ("\\u0040 \\\\u0040 \\x40 \\u{40} U+0040", "@ @ @ @ @"),
        ("\\ud83d\\ude00 \\ud83d", "\U0001f600 \\ud83d"),
        ("a=40b a=b", "a@b a=b"),
        ('{\\"a\\": 1}', '{"a": 1}'),
    ],
)
def test_escapes(text: str, plain: str) -> None:
    assert rewritten(text, decoding.escapes(text)) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("x aGVsbG8gd29ybGQ= y", "x hello world y"),
        ("68656c6c6f20776f726c64", "hello world"),
        ("68 65 6c 6c 6f 20", "hello "),
        ("104 101 108 108 111 33", "hello!"),
        ("01101000 01100101 01101100 01101100 01101111 00100001", "hello!"),
        ("NBSWY3DPEB3W64TMMQ======", "hello world"),
        ("international understanding 4111111111111111", "international understanding 4111111111111111"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
    ],
)
def test_tokens(text: str, plain: str) -> None:
    assert rewritten(text, decoding.tokens(text)) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("five three six, nine oh, four three nine nine", "536-90-4399"),
        (
            "five three six, nine oh, four three nine nine 4111 1111 1111 1111",
            "536-90-4399 4111 1111 1111 1111",
        ),
        ("double five triple one", "55111"),
        ("twenty twenty-four", "2024"),
        ("born May third nineteen eighty five", "born May 3 1985"),
        ("two hundred thousand four hundred", "200400"),
        ("one day at a time", "one day at a time"),
        ("ninety years old", "90 years old"),
        ("five 3 dash 9 zero", "53-90"),
        ("eins zwei drei vier", "1234"),
    ],
)
def test_number_words(text: str, plain: str) -> None:
    assert rewritten(text, spelled.numbers(text)) == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("john dot doe at gmail dot com", "john.doe@gmail.com"),
        ("john [at] example [dot] org", "john@example.org"),
        ("john @ example . org", "john@example.org"),
        ("look at the dot on the map", "look at the dot on the map"),
        ("a fire at work . Today is", "a fire at work . Today is"),
        ("hives at some point and more", "hives at some point and more"),
        ("we met at example.org yesterday", "we met at example.org yesterday"),
        ("10 dot 0 dot 0 dot 1", "10.0.0.1"),
    ],
)
def test_spelled_addresses(text: str, plain: str) -> None:
    assert rewritten(text, disguise.addresses(text, View(text).words)) == plain


def test_layout() -> None:
    text = "**jo**hn <b>x</b> * bullet"
    assert rewritten(text, layout.markup(text)) == "john x * bullet"
    text = "j o h n  d o e and a b"
    assert rewritten(text, layout.spaced(text)) == "john doe and a b"
    text = "4111//1111//1111//1111"
    assert rewritten(text, layout.squeezed(text)) == "4111111111111111"
    assert layout.squeezed("03/12/1985") == []


def test_look_alikes() -> None:
    text = "p\u0430ypal"
    assert rewritten(text, lookalikes.skeleton(text, text)) == "paypal"
    russian = "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440"
    assert lookalikes.skeleton(russian, russian) == []
    text = "536-9O-4399 is OK"
    assert rewritten(text, lookalikes.digits(text)) == "536-90-4399 is OK"
    text = "J0hn has 3 cats"
    assert rewritten(text, lookalikes.leet(text)) == "John has 3 cats"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": {"ssn": 53, "b": "x"}}', [("a.ssn", "53")]),
        ('{"ssn": ["1", 2]}', [("ssn", "1"), ("ssn", "2")]),
        ("ssn=53; b=4", [("ssn", "53")]),
        ("ssn: Ana Lima, b: 4", [("ssn", "Ana Lima")]),
        ("ssn: Ana was here and left again with it", [("ssn", "Ana")]),
        ("<ssn>53</ssn>", [("ssn", "53")]),
        ("ssn,ssn\n5,6\n", [("ssn", "5"), ("ssn", "6")]),
        ("she said: hello", []),
    ],
)
def test_values_under_keys(text: str, found: list[tuple[str, str]]) -> None:
    spans = keyed.fields(text, lambda key: key.endswith("ssn"))
    assert sorted({(key, text[start:end]) for key, start, end in spans}) == found


@pytest.mark.parametrize("text", ["_" * 65, "**", "_ _ _ _ _ _", "~~~~~~~~", "````", "<b></b>", "\u200b" * 9])
def test_a_text_of_nothing_but_marks_is_examined(text: str) -> None:
    assert BuiltinDetector(names=None).detect(text) == []
