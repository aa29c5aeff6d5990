"""Whether a word, a field or a line is one that an event can have said: for text that comes back from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from types import UnionType
from typing import Final, get_args, get_type_hints

from vault.observe.catalogue import EVENTS
from vault.observe.events import PSEUDO_HEX, Event, Pseudo
from vault.observe.words import Action, Stage

_NUMBER: Final = re.compile(r"-?\d{1,20}(\.\d{1,9})?|True|False")
_PSEUDO: Final = re.compile(rf"[0-9a-f]{{{PSEUDO_HEX}}}")
PREFIX: Final = "memvault."


def _words(event: type[Event], name: str) -> frozenset[str] | None:
    """The words a field may hold; None where it holds numbers or a pseudonym."""
    hint = get_type_hints(event)[name]
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    found = frozenset(
        str(one.value) for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum) for one in kind
    )
    return found or None


_FIELDS: Final[Mapping[str, Mapping[str, frozenset[str] | None]]] = {
    event.name: {one.name: _words(event, one.name) for one in fields(event)}  # type: ignore[arg-type]
    for event in EVENTS
}
_PSEUDONYMS: Final = frozenset(
    one.name
    for event in EVENTS
    for one in fields(event)  # type: ignore[arg-type]
    if Pseudo in get_args(get_type_hints(event)[one.name])
)
_SPANS: Final = frozenset(one.value for kind in (Action, Stage) for one in kind)


def is_span(name: object) -> bool:
    """Whether a span of ours can have this name."""
    return isinstance(name, str) and name in _SPANS


def is_attribute(name: object, value: object) -> bool:
    """Whether a span or a metric of ours can have this attribute."""
    if not isinstance(name, str) or not name.startswith(PREFIX):
        return False
    field = name.removeprefix(PREFIX)
    return any(field in known and _fits(field, known[field], value) for known in _FIELDS.values())


def is_line(text: object) -> bool:
    """Whether a text is an event as a line."""
    if not isinstance(text, str):
        return False
    name, *rest = text.split(" ")
    known = _FIELDS.get(name)
    if known is None:
        return False
    parts = [part.partition("=") for part in rest]
    return all(field in known and _fits(field, known[field], value) for field, _, value in parts)


def _fits(field: str, words: frozenset[str] | None, value: object) -> bool:
    if words is not None:
        return isinstance(value, str) and value in words
    if field in _PSEUDONYMS:
        return isinstance(value, str) and _PSEUDO.fullmatch(value) is not None
    return type(value) in (bool, int, float) or (
        isinstance(value, str) and _NUMBER.fullmatch(value) is not None
    )
