"""Laws of operators: a class or a forbid more never shows more, doing it twice changes nothing, intervals stay."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from vault.redaction.operators import Redacted, escape_tokens, find_tokens, plan, shifted
from vault.redaction.shift import MOST_DAYS, shift_date
from vault.types import Finding

TODAY = date(2025, 6, 1)
CLASSES = ("AGE", "CREDIT_CARD", "DATE_OF_BIRTH", "DATE_TIME", "PERSON", "ZIP_CODE")
HIDING = ("token", "drop")
SHOWING = ("keep", "shift", "generalise", "mask")
VALUES = (
    *(
        "47",
        "93 years old",
        "ninety",
        "2023-05-06",
        "March 5, 2023",
        "'23",
        "last week",
        "10:30",
        "2019-2021",
    ),
    *("62704-1234", "03601", "4111 1111 1111 1111", "Marie", "****1111", "90+", "[PERSON:k7q2m9]"),
)

texts = st.lists(st.sampled_from(VALUES) | st.text(max_size=6), max_size=6).map(" ".join)
operators = st.dictionaries(st.sampled_from(CLASSES), st.sampled_from((*HIDING, *SHOWING)))


@st.composite
def findings(draw: st.DrawFn, text: str, least: int = 0) -> list[Finding]:
    """Spans anywhere in the text, of any class, overlapping as they like."""
    if not text:
        return []
    places = st.tuples(st.integers(0, len(text) - 1), st.integers(1, 20), st.sampled_from(CLASSES),
                       st.sampled_from([0.4, 0.7, 1.0]))  # fmt: skip
    return [
        Finding(entity, start, min(start + size, len(text)), score, "t")
        for start, size, entity, score in draw(st.lists(places, min_size=least, max_size=6))
    ]


def hidden(text: str, found: list[Finding], chosen: dict[str, str]) -> set[int]:
    """The characters of which nothing is shown."""
    places: set[int] = set()
    at = 0
    for part in plan(text, found, chosen, "token", today=TODAY):
        length = len(part.original) if isinstance(part, Redacted) else len(part)
        if isinstance(part, Redacted) and part.operator in HIDING:
            places |= set(range(at, at + length))
        at += length
    assert at == len(text)
    return {place for place in places if text[place].isalnum()}


@settings(max_examples=100, deadline=None)
@given(st.data(), texts, operators)
def test_a_finding_more_never_hides_less(data: st.DataObject, text: str, chosen: dict[str, str]) -> None:
    fewer = data.draw(findings(text))
    more = [*fewer, *data.draw(findings(text))]
    assert hidden(text, fewer, chosen) <= hidden(text, more, chosen)


@settings(max_examples=100, deadline=None)
@given(st.data(), texts, operators, st.sampled_from(CLASSES), st.sampled_from(HIDING))
def test_a_stricter_operator_for_a_class_never_hides_less(
    data: st.DataObject, text: str, chosen: dict[str, str], entity: str, operator: str
) -> None:
    found = data.draw(findings(text))
    assert hidden(text, found, chosen) <= hidden(text, found, {**chosen, entity: operator})


@settings(max_examples=100, deadline=None)
@given(st.data(), texts, operators)
def test_whatever_the_operators_are_no_text_becomes_a_token(
    data: st.DataObject, text: str, chosen: dict[str, str]
) -> None:
    stored = []
    for part in plan(text, data.draw(findings(text)), chosen, "drop", today=TODAY):
        if isinstance(part, str):
            stored.append(escape_tokens(part))
        else:
            stored.append(
                "\x00" if part.operator == "token" else part.replacement or shifted(part, 9, today=TODAY)
            )
    assert find_tokens("".join(stored)) == []


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CLASSES), st.sampled_from(VALUES) | st.text(min_size=1, max_size=12),
       st.sampled_from(["mask", "generalise", "drop", "keep"]))  # fmt: skip
def test_doing_it_twice_changes_nothing(entity: str, value: str, operator: str) -> None:
    def once(text: str) -> str:
        found = [Finding(entity, 0, len(text), 1.0, "t")]
        parts = plan(text, found, {entity: operator}, today=TODAY)
        return "".join(part if isinstance(part, str) else part.replacement or "" for part in parts)

    assert once(once(value)) == once(value)


FORMS = ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%B %d, %Y", "%d %b %Y", "%A, %B %d, %Y", "%Y%m%d", "%d-%b-%Y")
days = st.dates(date(1850, 1, 1), date(2098, 12, 31))


@settings(max_examples=200, deadline=None)
@given(days, days, st.sampled_from(FORMS), st.integers(1, MOST_DAYS), st.booleans())
def test_intervals_and_forms_stay(one: date, other: date, form: str, offset: int, back: bool) -> None:
    offset = -offset if back else offset
    moved = [shift_date(day.strftime(form), offset) or "" for day in (one, other)]
    assert [read(text, form) for text in moved] == [day + timedelta(days=offset) for day in (one, other)]


def read(text: str, form: str) -> date:
    """A written date; days may have lost their zero, and after "May" nothing tells a short month from a long one."""
    for one in (form, form.replace("%b", "%B")):
        with suppress(ValueError):
            return datetime.strptime(text, one).replace(tzinfo=UTC).date()
    raise AssertionError(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=70), st.integers(-MOST_DAYS, MOST_DAYS).filter(bool))
def test_junk_is_moved_or_not_and_nothing_raises(text: str, offset: int) -> None:
    assert shift_date(text, offset) != text
