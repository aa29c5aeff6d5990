"""A validator for the part of JSON Schema that the published schemas use; a keyword it does not know is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": float,
}  # fmt: skip
_NOTES = frozenset({"$schema", "$id", "$defs", "title", "description"})


def problems(
    schema: dict[str, Any], value: Any, root: dict[str, Any] | None = None, at: str = ""
) -> Iterator[str]:
    """What is wrong with a value, as `path: rule`; nothing where it conforms."""
    root = schema if root is None else root
    for keyword, rule in schema.items():
        if keyword not in _NOTES:
            yield from _RULES[keyword](rule, value, root, at, schema)


def _type(rule: Any, value: Any, _root: Any, at: str, _schema: Any) -> Iterator[str]:
    names = rule if isinstance(rule, list) else [rule]
    if not any(type(value) is _TYPES[name] for name in names):
        yield f"{at}: type"


def _properties(rule: Any, value: Any, root: Any, at: str, _schema: Any) -> Iterator[str]:
    for name, part in rule.items():
        if isinstance(value, dict) and name in value:
            yield from problems(part, value[name], root, f"{at}.{name}")


def _required(rule: Any, value: Any, _root: Any, at: str, _schema: Any) -> Iterator[str]:
    yield from (f"{at}.{name}: required" for name in rule if isinstance(value, dict) and name not in value)


def _additional(rule: Any, value: Any, root: Any, at: str, schema: Any) -> Iterator[str]:
    for name in value if isinstance(value, dict) else ():
        if name in schema.get("properties", {}):
            continue
        if rule is False:
            yield f"{at}.{name}: additionalProperties"
        elif rule is not True:
            yield from problems(rule, value[name], root, f"{at}.{name}")


def _items(rule: Any, value: Any, root: Any, at: str, _schema: Any) -> Iterator[str]:
    for position, item in enumerate(value if isinstance(value, list) else ()):
        yield from problems(rule, item, root, f"{at}[{position}]")


def _reference(rule: str, value: Any, root: Any, at: str, _schema: Any) -> Iterator[str]:
    yield from problems(root["$defs"][rule.removeprefix("#/$defs/")], value, root, at)


def _one_of(rule: Any, value: Any, root: Any, at: str, _schema: Any) -> Iterator[str]:
    if sum(not list(problems(part, value, root, at)) for part in rule) != 1:
        yield f"{at}: oneOf"


def _any_of(rule: Any, value: Any, root: Any, at: str, _schema: Any) -> Iterator[str]:
    if all(list(problems(part, value, root, at)) for part in rule):
        yield f"{at}: anyOf"


def _simple(name: str, fits: Any) -> Any:
    def check(rule: Any, value: Any, _root: Any, at: str, _schema: Any) -> Iterator[str]:
        if not fits(rule, value):
            yield f"{at}: {name}"

    return check


_RULES: dict[str, Any] = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "$ref": _reference,
    "oneOf": _one_of,
    "anyOf": _any_of,
    "const": _simple("const", lambda rule, value: type(rule) is type(value) and rule == value),
    "enum": _simple("enum", lambda rule, value: value in rule),
    "pattern": _simple("pattern", lambda rule, value: not isinstance(value, str) or re.search(rule, value)),
    "minimum": _simple("minimum", lambda rule, value: not isinstance(value, int) or value >= rule),
}
