"""Organisations, streets and other places, composed by pattern so that their shape teaches, not a list."""

from __future__ import annotations

import random
from typing import Final

from training.corpus.lexicon import Pool, cities, countries, draw_name, english_cities, regions
from training.corpus.listing import shapes

_STATES: Final = shapes("places_states")
STATE_CODES: Final = shapes("placesstate_codes")
_FAMOUS: Final = shapes("places_famous")
_AMBIGUOUS: Final = shapes("places_ambiguous")
_NATURE: Final = shapes("places_nature")
_AFTER: Final = shapes("places_after")
_SUBURB: Final = shapes("places_suburb")
_STREET: Final = shapes("places_street")
_STREET_WORDS: Final = shapes("places_street_words")
_FOREIGN_STREET: Final = shapes("places_foreign_street")
_UNIT: Final = shapes("places_unit")

_INDUSTRY: Final = shapes("places_industry")
_LEGAL_FORM: Final = shapes("places_legal_form")
_COINED: Final = shapes("places_coined")
_COINED_END: Final = shapes("places_coined_end")
_CARE: Final = shapes("places_care")
_SCHOOL: Final = shapes("places_school")
_CIVIC: Final = shapes("places_civic")
_NATIONAL: Final = shapes("places_national")
_FIELD: Final = shapes("places_field")
_KNOWN: Final = shapes("places_known")
_SURNAME_FIRM: Final = shapes("places_surname_firm")


def _city(rng: random.Random, held: bool) -> str:
    source: Pool = english_cities(held=held) if rng.random() < 0.5 else cities(held=held)
    return source.draw(rng)


def city(rng: random.Random, *, held: bool) -> str:
    """A city or town; now and then one so well known that it needs no context."""
    return rng.choice(_FAMOUS) if not held and rng.random() < 0.22 else _city(rng, held)


def state(rng: random.Random, *, held: bool) -> str:
    return regions(held=held).draw(rng) if rng.random() < 0.2 else rng.choice(_STATES)


def country(rng: random.Random) -> str:
    return countries().draw(rng)


def ambiguous_place(rng: random.Random) -> str:
    """A place whose name is as well a person's."""
    return rng.choice(_AMBIGUOUS)


def neighbourhood(rng: random.Random, *, held: bool) -> str:
    chance = rng.random()
    stem = draw_name(rng, "last", held=held, region="english") if chance < 0.5 else _city(rng, held)
    return rng.choice(_SUBURB).format(stem)


def landmark(rng: random.Random, *, held: bool) -> str:
    """A river, park, bridge or the like, named after a person or a town."""
    stem = draw_name(rng, "last", held=held, region="english") if rng.random() < 0.5 else _city(rng, held)
    return f"{rng.choice(_NATURE)} {stem}" if rng.random() < 0.25 else f"{stem} {rng.choice(_AFTER)}"


def place(rng: random.Random, *, held: bool) -> str:
    """Any location."""
    chance = rng.random()
    if chance < 0.6:
        return city(rng, held=held)
    if chance < 0.72:
        return country(rng)
    if chance < 0.82:
        return state(rng, held=held)
    return neighbourhood(rng, held=held) if chance < 0.9 else landmark(rng, held=held)


def road(rng: random.Random, *, held: bool) -> str:
    """A street without a number."""
    chance = rng.random()
    if chance < 0.5:
        stem = rng.choice(_STREET_WORDS)
    else:
        stem = draw_name(rng, "last", held=held, region="english") if chance < 0.85 else _city(rng, held)
    quarter = rng.choice(("N ", "S. ", "West ", "NE ")) if rng.random() < 0.08 else ""
    return f"{quarter}{stem} {rng.choice(_STREET)}"


def street(rng: random.Random, *, held: bool) -> str:
    """A street line with its house number."""
    number = str(rng.randint(1, 99) if rng.random() < 0.5 else rng.randint(100, 19999))
    if rng.random() < 0.06:
        number += rng.choice("ABCab")
    chance = rng.random()
    if chance < 0.18:
        stem = draw_name(rng, "last", held=held, region="world")
        return rng.choice(_FOREIGN_STREET).format(stem, n=number)
    if chance < 0.23:
        return f"{rng.choice(('P.O. Box', 'PO Box', 'P.O. Box'))} {rng.randint(10, 99999)}"
    line = f"{number} {road(rng, held=held)}"
    if rng.random() < 0.2:
        unit = rng.choice(_UNIT).format(
            rng.choice((rng.randint(1, 900), f"{rng.randint(1, 30)}{rng.choice('ABCD')}"))
        )
        line += f"{rng.choice((', ', ' '))}{unit}"
    return line


def company(rng: random.Random, *, held: bool) -> str:
    """A firm: coined, named after people, or after a place."""
    chance = rng.random()
    coined = 0.35 <= chance < 0.55
    if chance < 0.35:
        return rng.choice(_SURNAME_FIRM).format(*(draw_name(rng, "last", held=held) for _ in range(3)))
    if chance < 0.55:
        core = rng.choice(_COINED) + rng.choice(_COINED_END)
    elif chance < 0.7:
        core = draw_name(rng, "last", held=held)
    elif chance < 0.8:
        core = _city(rng, held)
    elif chance < 0.88:
        core = "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVWXZ") for _ in range(rng.randint(2, 4)))
    else:
        core = rng.choice(_COINED)
    chance = rng.random()
    if chance < 0.35:
        return f"{core} {rng.choice(_INDUSTRY)}"
    form = rng.choice(_LEGAL_FORM)
    joined = "" if form.startswith(",") else " "
    if chance < 0.65:
        return f"{core} {rng.choice(_INDUSTRY)}{joined}{form}"
    return core if coined and chance > 0.85 else f"{core}{joined}{form}"


def care(rng: random.Random, *, held: bool) -> str:
    """A hospital, clinic, practice or pharmacy."""
    chance = rng.random()
    if chance < 0.3:
        stem = _city(rng, held)
    elif chance < 0.55:
        stem = draw_name(rng, "last", held=held)
    elif chance < 0.8:
        stem = rng.choice(("St. ", "St ", "Saint ", "Our Lady of ", "Mount ")) + draw_name(
            rng, "first", held=held
        )
        stem += rng.choice(("'s", "'s", ""))
    else:
        stem = rng.choice(_COINED + _STREET_WORDS[:20])
    return f"{stem} {rng.choice(_CARE)}" if chance < 0.7 or chance > 0.8 or not stem.endswith("'s") else stem


def school(rng: random.Random, *, held: bool) -> str:
    stem = _city(rng, held) if rng.random() < 0.55 else draw_name(rng, "last", held=held, region="english")
    return f"{stem} {rng.choice(_SCHOOL)}"


def agency(rng: random.Random, *, held: bool) -> str:
    """A public body, club, paper or association."""
    if rng.random() < 0.7:
        return rng.choice(_CIVIC).format(_city(rng, held))
    return rng.choice(_NATIONAL).format(rng.choice(_FIELD))


def organisation(rng: random.Random, *, held: bool) -> str:
    """Any organisation."""
    chance = rng.random()
    if chance < 0.4:
        return company(rng, held=held)
    if chance < 0.55:
        return care(rng, held=held)
    if chance < 0.66:
        return school(rng, held=held)
    return rng.choice(_KNOWN) if not held and chance > 0.82 else agency(rng, held=held)
