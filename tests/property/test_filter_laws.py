"""The filter evaluator against a slow reference, and the laws it has to keep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vault import filters
from vault.errors import InvalidInputError

KEYS = st.sampled_from(["a", "b", "c", "created_at", "role"])
META_KEYS = st.sampled_from(["a", "b", "c"])
TIMES = st.sampled_from([datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)])
TEXTS = st.sampled_from(["", "x", "X", "xy", "*", "1", "2024-01-02", "2024-01-02T00:00:00Z", "user"])
NUMBERS = st.sampled_from([0, 1, 2, 1.0, 1.5, -1, 2**62])
PLAIN = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
STORED = st.one_of(PLAIN, st.lists(PLAIN, max_size=3), st.just({"k": 1}))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(KEYS)
    if key == "created_at":
        operand: st.SearchStrategy[Any] = st.one_of(
            TIMES, st.sampled_from(["2024-01-02", "2024-01-03T01:00Z"])
        )
        ops = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists"]
    elif key == "role":
        operand, ops = TEXTS, ["eq", "ne", "in", "nin", "contains", "icontains", "exists"]
    else:
        operand = st.one_of(PLAIN, TIMES)
        ops = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "icontains", "exists", "plain"]
    op = draw(st.sampled_from(ops))
    if op == "plain":
        return {key: draw(st.one_of(PLAIN, st.lists(PLAIN, max_size=3)))}
    if op == "exists":
        return {key: {op: draw(st.booleans())}}
    if op in ("in", "nin"):
        return {key: {op: draw(st.lists(operand, max_size=3))}}
    if op in ("gt", "gte", "lt", "lte") and key != "created_at":
        return {key: {op: draw(st.one_of(TEXTS, NUMBERS, TIMES))}}
    if op == "contains" and key != "role":
        return {key: {op: draw(st.one_of(TEXTS, NUMBERS, st.booleans()))}}
    if op == "icontains":
        return {key: {op: draw(TEXTS)}}
    return {key: {op: draw(operand)}}


TREES = st.recursive(
    st.lists(conditions(), min_size=1, max_size=2).map(
        lambda parts: {k: v for p in parts for k, v in p.items()}
    ),
    lambda inner: st.builds(
        lambda name, members: {name: members},
        st.sampled_from(["AND", "OR", "NOT"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
VIEWS = st.builds(
    lambda metadata, created, role: {**metadata, **created, **role},
    st.dictionaries(META_KEYS, STORED, max_size=3),
    st.one_of(st.just({}), TIMES.map(lambda t: {"created_at": t})),
    st.one_of(st.just({}), st.sampled_from([{"role": "user"}, {"role": None}])),
)


def moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and value.startswith("2024-"):
        parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return None


def same(stored: object, wanted: object, *, as_time: bool) -> bool:
    if isinstance(wanted, datetime) or as_time:
        return moment(stored) is not None and moment(stored) == moment(wanted)
    if isinstance(stored, bool) or isinstance(wanted, bool):
        return isinstance(stored, bool) and isinstance(wanted, bool) and stored == wanted
    if isinstance(stored, int | float) and isinstance(wanted, int | float):
        return stored == wanted
    return type(stored) is type(wanted) and not isinstance(stored, list | dict) and stored == wanted


def ordered(op: str, stored: object, bound: Any) -> bool:
    if moment(bound) is not None:
        left: Any = moment(stored)
        bound = moment(bound)
        if left is None:
            return False
    elif isinstance(bound, str):
        if not isinstance(stored, str):
            return False
        left = stored
    else:
        if isinstance(stored, bool) or not isinstance(stored, int | float):
            return False
        left = stored
    return bool({"gt": left > bound, "gte": left >= bound, "lt": left < bound, "lte": left <= bound}[op])


def contained(op: str, stored: object, part: object) -> bool:
    def fold(value: object) -> object:
        return value.casefold() if op == "icontains" and isinstance(value, str) else value

    if isinstance(stored, str):
        return isinstance(part, str) and str(fold(part)) in str(fold(stored))
    if isinstance(stored, list):
        return any(same(fold(element), fold(part), as_time=False) for element in stored)
    return False


def holds(view: Mapping[str, object], key: str, op: str, operand: Any) -> bool:
    present = key in view and not (key in ("created_at", "role") and view[key] is None)
    as_time = key == "created_at"
    if op == "exists":
        return present is operand
    if op == "ne":
        return not holds(view, key, "eq", operand)
    if op == "nin":
        return not holds(view, key, "in", operand)
    if not present:
        return False
    stored = view[key]
    if op == "eq":
        return same(stored, operand, as_time=as_time)
    if op == "in":
        return any(same(stored, wanted, as_time=as_time) for wanted in operand)
    if op in ("contains", "icontains"):
        return contained(op, stored, operand)
    return ordered(op, stored, operand)


def reference(tree: Mapping[str, Any], view: Mapping[str, object]) -> bool:
    results = []
    for key, value in tree.items():
        if key == "AND":
            results.append(all(reference(member, view) for member in value))
        elif key == "OR":
            results.append(any(reference(member, view) for member in value))
        elif key == "NOT":
            results.append(not any(reference(member, view) for member in value))
        elif isinstance(value, dict):
            results.append(all(holds(view, key, op, operand) for op, operand in value.items()))
        elif isinstance(value, list):
            results.append(holds(view, key, "in", value))
        elif value == "*":
            results.append(holds(view, key, "exists", True))
        else:
            results.append(holds(view, key, "eq", value))
    return all(results)


def parse(tree: Mapping[str, Any]) -> filters.Filter:
    parsed = filters.parse(tree)
    assert parsed is not None
    return parsed


@settings(max_examples=200, deadline=None)
@given(TREES, VIEWS)
def test_agrees_with_the_reference(tree: dict[str, Any], view: dict[str, object]) -> None:
    assert parse(tree).matches(view) is reference(tree, view)


@settings(max_examples=50, deadline=None)
@given(TREES, TREES, VIEWS)
def test_de_morgan_and_double_negation(a: dict[str, Any], b: dict[str, Any], view: dict[str, object]) -> None:
    assert parse({"NOT": [{"AND": [a, b]}]}).matches(view) is parse(
        {"OR": [{"NOT": [a]}, {"NOT": [b]}]}
    ).matches(view)
    assert parse({"NOT": [{"OR": [a, b]}]}).matches(view) is parse(
        {"AND": [{"NOT": [a]}, {"NOT": [b]}]}
    ).matches(view)
    assert parse({"NOT": [a, b]}).matches(view) is parse({"NOT": [{"OR": [a, b]}]}).matches(view)
    assert parse({"NOT": [{"NOT": [a]}]}).matches(view) is parse(a).matches(view)


@settings(max_examples=50, deadline=None)
@given(TREES, TREES, VIEWS)
def test_a_condition_added_never_widens(
    a: dict[str, Any], b: dict[str, Any], view: dict[str, object]
) -> None:
    if parse({"AND": [a, b]}).matches(view):
        assert parse(a).matches(view)
        assert parse(b).matches(view)


@settings(max_examples=50, deadline=None)
@given(TREES, VIEWS, st.randoms(use_true_random=False))
def test_canonical_is_blind_to_order_only(tree: dict[str, Any], view: dict[str, object], rng: Any) -> None:
    def shuffled(node: Any) -> Any:
        if isinstance(node, dict):
            items = [(key, shuffled(value)) for key, value in node.items()]
            rng.shuffle(items)
            return dict(items)
        if isinstance(node, list):
            members = [shuffled(member) for member in node]
            rng.shuffle(members)
            return members
        return node

    other = parse(shuffled(tree))
    assert other.canonical() == parse(tree).canonical()
    assert other.matches(view) is parse(tree).matches(view)


@settings(max_examples=50, deadline=None)
@given(TREES, TREES, VIEWS)
def test_equal_encodings_mean_equal_answers(
    a: dict[str, Any], b: dict[str, Any], view: dict[str, object]
) -> None:
    if parse(a).canonical() == parse(b).canonical():
        assert parse(a).matches(view) is parse(b).matches(view)


@settings(max_examples=50, deadline=None)
@given(TREES, VIEWS)
def test_mapping_to_nothing_changes_nothing(tree: dict[str, Any], view: dict[str, object]) -> None:
    mapped = parse(tree).map_values(lambda _value: ())
    assert mapped.canonical() == parse(tree).canonical()
    assert mapped.matches(view) is parse(tree).matches(view)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.one_of(PLAIN, TIMES, st.binary(max_size=3), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["AND", "OR", "NOT", "a", "eq", "in", "user_id", "gt"]), inner),
        ),
        max_leaves=10,
    )
)
def test_any_input_parses_or_is_refused(tree: Any) -> None:
    codes = {"type", "key", "value", "size", "depth", "empty", "operator", "scope"}
    try:
        parsed = filters.parse(tree)
    except InvalidInputError as refused:
        code = refused.code
    else:
        code = ""
        assert parsed is None or parsed.matches({"a": 1}) in (True, False)
    assert not code or code in {f"filters.{name}" for name in codes}
