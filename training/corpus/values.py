"""Dates, ages, ways to reach people, medicines, and numbers of things."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Final

from training.corpus.checksums import digits, letters
from training.corpus.lexicon import draw_name
from training.corpus.listing import shapes
from training.corpus.places import STATE_CODES

Maker = Callable[[random.Random], str]

_MONTHS: Final = shapes("values_months")
_DOMAINS: Final = shapes("values_domains")
HOSTS: Final = shapes("values_hosts")
TLDS: Final = shapes("values_tlds")


def _ordinal(day: int) -> str:
    return f"{day}{'th' if 10 < day < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def _date(rng: random.Random, first: int, last: int) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(first, last)
    name = _MONTHS[month - 1]
    forms = (
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{name} {_ordinal(day)}, {year}",
        f"{_ordinal(day)} of {name} {year}",
        f"{name[:3]} {day}, {year}",
        f"{day} {name[:3]} {year}",
        f"{month}/{day}/{year}",
        f"{month:02d}/{day:02d}/{year}",
        f"{month}/{day}/{year % 100:02d}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day:02d}.{month:02d}.{year}",
        f"{day:02d}/{month:02d}/{year}",
        f"{day:02d}-{name[:3]}-{year}",
    )
    return rng.choice(forms)


def date(rng: random.Random) -> str:
    return _date(rng, 1985, 2026)


def birth_date(rng: random.Random) -> str:
    return _date(rng, 1931, 2015)


def day_month(rng: random.Random) -> str:
    """A date without its year."""
    day, name = rng.randint(1, 28), rng.choice(_MONTHS)
    return rng.choice(
        (f"{name} {day}", f"{day} {name}", f"{name} {_ordinal(day)}", f"the {_ordinal(day)} of {name}")
    )


def month_year(rng: random.Random) -> str:
    return f"{rng.choice(_MONTHS)} {rng.randint(1960, 2026)}"


def year(rng: random.Random) -> str:
    return str(rng.randint(1950, 2026))


def age(rng: random.Random) -> str:
    return str(rng.randint(1, 99))


def old_age(rng: random.Random) -> str:
    return str(rng.randint(90, 106))


def ascii_only(name: str) -> str:
    return "".join(char for char in name.lower() if char in string.ascii_lowercase) or "user"


def email_of(rng: random.Random, first: str, last: str) -> str:
    one, two = ascii_only(first), ascii_only(last)
    local = rng.choice(
        (f"{one}.{two}", f"{one[0]}{two}", f"{one}{rng.randint(1, 99)}", f"{one}_{two}", f"{two}.{one}", one)
    )
    domain = rng.choice(_DOMAINS) if rng.random() < 0.6 else f"{rng.choice(HOSTS)}.{two}.{rng.choice(TLDS)}"
    return f"{local}@{domain}"


def email(rng: random.Random) -> str:
    """The address of nobody in particular; the split of names does not matter inside an address."""
    return email_of(rng, draw_name(rng, "first", held=False), draw_name(rng, "last", held=False))


def _exchange(rng: random.Random) -> str:
    """Three digits of a North American exchange: 2-9, and no N11 service code."""
    return f"{rng.randint(2, 9)}{rng.randint(2, 9)}{rng.randint(0, 9)}"


_US_AREAS: Final = shapes("values_us_areas")
_GB_MOBILE: Final = ["7700", "7400", "7911", "7521", "7850", "7977"]


def us_phone(rng: random.Random) -> str:
    area, exchange, line = rng.choice(_US_AREAS), _exchange(rng), digits(rng, 4)
    return rng.choice(
        (
            f"({area}) {exchange}-{line}",
            f"{area}-{exchange}-{line}",
            f"+1 {area} {exchange} {line}",
            f"{area}.{exchange}.{line}",
            f"+1-{area}-{exchange}-{line}",
            f"1-{area}-{exchange}-{line}",
            f"({area}) {exchange}-{line} ext. {rng.randint(10, 999)}",
        )
    )


def phone(rng: random.Random) -> str:
    if rng.random() < 0.55:
        return us_phone(rng)
    return rng.choice(
        (
            f"+44 {rng.choice(_GB_MOBILE)} {digits(rng, 6)}",
            f"0{rng.choice(_GB_MOBILE)} {digits(rng, 6)}",
            f"+44 20 7{digits(rng, 3)} {digits(rng, 4)}",
            f"020 7{digits(rng, 3)} {digits(rng, 4)}",
            f"+49 30 {rng.randint(2, 9)}{digits(rng, 6)}",
            f"+49 151 {rng.randint(1, 9)}{digits(rng, 7)}",
            f"+33 6 {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
            f"+34 6{digits(rng, 2)} {digits(rng, 3)} {digits(rng, 3)}",
            f"+39 333 {rng.randint(1, 9)}{digits(rng, 6)}",
            f"+31 6 {rng.randint(1, 5)}{digits(rng, 7)}",
            f"+91 98{digits(rng, 3)} {digits(rng, 5)}",
            f"+55 11 9{rng.randint(6, 9)}{digits(rng, 3)}-{digits(rng, 4)}",
        )
    )


def military(rng: random.Random) -> str:
    """The street line of an American military address."""
    unit = rng.choice(("PSC {}, Box {}", "Unit {} Box {}", "CMR {} Box {}", "USS {} Box {}"))
    return unit.format(rng.randint(10, 9999), rng.randint(10, 9999))


def military_state(rng: random.Random) -> str:
    return f"{rng.choice(('APO', 'FPO', 'DPO'))} {rng.choice(('AA', 'AE', 'AP'))}"


def unit_line(rng: random.Random) -> str:
    kind = rng.choice(("Apt. {}", "Suite {}", "Apt {}", "Unit {}", "Floor {}", "Flat {}", "Bldg {}", "#{}"))
    return kind.format(rng.choice((f"{rng.randint(1, 999):03d}", f"{rng.randint(1, 40)}{rng.choice('ABC')}")))


def zip_code(rng: random.Random) -> str:
    body = f"{rng.randint(1, 9)}{digits(rng, 4)}"
    return f"{body}-{rng.randint(1000, 9999)}" if rng.random() < 0.2 else body


def postcode(rng: random.Random) -> str:
    areas = shapes("values_postcode_areas")
    return f"{rng.choice(areas)} {rng.randint(1, 9)}{letters(rng, 'ABDEFGHJLNPQRSTUWXYZ', 2)}"


def date_words(rng: random.Random) -> str:
    """A date spelled out."""
    days = shapes("values_ordinals")
    day, name = rng.choice(days), rng.choice(_MONTHS)
    years = ("nineteen eighty-four", "two thousand and nine", "twenty twenty-three", "nineteen ninety-nine")
    forms = (f"the {day} of {name}", f"{name} the {day}", f"the {day} of {name}, {rng.choice(years)}")
    return rng.choice(forms)


def age_words(rng: random.Random) -> str:
    tens = rng.choice(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
    return f"{tens}-{rng.choice(['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'])}"


def gps(rng: random.Random) -> str:
    """Coordinates as phones and photos write them."""
    north, east = rng.uniform(-60, 70), rng.uniform(-170, 175)
    if rng.random() < 0.7:
        return f"{north:.5f}, {east:.5f}"
    parts = ((north, "NS"), (east, "EW"))
    return " ".join(
        f"{abs(int(value))}°{rng.randint(1, 59)}'{rng.randint(1, 59)}\"{signs[value < 0]}"
        for value, signs in parts
    )


def postal_code(rng: random.Random) -> str:
    """A postal code of a country other than the United States and Britain, with its country's letters."""
    form = rng.choice(("NL", "CA", "D", "F", "PL"))
    if form == "NL":
        return f"{rng.randint(1000, 9999)} {letters(rng, 'ABCDEGHJKLNPRSTVWXZ', 2)}"
    if form == "CA":
        one, two, three = (letters(rng, "ABCEGHJKLMNPRSTVXY", 1) for _ in range(3))
        return f"{one}{rng.randint(1, 9)}{two} {rng.randint(1, 9)}{three}{rng.randint(1, 9)}"
    return f"{digits(rng, 2)}-{digits(rng, 3)}" if form == "PL" else f"{form}-{rng.randint(10000, 98999)}"


