"""Laws of redaction: spans fit the original, nothing raises, nothing is lost, nothing that was found stays."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import regex
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vault.redaction.detect import BuiltinDetector
from vault.redaction.normalise import View
from vault.redaction.operators import Redacted, escape_tokens, find_tokens, plan, unescape_tokens
from vault.redaction.resolve import resolve
from vault.redaction.structure import walk_metadata
from vault.types import Finding, Metadata

DETECTOR = BuiltinDetector()
TRICKY = (
    "0123456789-.@ :/aA\n\x00"
    "\u200b\u00ad\u0301\uff11\u0661\u00a0\u2011\u00e9\u202e\ufe0f\U0001f600\u0130\u00df\uac00"
)
VALUES = [
    "4111 1111 1111 1111",
    "john.doe@example.com",
    "536-90-4399",
    "DE89370400440532013000",
    "10.0.0.1",
    "+1 212-736-5000",
    "https://example.com/a",
    "550e8400-e29b-41d4-a716-446655440000",
]
INVISIBLE = "\u200b\u200d\u00ad\ufeff\u2060\u202e"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.text(TRICKY, max_size=80)
pieces = st.lists(
    st.sampled_from([*VALUES, " and ", ", ", "\n", "\u00e9t\u00e9 ", "[EMAIL:k7q2m9]"]) | texts, max_size=6
)
rich = pieces.map(" ".join)


@given(texts)
@settings(max_examples=50)
def test_every_character_of_a_view_comes_from_one_place_in_order(text: str) -> None:
    view = View(text)
    last = 0
    for at in range(len(view.text)):
        start, end = view.original(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert start >= last or end == view.original(at - 1, at)[1]
        last = start
    if view.text:
        first, end = view.original(0, len(view.text))
        outside = View(text[:first]).text + View(text[end:]).text
        assert outside == ""


@given(texts)
@settings(max_examples=50)
def test_a_span_never_splits_a_base_from_its_marks(text: str) -> None:
    view = View(text)
    for at in range(len(view.text)):
        _, end = view.original(at, at + 1)
        assert (
            end == len(text)
            or not unicodedata.category(text[end]).startswith("M")
            or text[end - 1] in "\r\n\x00"
        )


@given(rich)
@settings(max_examples=50)
def test_detection_never_raises_and_spans_are_in_order(text: str) -> None:
    end = 0
    for found in DETECTOR.detect(text):
        assert end <= found.start < found.end <= len(text)
        assert found.entity in DETECTOR.entities
        end = found.end


@given(rich, st.sampled_from(["token", "mask", "drop", "generalise", "keep"]))
@settings(max_examples=50)
def test_what_stays_and_what_goes_are_together_the_text(text: str, operator: str) -> None:
    parts = plan(text, DETECTOR.detect(text), {}, operator)
    assert "".join(part.original if isinstance(part, Redacted) else part for part in parts) == text


@given(st.sampled_from(VALUES), st.data())
@settings(max_examples=50)
def test_invisible_characters_inside_a_value_do_not_hide_it(value: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(value) - 1))
    text = f"so: {value[:at]}{data.draw(st.sampled_from(INVISIBLE))}{value[at:]} ok"
    covered = {i for found in DETECTOR.detect(text) for i in range(found.start, found.end)}
    assert set(range(4, len(text) - 3)) <= covered


spans = st.tuples(
    st.integers(0, 29), st.integers(1, 12), st.sampled_from("ABC"), st.sampled_from([0.4, 0.6, 1.0])
).map(lambda s: Finding(s[2], s[0], min(s[0] + s[1], 30), s[3], "t"))


@given(st.lists(spans, max_size=10))
@settings(max_examples=50)
def test_resolving_uncovers_nothing_and_is_stable(findings: list[Finding]) -> None:
    text = "abcdefghij" * 3
    done = resolve(text, findings)
    assert {i for f in done for i in range(f.start, f.end)} == {
        i for f in findings for i in range(f.start, f.end)
    }
    assert all(a.end <= b.start for a, b in pairwise(done))
    assert {(f.start, f.end) for f in resolve(text, done)} == {(f.start, f.end) for f in done}


@given(st.text("[]~:ABE_1x k7q2m9", max_size=60))
@settings(max_examples=50)
def test_escaping_is_reversible_and_leaves_no_token(text: str) -> None:
    assert find_tokens(escape_tokens(text)) == []
    assert unescape_tokens(escape_tokens(text)) == text


# Values behind one more step: what the further readings are for.
DISGUISED = [
    "john dot doe at gmail dot com",
    "five three six, nine oh, four three nine nine",
    "NTM2LTkwLTQzOTk=",
    "536-9O-4399",
    "ana%40example.org",
    "ana&#64;example.org",
    "4111//1111//1111//1111",
    '{"patientSSN": 536904399}',
    "j o h n @ g m a i l . c o m",
    "**536**-90-4399",
    "\u202e9934-09-635\u202c",
    "\u0455\u0455n 536904399",
]
disguised = st.lists(
    st.sampled_from([*DISGUISED, *VALUES, " and ", ", ", "\n", "ssn ", "[EMAIL:k7q2m9]"]) | texts, max_size=6
).map(" ".join)
RULES = BuiltinDetector(names=None)


def covered_by(findings: list[Finding]) -> set[int]:
    """The positions that findings cover."""
    return {at for one in findings for at in range(one.start, one.end)}


@given(disguised)
@settings(max_examples=50, deadline=None)
def test_spans_of_every_reading_are_whole_graphemes_in_order(text: str) -> None:
    borders = {0, len(text)} | {match.end() for match in regex.finditer(r"\X", text)}
    end = 0
    for found in DETECTOR.detect(text):
        assert end <= found.start < found.end <= len(text)
        assert found.start in borders
        assert found.end in borders
        end = found.end


@given(disguised)
@settings(max_examples=50, deadline=None)
def test_detection_is_deterministic_alone_or_in_a_batch(text: str) -> None:
    found = DETECTOR.detect(text)
    assert found == DETECTOR.detect(text)
    assert BuiltinDetector(names=None).batch([text, "x"])[0] == RULES.detect(text)


@given(disguised)
@settings(max_examples=50, deadline=None)
def test_redacting_again_finds_nothing_new(text: str) -> None:
    # What overrides direction makes a token read backwards, which looks like a secret: then more is masked, not less.
    assume(not any("\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069" for char in text))
    parts = plan(text, RULES.detect(text), {}, "token")
    once = "".join("[VALUE:k7q2m9]" if isinstance(part, Redacted) else part for part in parts)
    again = covered_by(RULES.detect(once))
    tokens = covered_by([Finding("T", start, end, 1, "t") for start, end, _ in find_tokens(once)])
    assert {at for at in again - tokens if once[at].isalnum()} == set()


class Words:
    """A recogniser of one's own: runs of a few letters and digits."""

    name = "words"
    entities = frozenset({"WORD"})
    digits = -1

    def find(self, view: View) -> list[Finding]:
        return [
            Finding("WORD", *match.span(), 1.0, self.name)
            for match in re.finditer(r"[a-f1-4]{2,}", view.text)
        ]


@given(disguised)
@settings(max_examples=50, deadline=None)
def test_one_more_recogniser_never_masks_less(text: str) -> None:
    more = BuiltinDetector(names=None, extra=[Words()])
    lost = covered_by(RULES.detect(text)) - covered_by(more.detect(text))
    assert not any(text[at].isalnum() for at in lost)


@given(st.lists(disguised, max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_group_masks_at_least_what_each_message_does(group: list[str]) -> None:
    together = RULES.detect_group(group)
    for text, found in zip(group, together, strict=True):
        assert not any(text[at].isalnum() for at in covered_by(RULES.detect(text)) - covered_by(found))
        assert all(0 <= one.start < one.end <= len(text) for one in found)


json_values: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4))
@settings(max_examples=50)
def test_walking_without_change_gives_an_equal_copy(metadata: Metadata) -> None:
    assert walk_metadata(metadata, lambda text, _: text) == metadata
