"""Names and places to draw from: the gazetteers, Faker's lists, and shapes that no list holds.

Every proper name belongs to one side of a split by hash: `training` draws never see a `held_out` name, so the
shipped evaluation set asks about names the model was not shown. Closed classes (countries, titles) are shared.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import os
import pkgutil
import random
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from training.corpus.listing import shapes

SHARED: Final = Path(os.environ.get("MEMVAULT_SHARED", Path(__file__).resolve().parents[3] / "shared"))

# One name in this many is kept from training.
_HELD_OUT_SHARE: Final = 12
# Where English texts' people come from; the first few lists hold the names everyone knows, never held out.
_COMMON: Final = ("US", "GB", "CA", "AU", "NZ", "IE", "en_US", "en_GB")
_ENGLISH: Final = (*_COMMON, "en", "en_IE", "en_NZ", "en_CA", "en_AU")
# How often a name comes from each pool; the rest is from all the world.
_MIX: Final = (("common", 0.3), ("english", 0.55), ("composed", 0.67))

# Words that are names and, more often, something else: as bare forenames they would teach the wrong lesson
# at random, so only the templates that mean to use them (the *ambiguous* lists) do.
_NOT_RANDOM: Final = frozenset(shapes("lexicon_not_random"))


@dataclass(frozen=True, slots=True)
class Pool:
    """A list of names on one side of the split, with the letter statistics to compose names like them."""

    names: tuple[str, ...]

    def draw(self, rng: random.Random) -> str:
        return self.names[int(rng.random() * len(self.names))]


def held_out(name: str) -> bool:
    """Whether this name is kept from training: a property of its letters, whatever their case."""
    digest = hashlib.sha256(name.casefold().encode()).digest()
    return int.from_bytes(digest[:4]) % _HELD_OUT_SHARE == 0 and name.casefold() not in _known_to_all()


def side(names: Iterable[str], *, held: bool) -> tuple[str, ...]:
    """The distinct names on one side of the split, in sorted order."""
    return tuple(sorted({name for name in names if held_out(name) == held}))


def _latin(text: str) -> bool:
    return all(not char.isalpha() or "LATIN" in unicodedata.name(char, "") for char in text)


def _usable(name: str) -> bool:
    return (
        1 < len(name) <= 24
        and name[0].isupper()
        and not any(char.isdigit() or char in '().,/"' for char in name)
        and name.casefold() not in _NOT_RANDOM
    )


def _rows(name: str) -> list[dict[str, str]]:
    with (SHARED / "data" / "gazetteers" / name).open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


@cache
def _faker() -> tuple[tuple[str, str, str], ...]:
    """Rows (locale, first | last, name) of Faker's person providers (MIT), a training-only dependency."""
    package = importlib.import_module("faker.providers.person")
    found: list[tuple[str, str, str]] = []
    for module in pkgutil.iter_modules(package.__path__):
        provider = importlib.import_module(f"faker.providers.person.{module.name}").Provider
        for kind, attributes in (
            ("first", ("first_names", "first_names_male", "first_names_female", "first_romanized_names")),
            ("last", ("last_names", "last_names_male", "last_names_female", "last_romanized_names")),
        ):
            for attribute in attributes:
                values = getattr(provider, attribute, ())
                if isinstance(values, Iterable):
                    found += [(module.name, kind, str(value).strip()) for value in values]
    return tuple(dict.fromkeys(found))


@cache
def _all_names(kind: str) -> tuple[tuple[str, str], ...]:
    """Rows (locale or country, name) of one kind, Latin and native script alike."""
    rows = [(locale, name) for locale, which, name in _faker() if which == kind]
    gazetteer = "common-forenames-by-country.csv" if kind == "first" else "common-surnames-by-country.csv"
    for row in _rows(gazetteer):
        rows.append((row["Country"], row["Romanized Name"].split(" (")[0].strip()))
        rows.append((row["Country"], row["Localized Name"].strip()))
    return tuple(sorted({(country, name) for country, name in rows if _usable(name) or not _latin(name)}))