def state_code(rng: random.Random) -> str:
    return rng.choice(STATE_CODES)


_DRUG_STARTS: Final = shapes("values_drug_starts")
_DRUG_MIDDLES: Final = shapes("values_drug_middles")
_DRUG_ENDS: Final = shapes("values_drug_ends")


def drug(rng: random.Random) -> str:
    """A medicine in no list: generic (small letter) or brand, by the syllables such names are made of."""
    name = rng.choice(_DRUG_STARTS) + rng.choice(_DRUG_MIDDLES) + rng.choice(_DRUG_ENDS)
    return name if rng.random() < 0.4 else name.capitalize()


def acronym(rng: random.Random) -> str:
    """A label of a few capitals that stands for nothing in particular."""
    return letters(rng, string.ascii_uppercase, rng.randint(2, 5))


def number(rng: random.Random) -> str:
    """Digits as forms hold them: plain, grouped, or with letters."""
    groups = (digits(rng, rng.randint(2, 4)) for _ in range(rng.randint(2, 4)))
    plain = digits(rng, rng.randint(4, 13))
    lettered = f"{letters(rng, string.ascii_uppercase, rng.randint(1, 3))}{digits(rng, rng.randint(5, 9))}"
    ended = f"{digits(rng, rng.randint(6, 9))}{letters(rng, string.ascii_uppercase, rng.randint(1, 2))}"
    return rng.choice((plain, rng.choice((" ", "-", ".", "/")).join(groups), lettered, ended))


def order_number(rng: random.Random) -> str:
    """A number that identifies no person: it belongs to a thing."""
    return rng.choice(
        (f"#{digits(rng, 6)}", f"SKU-{digits(rng, 5)}", f"v{rng.randint(1, 9)}.{rng.randint(0, 30)}.1",
         f"ISBN 978-{digits(rng, 1)}-{digits(rng, 5)}", f"PR #{rng.randint(10, 9999)}", f"RFC {rng.randint(100, 9999)}")
    )  # fmt: skip
