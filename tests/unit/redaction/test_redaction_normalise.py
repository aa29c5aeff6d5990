"""The view: one spelling for look-alikes, and an exact way back."""

from __future__ import annotations

import sys

import pytest
from support.timing import least

from vault.errors import InvalidInputError
from vault.redaction.normalise import View, key_words


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("plain ASCII, 42", "plain ASCII, 42"),
        ("4\u200b1\u200d1\u2060", "411"),  # zero width space, joiner, word joiner
        ("4\u00ad1\ufeff1", "411"),  # soft hyphen, byte order mark
        ("\u202e4111\u202c", "4111"),  # right-to-left override
        ("a\u00a0b\u2003c\u3000d", "a b c d"),
        ("536\u201190\u20134399\u2212\u2014\u2010", "536-90-4399---"),
        ("\uff15\uff13\uff16", "536"),  # full width
        ("\u0661\u0662\u0663", "123"),  # Arabic-Indic
        ("\U0001d7d2\U0001d7cf", "41"),  # mathematical bold
        ("\u2460\u2461", "12"),  # circled
        ("jane\uff20example\uff0ecom", "jane@example.com"),
        ("jane@example\u3002com", "jane@example.com"),
        ("jo\u0301hn", "j\u00f3hn".replace("\u00f3", "\u00f3")),
        ("4\u03361\u0336", "41"),  # struck through
        ("4\ufe0f\u20e31\ufe0f\u20e3", "41"),  # keycaps
        ("it\u2019s \u201cquoted\u201d", 'it\'s "quoted"'),
        ("4\x001\x1b1", "411"),  # control characters
        ("line\nbreak\ttab\r\n", "line\nbreak\ttab\r\n"),
        ("", ""),
    ],
)
def test_look_alikes_read_the_same(text: str, reads: str) -> None:
    assert View(text).text == reads


def test_ascii_is_its_own_view() -> None:
    text = "call 212-736-5000"
    view = View(text)
    assert view.text is text
    assert view.original(5, 17) == (5, 17)


def test_spans_map_back_to_the_original() -> None:
    text = "id \u200b4\u00ad1\u200b1 end"
    view = View(text)
    start = view.text.index("411")
    first, last = view.original(start, start + 3)
    assert text[first:last] == "4\u00ad1\u200b1"


def test_spans_grow_to_whole_graphemes() -> None:
    text = "x e\u0301\u0301 y"
    view = View(text)
    at = view.text.index("\u00e9")
    assert text[slice(*view.original(at, at + 1))] == "e\u0301\u0301"


def test_one_character_that_reads_as_many_maps_back_whole() -> None:
    text = "a \u2121 b"  # TEL
    view = View(text)
    assert view.text == "a TEL b"
    assert view.original(3, 4) == (2, 3)


@pytest.mark.parametrize("text", ["\ud800", "ab\udfffcd", "\u00e9 \udc00"])
def test_lone_surrogates_are_refused_without_echo(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        View(text)
    assert caught.value.code == "text.unicode"
    assert caught.value.__context__ is None


def test_only_text_is_accepted() -> None:
    with pytest.raises(InvalidInputError):
        View(b"bytes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("ssn", ("ssn",)),
        ("patient_ssn", ("patient", "ssn")),
        ("patientSSN", ("patient", "ssn")),
        ("SSNNumber", ("ssn", "number")),
        ("dateOfBirth", ("date", "of", "birth")),
        ("a.b-c d", ("a", "b", "c", "d")),
        ("address_line_1", ("address", "line", "1")),
        ("", ()),
    ],
)
def test_words_of_a_key(key: str, words: tuple[str, ...]) -> None:
    assert key_words(key) == words


def test_questions_about_the_text() -> None:
    view = View("Call Bob at 5 pm", context="note")
    assert view.words == {"call", "bob", "at", "5", "pm"}
    assert view.digits == 1
    assert view.structured
    assert not View("nothing to see here").structured
    assert View("a.b").structured
    assert View("see intra://").structured
    assert view.near(12, 13, 2) == (["bob", "at"], ["pm"])


def test_claims() -> None:
    view = View("0123456789")
    view.claim(2, 6)
    view.claim(8, 9)
    assert view.claimed(2, 6)
    assert view.claimed(3, 5)
    assert view.claimed(8, 9)
    assert not view.claimed(1, 3)
    assert not view.claimed(5, 9)
    assert not view.claimed(0, 1)


def test_the_same_text_in_other_letters_keeps_the_way_back() -> None:
    view = View("\u200bssn_1")
    other = view.with_text(view.text.replace("_", " "))
    assert other.text == "ssn 1"
    assert other.original(0, 5) == view.original(0, 5) == (1, 6)


def test_a_pile_of_combining_marks_is_not_slow() -> None:
    pile = "e" + "\u0301\u0323" * 30_000
    assert least(lambda: View(pile), 2) < 2
    view = View(pile)
    assert view.original(0, 1) == (0, len(pile))


def test_the_cache_of_folded_characters_is_bounded() -> None:
    from vault.redaction import normalise

    View("".join(chr(c) for c in range(0x4E00, 0x4E00 + 6000)))
    assert len(normalise._folded) <= normalise._MAX_CACHED
    assert sys.getsizeof(normalise._folded) < 1_000_000