@cache
def _known_to_all() -> frozenset[str]:
    rows = _all_names("first") + _all_names("last")
    return frozenset(name.casefold() for country, name in rows if country in _COMMON)


@cache
def pool(kind: str, region: str, *, held: bool) -> Pool:
    """Forenames ("first") or surnames ("last") of a region: common, english, world, native, or one locale."""
    rows = _all_names(kind)
    if region == "native":
        names = [name for _, name in rows if name and not _latin(name) and name[0].isalpha()]
    elif region == "common":
        names = [name for country, name in rows if country in _COMMON and _latin(name)]
    elif region == "english":
        names = [name for country, name in rows if country in _ENGLISH and _latin(name)]
    elif region == "world":
        names = [name for country, name in rows if country not in _ENGLISH and _latin(name)]
    else:
        names = [name for country, name in rows if country == region and _latin(name)]
    return Pool(side(names, held=held))


@cache
def locales(*, held: bool) -> tuple[str, ...]:
    """The locales with enough forenames and surnames to make people whose names belong together."""
    both = {country for country, _ in _all_names("first")} & {country for country, _ in _all_names("last")}
    enough = (
        one for one in both if all(len(pool(kind, one, held=held).names) > 3 for kind in ("first", "last"))
    )
    return tuple(sorted(enough))


@cache
def _chain(kind: str) -> dict[str, str]:
    """What letters follow each two letters in the names of one kind; '^' opens and '$' ends a name."""
    follows: dict[str, list[str]] = {}
    for name in side((name for _, name in _all_names(kind) if _latin(name)), held=False):
        padded = f"^^{name.lower()}$"
        for index in range(len(padded) - 2):
            follows.setdefault(padded[index : index + 2], []).append(padded[index + 2])
    return {key: "".join(letters) for key, letters in follows.items()}


def compose(rng: random.Random, kind: str, *, held: bool) -> str:
    """A name in no list, letter by letter after the lists' own statistics, on the asked side of the split."""
    follows = _chain(kind)
    while True:
        text = "^^"
        while text[-1] != "$" and len(text) < 16:
            text += rng.choice(follows[text[-2:]])
        name = text.strip("^$")
        usable = 3 <= len(name) <= 11 and name.isalpha() and name not in _NOT_RANDOM
        if usable and text[-1] == "$" and held_out(name) == held:
            return name[0].upper() + name[1:]


def draw_name(rng: random.Random, kind: str, *, held: bool, region: str | None = None) -> str:
    """One forename or surname; `region` fixes the pool, otherwise the usual mix of pools."""
    if region is None:
        chance = rng.random()
        region = next((name for name, limit in _MIX if chance < limit), "world")
    if region == "common" and held:
        region = "english"
    return compose(rng, kind, held=held) if region == "composed" else pool(kind, region, held=held).draw(rng)


@cache
def cities(*, held: bool) -> Pool:
    """City names of GeoNames' list (CC BY 4.0) whose letters are Latin."""
    names = [row["name"].strip() for row in _rows("world-cities.csv")]
    usable = (name for name in names if _latin(name) and _usable(name) and len(name) > 3)
    return Pool(side(usable, held=held))


@cache
def english_cities(*, held: bool) -> Pool:
    """Cities of the countries whose places English texts name most."""
    wanted = {"United States", "United Kingdom", "Canada", "Australia", "Ireland", "New Zealand"}
    names = [row["name"] for row in _rows("world-cities.csv") if row["country"] in wanted]
    return Pool(side((name for name in names if _usable(name) and len(name) > 3), held=held))


@cache
def regions(*, held: bool) -> Pool:
    """States, provinces and regions of GeoNames' list."""
    names = [row["subcountry"] for row in _rows("world-cities.csv") if row["subcountry"]]
    return Pool(side((name for name in names if _latin(name) and _usable(name)), held=held))


@cache
def countries() -> Pool:
    """Countries by their everyday names."""
    names = {row["country"].split(",")[0] for row in _rows("world-cities.csv")}
    return Pool(tuple(sorted(name for name in names if len(name) < 24)))
