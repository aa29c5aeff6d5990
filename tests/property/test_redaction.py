"""Laws of redaction: spans fit the original, nothing raises, nothing is lost, nothing that was found stays."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

from hypothesis import given, settings
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
