"""A person and the ways texts write their name."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from training.corpus.lexicon import draw_name, locales
from training.corpus.listing import shapes

_PARTICLES: Final = shapes("people_particles")
_MALE: Final = (
    "Mr",
    "Mr.",
    "Mr.",
    "Sir",
    "Herr",
    "Señor",
    "M.",
    "Monsieur",
    "Sig.",
    "Father",
    "Brother",
    "Uncle",
)
_FEMALE: Final = (
    "Ms",
    "Ms.",
    "Mrs",
    "Mrs.",
    "Miss",
    "Madame",
    "Frau",
    "Lady",
    "Señora",
    "Aunt",
    "Sister",
    "Dame",
)
_COMMON_MALE: Final = ("Mr", "Mr.")
_COMMON_FEMALE: Final = ("Ms", "Ms.", "Mrs", "Mrs.", "Miss")
_NEUTRAL: Final = (
    "Dr",
    "Dr.",
    "Dr.",
    "Prof.",
    "Professor",
    "Judge",
    "Nurse",
    "Officer",
    "Sgt.",
    "Capt.",
    "Rev.",
)
_SUFFIXES: Final = (" Jr.", " Sr.", " III", " II", ", Jr.", " IV")
_SHORT: Final = shapes("people_short")


@dataclass(frozen=True, slots=True)
class Person:
    """One made-up person; the properties are the forms a text may use for them."""

    first: str
    middle: str
    last: str
    title: str
    female: bool
    short: str
    suffix: str

    @property
    def full(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def formal(self) -> str:
        return f"{self.first} {self.middle} {self.last}{self.suffix}"

    @property
    def initials(self) -> str:
        return f"{self.first[0]}. {self.last}"

    @property
    def monogram(self) -> str:
        return f"{self.first[0]}.{self.last[0]}."

    @property
    def reversed(self) -> str:
        return f"{self.last}, {self.first}"

    @property
    def pronouns(self) -> tuple[str, str, str]:
        return ("she", "her", "her") if self.female else ("he", "his", "him")


# Both names from one locale this often, and in that locale's own script.
_COHERENT_SHARE: Final = 0.3
_NATIVE_SHARE: Final = 0.01


def _region(rng: random.Random, held: bool) -> str | None:
    chance = rng.random()
    if chance < _COHERENT_SHARE:
        return rng.choice(locales(held=held))
    return "native" if chance > 1 - _NATIVE_SHARE else None


def _surname(rng: random.Random, held: bool, region: str | None) -> str:
    name = draw_name(rng, "last", held=held, region=region)
    if region == "native":
        return name
    chance = rng.random()
    if chance < 0.05:
        particle = rng.choice(_PARTICLES)
        return f"{particle}{name}" if particle[-1] in "'’c- z" or particle == "Fitz" else f"{particle} {name}"
    if chance < 0.085:
        return f"{name}-{draw_name(rng, 'last', held=held)}"
    if chance < 0.115:
        return f"{name} {draw_name(rng, 'last', held=held)}"
    return name


def _forename(rng: random.Random, held: bool, region: str | None) -> str:
    name = draw_name(rng, "first", held=held, region=region)
    if region == "native":
        return name
    chance = rng.random()
    if chance < 0.02:
        return f"{name}-{draw_name(rng, 'first', held=held)}"
    if chance < 0.035:
        return f"{name} {draw_name(rng, 'first', held=held)}"
    return name


def _title(rng: random.Random, female: bool) -> str:
    chance = rng.random()
    if chance < 0.3:
        return rng.choice(_NEUTRAL)
    if chance < 0.9:
        return rng.choice(_COMMON_FEMALE if female else _COMMON_MALE)
    return rng.choice(_FEMALE if female else _MALE)


def _short(rng: random.Random, first: str, held: bool) -> str:
    if not held and rng.random() < 0.5:
        return rng.choice(_SHORT)
    stem = first.split()[0].split("-")[0]
    if len(stem) > 4 and rng.random() < 0.6:
        cut = stem[: rng.choice((3, 3, 4))]
        return (
            cut if cut[-1] in "aeiouy" or rng.random() < 0.6 else cut + rng.choice(("y", "ie", "i", "o", "a"))
        )
    return stem


def person(rng: random.Random, *, held: bool) -> Person:
    """Someone whose names come from one side of the split."""
    region = _region(rng, held)
    first = _forename(rng, held, region)
    female = rng.random() < 0.5
    initial = rng.random() < 0.7
    middle = draw_name(rng, "first", held=held, region=region)
    return Person(
        first=first,
        middle=f"{middle[0]}." if initial else middle,
        last=_surname(rng, held, region),
        title=_title(rng, female),
        female=female,
        short=_short(rng, first, held),
        suffix=rng.choice(_SUFFIXES) if rng.random() < 0.2 else "",
    )
