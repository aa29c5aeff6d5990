"""The caller's filter tree: one grammar and one evaluator, the same for search and list.

    {k: v}                      equal                {k: "*"}   the metadata key exists
    {k: [v, ...]}               equal to one of      siblings in one mapping are ANDed
    {k: {op: v, ...}}           eq ne gt gte lt lte in nin contains icontains exists
    {"AND": [f, ...]}  {"OR": [f, ...]}  {"NOT": [f, ...]}   NOT: none of them holds

Keys are metadata keys plus `created_at`, `updated_at`, `expires_at` (compared as times) and `role`. Scope
ids and the tenant are arguments, never filters: naming one in the tree is refused, look-alikes too.

Values: a bool is never a number, 1 equals 1.0, a comparison of unlike types is False and never an error.
`ne` and `nin` are the complements of `eq` and `in`. A missing key satisfies `ne`, `nin`, `exists: false`,
and NOT of anything else. A metadata key that holds null exists; a field that holds null does not.
A range over strings compares times where the operand is an ISO 8601 date or time, else code points.
`contains` is a substring of a string or an element of a list; `icontains` is the same in any case.
Times without an offset are UTC.
"""

from __future__ import annotations

import json
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from vault.errors import InvalidInputError

MAX_DEPTH: Final = 8  # nested AND, OR and NOT
MAX_NODES: Final = 200  # conditions and groups together
MAX_VALUES: Final = 1000  # elements of all `in` and `nin` lists together
MAX_STRING_BYTES: Final = 4096  # UTF-8, of one key or value

TIME_FIELDS: Final = frozenset({"created_at", "updated_at", "expires_at"})
FIELDS: Final = TIME_FIELDS | {"role"}
SCOPE_IDS: Final = ("user_id", "agent_id", "app_id", "run_id", "subject_id")
SCOPE_NAMES: Final = frozenset((*SCOPE_IDS, "tenant", "tenant_id", "principal", "principal_id"))

Scalar = str | int | float | bool | datetime | None
View = Mapping[str, object]
Tag = tuple[str, object]
Test = Callable[[object], bool]

_RANGES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_LISTS: Final = frozenset({"in", "nin"})
_TEXTS: Final = frozenset({"contains", "icontains"})
_OPERATORS: Final = frozenset({"eq", "ne", "exists", *_RANGES, *_LISTS, *_TEXTS})
_GROUPS: Final = frozenset({"AND", "OR", "NOT"})
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)
# Letters of other scripts that read as Latin letters of scope and system names (Unicode TS 39, confusables).
_LOOKALIKES: Final = str.maketrans(
    "аαƅьвсԁеεɡһհіιıӏјкκмпνոоοօрρгѕтτυսѵхχуγ", "aabbbcdeeghhiiiljkkmnnnooopprsttuuvxxyy"
)
_SCOPE_SKELETONS: Final = frozenset(name.replace("_", "") for name in SCOPE_NAMES)
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Filter:
    """One node of a parsed filter: `and`, `or` and `not` have children; every other `op` is a condition.

    `eq` and `ne` are kept as `in` and `nin` of one value; the values of a condition are alternatives.
    Immutable, and silent about its values in `repr`.
    """

    op: str
    children: tuple[Filter, ...] = ()
    key: str = ""
    values: tuple[Scalar, ...] = ()
    _test: Callable[[View], bool] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_test", _group_test(self) if self.children else _leaf_test(self))

    def matches(self, memory_view: View) -> bool:
        """Whether a memory satisfies the filter; `memory_view` is flat: metadata keys and fields."""
        return self._test(memory_view)

    def map_values(self, fn: Callable[[str], Iterable[str]]) -> Filter:
        """The same filter in which a metadata value also matches the stored alternatives `fn` answers.

        `fn` gets each string compared with `eq`, `ne`, `in`, `nin`, `contains` or `icontains`, and each number
        as it is written; the value itself stays an alternative. Ranges, times and roles are not translated.
        """
        if self.children:
            return Filter(self.op, tuple(child.map_values(fn) for child in self.children))
        if self.key in FIELDS or self.op not in _LISTS | _TEXTS:
            return self
        mapped: dict[Tag, Scalar] = {}
        for value in self.values:
            mapped.setdefault(_tag(value), value)
            written = _written(value)
            for other in fn(written) if written is not None else ():
                if other != written:
                    mapped.setdefault(_tag(other), other)
        return Filter(self.op, key=self.key, values=tuple(mapped.values()))

    def canonical(self) -> bytes:
        """A stable encoding for digests: the order of keys, siblings and list elements does not matter."""
        parts: list[str] = []
        if self.children:
            parts = sorted(child.canonical().decode() for child in self.children)
        else:
            parts = [json.dumps(self.key, ensure_ascii=False)]
            parts += sorted({_canonical_value(value) for value in self.values})
        return f'["{self.op}",{",".join(parts)}]'.encode()

    def __repr__(self) -> str:
        return f"Filter({self.op}, <hidden>)"


