"""Lists kept as text: a line is a name, a colon, and alternatives separated by `|`; `#` opens a comment."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent


@cache
def read(name: str) -> dict[str, tuple[str, ...]]:
    """The lists of one file beside this module, by their names."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (_HERE / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            key, _, alternatives = line.partition(": ")
            found[key] = tuple(alternatives.split("|"))
    return found


def shapes(name: str) -> tuple[str, ...]:
    """One list of shapes.txt."""
    return read("shapes.txt")[name]
