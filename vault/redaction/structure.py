"""Walking metadata so that nothing escapes redaction: keys are text too, numbers can be identifiers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from vault.errors import InvalidInputError
from vault.types import Metadata, MetadataValue

MAX_DEPTH: Final = 8  # objects and lists inside each other
MAX_NODES: Final = 10_000  # keys and values together
MAX_CHARS: Final = 1_048_576  # of all keys and values together

Visit = Callable[[str, str | None], str]


def walk_metadata(metadata: Metadata, visit: Visit) -> Metadata:
    """A copy of `metadata` with every string and every key replaced by `visit(text, context)`.

    The context of a value is the path of keys above it (`patient.ssn`), that of a key is None. A number is
    visited as text, and stays a number where the answer is the same text. Keys that become equal are told
    apart by a count. The order of visits depends on `metadata` alone. Raises InvalidInputError beyond 8
    levels, 10,000 nodes or 1 MiB characters, and for values that JSON does not have.
    """
    return _Walk(visit).mapping(metadata, None, 0)


class _Walk:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._nodes = 0
        self._chars = 0

    def mapping(self, value: Metadata, path: str | None, depth: int) -> Metadata:
        self._enter(depth)
        result: Metadata = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidInputError("metadata.key", "a metadata key must be a text")
            name = _unused(self._text(key, None), result)
            result[name] = self._value(item, key if path is None else f"{path}.{key}", depth + 1)
        return result

    def _value(self, value: MetadataValue, path: str | None, depth: int) -> MetadataValue:
        if isinstance(value, str):
            return self._text(value, path)
        if value is None or isinstance(value, bool):
            self._enter(depth)
            return value
        if isinstance(value, int | float):
            written = _written(value)
            seen = self._text(written, path)
            return value if seen == written else seen
        if isinstance(value, dict):
            return self.mapping(value, path, depth)
        if isinstance(value, list):
            self._enter(depth)
            return [self._value(item, path, depth + 1) for item in value]
        raise InvalidInputError("metadata.value", "metadata holds a value that JSON does not have")

    def _text(self, text: str, context: str | None) -> str:
        self._enter(0)
        self._chars += len(text)
        if self._chars > MAX_CHARS:
            raise InvalidInputError("metadata.length", f"metadata holds more than {MAX_CHARS} characters")
        return self._visit(text, context)

    def _enter(self, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise InvalidInputError("metadata.depth", f"metadata is nested deeper than {MAX_DEPTH} levels")
        if self._nodes > MAX_NODES:
            raise InvalidInputError("metadata.size", f"metadata holds more than {MAX_NODES} keys and values")


def _written(value: float) -> str:
    """A number as a reader would write it: 536904399.0 as 536904399."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInputError("metadata.number", "a metadata number is not finite")
        if value.is_integer():
            return str(int(value))
    return str(value)


def _unused(name: str, taken: Metadata) -> str:
    if name not in taken:
        return name
    count = 2
    while f"{name} {count}" in taken:
        count += 1
    return f"{name} {count}"
