"""The form of everything that is said outside the log of the vault: events with typed fields, and no free string.

A field holds a member of an enumeration that the code declares, a number, a duration, or a `Pseudo`. What would carry
content (a text, an id, a path, a message) cannot be written down: the types refuse it where the code is checked, and
`fields` refuses it again at run time.
"""

from __future__ import annotations

from dataclasses import fields as fields_of
from datetime import timedelta
from enum import Enum
from typing import ClassVar, Final, final

Value = str | int | float | bool
PSEUDO_HEX: Final = 32  # 128 bits of HMAC-SHA256: no two identifiers of one vault are taken for each other


@final
class Pseudo:
    """A keyed pseudonym of an identifier; `vault.observe.pseudonyms` makes them, and nobody else."""

    __slots__ = ("_hex",)

    def __init__(self, digest: bytes) -> None:
        if type(digest) is not bytes or len(digest) != 32:
            raise TypeError("a pseudonym is made of an HMAC-SHA256")
        self._hex = digest.hex()[:PSEUDO_HEX]

    def __str__(self) -> str:
        return self._hex

    def __repr__(self) -> str:
        return f"Pseudo({self._hex})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pseudo) and other._hex == self._hex

    def __hash__(self) -> int:
        return hash(self._hex)


Field = Enum | bool | int | float | timedelta | Pseudo | None


class Event:
    """Base of all events: frozen dataclasses with a `name` and fields of the kinds above.

    Subclasses are declared in `vault.observe`, with `@dataclass(frozen=True, slots=True)`; a test walks all of them and
    holds every annotation to `Field`.
    """

    __slots__ = ()
    name: ClassVar[str]

    def fields(self) -> dict[str, Value]:
        """What is sent: names and plain values; durations in seconds. Raises TypeError for any other value."""
        said: dict[str, Value] = {}
        for name in names_of(type(self)):
            value: Field = getattr(self, name)
            if value is not None:
                said[name] = plain(value)
        return said


_names: Final[dict[type, tuple[str, ...]]] = {}


def names_of(kind: type[Event]) -> tuple[str, ...]:
    """The names of an event's fields, in order."""
    found = _names.get(kind)
    if found is None:
        found = _names[kind] = tuple(one.name for one in fields_of(kind))  # type: ignore[arg-type]
    return found


def plain(value: Field) -> Value:
    """One field as it is sent; a string that is no member of an enumeration is refused."""
    if isinstance(value, Enum):
        if type(value.value) is not str:
            raise TypeError("a member's value is its word")
        return value.value
    if isinstance(value, Pseudo):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if type(value) in (bool, int, float):
        return value  # type: ignore[return-value]
    raise TypeError("an event holds enumerations, numbers, durations and pseudonyms")
