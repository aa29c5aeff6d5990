"""Dates moved by a secret number of days, and values made less exact."""

from __future__ import annotations

from datetime import date

import pytest
from support.timing import least

from vault.redaction.generalise import general
from vault.redaction.operators import Redacted, coarse, plan, shifted
from vault.redaction.shift import MOST_DAYS, day_offset, shift_date
from vault.types import Finding

TODAY = date(2025, 6, 1)


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ("2023-05-06", "2023-08-14"),
        ("2023/5/6", "2023/8/14"),
        ("2023-05-06T10:30:00Z", "2023-08-14T10:30:00Z"),
        ("2023-05-06 10:30", "2023-08-14 10:30"),
        ("20230506", "20230814"),
        ("05/06/2023", "08/14/2023"),  # month first
        ("13/06/2023", "21/09/2023"),  # which it cannot be here
        ("3.4.2023", "12.7.2023"),  # nor is it with dots
        ("12/31/99", "04/09/00"),
        ("1/2/23", "4/12/23"),
        ("March 5, 2023", "June 13, 2023"),
        ("MARCH 5 2023", "JUNE 13 2023"),
        ("march 5", "june 13"),
        ("Mar 1st, 2023", "Jun 9th, 2023"),
        ("Mar. 13th", "Jun. 21st"),
        ("5 March 2023", "13 June 2023"),
        ("the 25th of December 2023", "the 3rd of April 2024"),
        ("05-Mar-2023", "13-Jun-2023"),
        ("13 Jun '23", "21 Sep '23"),
        ("Sept 2, 2023", "Dec 11, 2023"),
        ("Monday, May 8, 2023 at 10:30 pm", "Wednesday, August 16, 2023 at 10:30 pm"),
        ("Mon 5/8/2023", "Wed 8/16/2023"),
        ("May 6, 2023 at 3pm", "August 14, 2023 at 3pm"),
        ("May 6 10:30:15.5", "August 14 10:30:15.5"),
        ("29 February 2024", "8 June 2024"),
        ("29 February", "8 June"),
        ("5. März 2023", "13. Juni 2023"),
        ("5 de mayo de 2023", "13 de agosto de 2023"),
        ("1er janvier", None),
        ("2 février 2023", "13 mai 2023"),
        ("\uff12\uff10\uff12\uff13-05-06", "2023-08-14"),
        ("2023\u00a0-05-06", None),
    ],
)
def test_a_date_keeps_its_form(written: str, moved: str | None) -> None:
    assert shift_date(written, 100) == moved


@pytest.mark.parametrize(
    "written",
    ["", "2023", "May 2023", "next week", "yesterday", "Feb 30, 2023", "2023-13-01", "31/31/2023", "May 5-7, 2023",
     "Foo 5, 2023", "Fooday, May 5, 2023", "5 May 2023 and 6 May 2023", "10:30", "9999-12-31", "0000-01-01", "x" * 500,
     "2023-05-06" * 20, "the fifth of March"],
)  # fmt: skip
def test_what_is_not_one_date_with_day_and_month_is_not_moved(written: str) -> None:
    assert shift_date(written, 100) is None


@pytest.mark.parametrize("days", [365, -365])
def test_a_day_of_no_year_does_not_stay_where_it_is(days: int) -> None:
    assert shift_date("5 March", days) is None
    assert shift_date("5 March 2023", days) not in (None, "5 March 2023")


def test_a_subjects_number_is_never_nought_and_within_a_year() -> None:
    numbers = {day_offset(number.to_bytes(8, "big")) for number in range(2 * MOST_DAYS)}
    assert numbers == {*range(-MOST_DAYS, 0), *range(1, MOST_DAYS + 1)}
    assert day_offset(b"\xff" * 32) == day_offset(b"\xff" * 8)
    with pytest.raises(ValueError, match="eight"):
        day_offset(b"short")


def test_a_shift_is_left_to_the_caller_and_fails_closed() -> None:
    text = "seen 2023-05-06, again next week, born 1931"
    findings = [
        Finding("DATE_TIME", 5, 15, 1.0, "t"),
        Finding("DATE_TIME", 23, 32, 1.0, "t"),
        Finding("AGE", 39, 43, 1.0, "t"),
    ]
    parts = [part for part in plan(text, findings, {}, "shift", today=TODAY) if isinstance(part, Redacted)]
    assert [part.replacement for part in parts] == [None, None, None]
    assert [shifted(part, -10, today=TODAY) for part in parts] == ["2023-04-26", "[DATE]", "[AGE]"]
    assert [coarse(part, today=TODAY) for part in parts] == ["2023", "[DATE]", "[AGE]"]