def parse(filters: Mapping[str, object] | None) -> Filter | None:
    """The caller's mapping as a tree; None and an empty mapping mean no filter.

    Raises InvalidInputError with one of the codes filters.scope, filters.type, filters.operator,
    filters.empty, filters.key, filters.value, filters.depth, filters.size. The messages name the rule,
    never a key or a value of the caller.
    """
    if filters is None:
        return None
    if not isinstance(filters, Mapping):
        raise InvalidInputError("filters.type", "filters must be a mapping")
    return _Parser().mapping(filters, depth=0) if filters else None


def names_scope(key: str) -> bool:
    """Whether a key names a scope id, the tenant or the principal, in any case, spacing or look-alike."""
    return skeleton(key) in _SCOPE_SKELETONS


def skeleton(key: str) -> str:
    """The letters and digits a key reads as: no case, no spacing, look-alike letters as their Latin twins."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", key).casefold())
    return "".join(char for char in folded.translate(_LOOKALIKES) if char.isalnum())


class _Parser:
    """Turns the caller's mapping into nodes, and counts what it meets."""

    def __init__(self) -> None:
        self._nodes = 0
        self._values = 0

    def mapping(self, filters: Mapping[str, object], *, depth: int) -> Filter:
        if not filters:
            raise InvalidInputError("filters.empty", "a nested filter has no condition")
        nodes: list[Filter] = []
        for key, value in filters.items():
            _check_key(key)
            if key in _GROUPS:
                nodes.append(self._group(key, value, depth=depth + 1))
            else:
                nodes.extend(self._conditions(key, value))
        return nodes[0] if len(nodes) == 1 else Filter("and", tuple(nodes))

    def _group(self, name: str, members: object, *, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise InvalidInputError("filters.depth", f"filters nest deeper than {MAX_DEPTH} levels")
        if not isinstance(members, list | tuple) or not all(isinstance(m, Mapping) for m in members):
            raise InvalidInputError("filters.type", f"{name} takes a list of filters")
        if not members:
            raise InvalidInputError("filters.empty", f"{name} has no members")
        self._count()
        return Filter(name.lower(), tuple(self.mapping(member, depth=depth) for member in members))

    def _conditions(self, key: str, value: object) -> list[Filter]:
        if isinstance(value, Mapping):
            if not value:
                raise InvalidInputError("filters.empty", "a condition has no operator")
            return [self._condition(key, op, operand) for op, operand in value.items()]
        if isinstance(value, list | tuple):
            return [self._condition(key, "in", value)]
        if isinstance(value, str) and value == "*":
            if key in FIELDS:
                raise InvalidInputError("filters.value", "the wildcard stands for metadata keys only")
            return [self._condition(key, "exists", True)]
        return [self._condition(key, "eq", value)]

    def _condition(self, key: str, op: object, operand: object) -> Filter:
        self._count()
        if not isinstance(op, str) or op not in _OPERATORS:
            if isinstance(op, str) and names_scope(op):
                raise InvalidInputError("filters.scope", "scope ids and tenants are arguments, not filters")
            raise InvalidInputError("filters.operator", "filters use an unknown operator")
        if op == "exists":
            if not isinstance(operand, bool):
                raise InvalidInputError("filters.type", "exists takes true or false")
            return Filter(op, key=key, values=(operand,))
        if op not in _LISTS:
            name = {"eq": "in", "ne": "nin"}.get(op, op)
            return Filter(name, key=key, values=(_operand(key, op, operand),))
        if not isinstance(operand, list | tuple):
            raise InvalidInputError("filters.type", f"{op} takes a list of values")
        self._values += len(operand)
        if self._values > MAX_VALUES:
            raise InvalidInputError("filters.size", f"filters list more than {MAX_VALUES} values")
        return Filter(op, key=key, values=tuple(_operand(key, op, value) for value in operand))

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise InvalidInputError("filters.size", f"filters have more than {MAX_NODES} conditions")


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not key:
        raise InvalidInputError("filters.key", "filter keys are non-empty strings")
    _check_text(key)
    if names_scope(key):
        raise InvalidInputError("filters.scope", "scope ids and tenants are arguments, not filters")


def _check_text(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # it holds the whole text, so nothing is raised from inside this block
        size = -1
    if size < 0:
        raise InvalidInputError("filters.value", "a filter string is not valid Unicode")
    if size > MAX_STRING_BYTES:
        raise InvalidInputError("filters.size", f"a filter string exceeds {MAX_STRING_BYTES} bytes")


def _operand(key: str, op: str, value: object) -> Scalar:
    """One checked operand: times become aware datetimes, everything else stays as given."""
    checked = _scalar(value)
    if key in TIME_FIELDS:
        moment = _as_time(checked)
        if op in _TEXTS:
            raise InvalidInputError("filters.operator", "times have no contains")
        if moment is None:
            raise InvalidInputError("filters.value", "times are compared with datetimes or ISO 8601 strings")
        return moment
    if key in FIELDS and (op in _RANGES or not isinstance(checked, str)):
        raise InvalidInputError("filters.type", "role is compared with strings, and has no order")
    if op in _RANGES:
        if checked is None or isinstance(checked, bool):
            raise InvalidInputError("filters.type", "ranges take a number, a string or a time")
        moment = _as_time(checked)
        return checked if moment is None else moment
    if op == "icontains" and not isinstance(checked, str):
        raise InvalidInputError("filters.type", "icontains takes a string")
    if op == "contains" and (checked is None or isinstance(checked, datetime)):
        raise InvalidInputError("filters.type", "contains takes a string, a number or a boolean")
    return checked


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        _check_text(value)
        return str(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InvalidInputError("filters.value", "a filter integer exceeds 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInputError("filters.value", "a filter number is not finite")
        return float(value)
    if isinstance(value, datetime):
        moment = _as_time(value)
        if moment is None:
            raise InvalidInputError("filters.value", "a filter time is out of range")
        return moment
    raise InvalidInputError("filters.type", "a filter value has a type that cannot be compared")


def _as_time(value: object) -> datetime | None:
    """A datetime or an ISO 8601 string as a UTC time; None where it is neither."""
    try:
        if isinstance(value, str) and _ISO.fullmatch(value):
            value = datetime.fromisoformat(value.upper())
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written(value: Scalar) -> str | None:
    """A string or a number as redaction saw it: 536904399.0 as 536904399; None for what it does not read."""
    if value is None or isinstance(value, bool | datetime):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _tag(value: object) -> Tag:
    """A hashable stand-in, equal for equal values of like type; lists and mappings equal no operand."""
    if isinstance(value, str):
        return ("s", value)
    if isinstance(value, bool):
        return ("b", value)
    if isinstance(value, int | float):
        return ("n", value)
    if isinstance(value, datetime):
        return ("t", _as_time(value))
    return ("0", None) if value is None else ("-", None)


def _canonical_value(value: Scalar) -> str:
    kind, content = _tag(value)
    text = content.isoformat() if isinstance(content, datetime) else str(content)
    return json.dumps([kind, text], ensure_ascii=False, separators=(",", ":"))


def _group_test(node: Filter) -> Callable[[View], bool]:
    tests = tuple(child.matches for child in node.children)
    if node.op == "and":
        return lambda memory_view: all(test(memory_view) for test in tests)
    if node.op == "or":
        return lambda memory_view: any(test(memory_view) for test in tests)
    return lambda memory_view: not any(test(memory_view) for test in tests)


def _leaf_test(node: Filter) -> Callable[[View], bool]:
    key, test = node.key, _BUILDERS[node.op](node.values)
    if_missing = node.op == "nin" or (node.op == "exists" and node.values == (False,))
    is_field = key in FIELDS

    def matches(memory_view: View) -> bool:
        value = memory_view.get(key, _MISSING)
        if value is _MISSING or (is_field and value is None):
            return if_missing
        return test(value)

    return matches


def _build_in(values: tuple[Scalar, ...]) -> Test:
    plain = frozenset(_tag(value) for value in values if not isinstance(value, datetime))
    times = frozenset(value for value in values if isinstance(value, datetime))
    if not times:
        return lambda value: _tag(value) in plain
    return lambda value: _tag(value) in plain or _as_time(value) in times


def _build_nin(values: tuple[Scalar, ...]) -> Test:
    contained = _build_in(values)
    return lambda value: not contained(value)


def _build_range(compare: Callable[[Any, Any], bool]) -> Callable[[tuple[Scalar, ...]], Test]:
    def build(values: tuple[Scalar, ...]) -> Test:
        (bound,) = values
        if isinstance(bound, datetime):
            return lambda value: (moment := _as_time(value)) is not None and compare(moment, bound)
        kind = "s" if isinstance(bound, str) else "n"
        return lambda value: _tag(value)[0] == kind and compare(value, bound)

    return build


def _build_contains(fold: Callable[[str], str]) -> Callable[[tuple[Scalar, ...]], Test]:
    def folded(value: object) -> object:
        return fold(value) if isinstance(value, str) else value

    def build(values: tuple[Scalar, ...]) -> Test:
        parts = tuple(fold(value) for value in values if isinstance(value, str))
        tags = frozenset(_tag(folded(value)) for value in values)

        def test(value: object) -> bool:
            if isinstance(value, str):
                text = fold(value)
                return any(part in text for part in parts)
            return isinstance(value, list | tuple) and any(_tag(folded(part)) in tags for part in value)

        return test

    return build


def _build_exists(values: tuple[Scalar, ...]) -> Test:
    return lambda _value: values == (True,)


_BUILDERS: Final[Mapping[str, Callable[[tuple[Scalar, ...]], Test]]] = {
    "in": _build_in,
    "nin": _build_nin,
    "contains": _build_contains(str),
    "icontains": _build_contains(str.casefold),
    "exists": _build_exists,
    **{name: _build_range(compare) for name, compare in _RANGES.items()},
}