@pytest.mark.parametrize(
    ("entity", "value", "less"),
    [
        ("DATE_TIME", "March 14th, 2021", "2021"),
        ("DATE_TIME", "2021-03-14T10:30:00Z", "2021"),
        ("DATE_TIME", "20210314", "2021"),
        ("DATE_TIME", "03142021", "2021"),
        ("DATE_TIME", "3/14/21", "2021"),
        ("DATE_TIME", "14 March '99", "1999"),
        ("DATE_TIME", "the fifth of March nineteen ninety", "1990"),
        ("DATE_TIME", "May fourth, two thousand and three", "2003"),
        ("DATE_TIME", "June twenty twenty-one", "2021"),
        ("DATE_TIME", "2021", "2021"),
        ("DATE_TIME", "1936", "1936"),
        ("DATE_TIME", "1935", None),  # as of somebody who is 90
        ("DATE_TIME", "5 May 1931", None),
        ("DATE_TIME", "1931-1945", None),
        ("DATE_TIME", "2019-2021", "2019-2021"),
        ("DATE_TIME", "2019 to 2021", "2019 to 2021"),
        ("DATE_TIME", "10:30 pm", "10:30 pm"),
        ("DATE_TIME", "March 2019 to May 2021", None),
        ("DATE_TIME", "last Tuesday", None),
        ("DATE_TIME", "March 14th", None),
        ("DATE_TIME", "123456789", None),
        ("DATE_OF_BIRTH", "03/12/30", "90+"),
        ("DATE_OF_BIRTH", "12 May '47", "1947"),
        ("DATE_OF_BIRTH", "12 May 1931", "90+"),
        ("DATE_OF_BIRTH", "90+", "90+"),
        ("AGE", "47", "47"),
        ("AGE", "47 years old", "47 years old"),
        ("AGE", "47-year-old", "47-year-old"),
        ("AGE", "aged eighty-nine", "aged eighty-nine"),
        ("AGE", "89", "89"),
        ("AGE", "90", "90+"),
        ("AGE", "93-year-old", "90+"),
        ("AGE", "93M", "90+"),
        ("AGE", "ninety-three years old", "90+"),
        ("AGE", "one hundred and two", "90+"),
        ("AGE", "in her nineties", "90+"),
        ("AGE", "her 90s", "90+"),
        ("AGE", "nonagenarian", "90+"),
        ("AGE", "6 months", "6 months"),
        ("AGE", "96 months", "96 months"),
        ("AGE", "1200 months", None),
        ("AGE", "90+", "90+"),
        ("AGE", "47 Elm Street", None),
        ("AGE", "536904399", None),
        ("ZIP_CODE", "62704", "627**"),
        ("ZIP_CODE", "627041234", "627**"),
        ("ZIP_CODE", "627**", "627**"),
        ("ZIP_CODE", "000", "000"),
        ("ZIP_CODE", "89301", "000"),
        ("ZIP_CODE", "IL 62704", None),
        ("PERSON", "Marie", None),
    ],
)
def test_less_exact(entity: str, value: str, less: str | None) -> None:
    assert general(entity, value, TODAY) == less
    if less is not None:
        assert general(entity, less, TODAY) == less


def test_what_stays_exact_is_one_piece_with_its_surroundings() -> None:
    """So that text which looks like a token is escaped whole, wherever an age stands in it."""
    text = "[FORTY:abcdef] is 47"
    findings = [Finding("AGE", 1, 6, 1.0, "t"), Finding("AGE", 18, 20, 1.0, "t")]
    assert plan(text, findings, {"AGE": "generalise"}, today=TODAY) == [text]


def test_a_class_that_shows_a_part_hides_none_that_shows_nothing() -> None:
    text = "at 47 Elm Street"
    findings = [Finding("AGE", 3, 5, 1.0, "t"), Finding("STREET_ADDRESS", 3, 16, 0.5, "t")]
    parts = plan(text, findings, {"AGE": "generalise"}, "token", today=TODAY)
    assert parts == ["at ", Redacted("STREET_ADDRESS", "token", "47 Elm Street", None)]


@pytest.mark.parametrize("seed", ["1/1/", "2023-", "May ", "1 ", "ninety ", "\u0301", "'23 ", "12:"])
def test_long_values_cost_little(seed: str) -> None:
    text = seed * (65_536 // len(seed))

    def work() -> None:
        for entity in ("DATE_TIME", "DATE_OF_BIRTH", "AGE", "ZIP_CODE"):
            general(entity, text, TODAY)
        shift_date(text, 7)

    assert least(work, 5) < 5
