"""The caller's filter tree: grammar, values, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest

from vault import filters
from vault.errors import InvalidInputError

NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
VIEW: dict[str, object] = {
    "category": "diet",
    "priority": 3,
    "ratio": 0.5,
    "urgent": True,
    "nothing": None,
    "tags": ["Red", "blue", 7],
    "due": "2024-06-01",
    "note": "Call the Ward",
    "nested": {"a": 1},
    "created_at": NOON,
    "updated_at": "2024-05-02T08:00:00+02:00",
    "expires_at": None,
    "role": "user",
}


def matches(tree: Mapping[str, object], view: Mapping[str, object] = VIEW) -> bool:
    parsed = filters.parse(tree)
    assert parsed is not None
    return parsed.matches(view)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"category": "diet"}, True),
        ({"category": "Diet"}, False),
        ({"category": ["x", "diet"]}, True),
        ({"category": []}, False),
        ({"category": "*"}, True),
        ({"absent": "*"}, False),
        ({"nothing": "*"}, True),
        ({"category": {"eq": "*"}}, False),
        ({"category": ["*"]}, False),
        ({"nothing": None}, True),
        ({"absent": None}, False),
        ({"priority": 3}, True),
        ({"priority": 3.0}, True),
        ({"priority": "3"}, False),
        ({"priority": True}, False),
        ({"urgent": True}, True),
        ({"urgent": 1}, False),
        ({"urgent": [1, 1.0, "True"]}, False),
        ({"category": {"ne": "diet"}}, False),
        ({"priority": {"ne": "3"}}, True),
        ({"absent": {"ne": "x"}}, True),
        ({"absent": {"nin": ["x"]}}, True),
        ({"absent": {"nin": []}}, True),
        ({"category": {"nin": ["x", "diet"]}}, False),
        ({"priority": {"gt": 2, "lt": 4}}, True),
        ({"priority": {"gt": 3}}, False),
        ({"priority": {"gte": 3, "lte": 3.0}}, True),
        ({"urgent": {"gte": 0}}, False),
        ({"category": {"gte": 0}}, False),
        ({"priority": {"gte": "0"}}, False),
        ({"absent": {"lt": 10}}, False),
        ({"category": {"gt": "abc", "lt": "eee"}}, True),
        ({"due": {"gte": "2024-06-01T00:00:00Z"}}, True),
        ({"due": {"lt": datetime(2024, 6, 1, 0, 0, 1, tzinfo=UTC)}}, True),
        ({"category": {"lt": "2030-01-01"}}, False),
        ({"due": datetime(2024, 6, 1, tzinfo=UTC)}, True),
        ({"due": {"in": ["x", datetime(2024, 6, 1, tzinfo=UTC)]}}, True),
        ({"due": {"nin": [datetime(2024, 6, 1, tzinfo=UTC)]}}, False),
        ({"note": {"contains": "Ward"}}, True),
        ({"note": {"contains": "ward"}}, False),
        ({"note": {"icontains": "WARD"}}, True),
        ({"tags": {"contains": "blue"}}, True),
        ({"tags": {"contains": "blu"}}, False),
        ({"tags": {"contains": 7}}, True),
        ({"tags": {"contains": True}}, False),
        ({"tags": {"icontains": "RED"}}, True),
        ({"tags": "blue"}, False),
        ({"tags": {"ne": "blue"}}, True),
        ({"priority": {"contains": "3"}}, False),
        ({"nested": {"ne": 1}}, True),
        ({"nested": {"icontains": "a"}}, False),
        ({"category": {"exists": True}}, True),
        ({"category": {"exists": False}}, False),
        ({"absent": {"exists": False}}, True),
        ({"absent": {"exists": True}}, False),
        ({"expires_at": {"exists": False}}, True),
        ({"expires_at": {"lt": NOON}}, False),
        ({"created_at": NOON}, True),
        ({"created_at": "2024-05-01T14:00:00+02:00"}, True),
        ({"created_at": NOON.astimezone(timezone(timedelta(hours=-5)))}, True),
        ({"created_at": {"gte": "2024-05-01", "lt": "2024-05-02"}}, True),
        ({"created_at": datetime(2024, 5, 1, 12, 0)}, True),  # noqa: DTZ001 - naive times are UTC
        ({"updated_at": {"gte": "2024-05-02T06:00:00Z", "lte": "2024-05-02 06:00"}}, True),
        ({"updated_at": ["2024-05-02T06:00:00z"]}, True),
        ({"role": "user"}, True),
        ({"role": ["assistant"]}, False),
        ({"role": {"contains": "se"}}, True),
        ({"AND": [{"category": "diet"}, {"priority": 3}]}, True),
        ({"AND": [{"category": "diet"}, {"category": "sport"}]}, False),
        ({"AND": [{"OR": [{"category": "diet"}]}, {"OR": [{"priority": 9}]}]}, False),
        ({"AND": [{"NOT": [{"category": "diet"}]}, {"NOT": [{"priority": 9}]}]}, False),
        ({"OR": [{"category": "x"}, {"priority": 3}]}, True),
        ({"OR": [{"category": "x"}, {"priority": 9}]}, False),
        ({"NOT": [{"category": "x"}, {"priority": 9}]}, True),
        ({"NOT": [{"category": "x"}, {"priority": 3}]}, False),
        ({"NOT": [{"absent": "x"}]}, True),
        ({"category": "diet", "priority": 9}, False),
        ({"category": "diet", "OR": [{"priority": 3}]}, True),
        ({"and": "x"}, False),
    ],
)
def test_matches(tree: dict[str, object], expected: bool) -> None:
    assert matches(tree) is expected


def test_no_filter() -> None:
    assert filters.parse(None) is None
    assert filters.parse({}) is None


def nest(levels: int) -> dict[str, object]:
    tree: dict[str, object] = {"a": 1}
    for _ in range(levels):
        tree = {"AND": [tree]}
    return tree


@pytest.mark.parametrize(
    ("tree", "code"),
    [
        ([], "filters.type"),
        ("category", "filters.type"),
        ({1: "x"}, "filters.key"),
        ({"": "x"}, "filters.key"),
        ({"k" * 4097: 1}, "filters.size"),
        ({"k": "v" * 4097}, "filters.size"),
        ({"k": "\ud800"}, "filters.value"),
        ({"\udfff": 1}, "filters.value"),
        ({"k": {"regex": "x"}}, "filters.operator"),
        ({"k": {"EQ": "x"}}, "filters.operator"),
        ({"k": {1: "x"}}, "filters.operator"),
        ({"metadata": {"k": "x"}}, "filters.operator"),
        ({"k": {}}, "filters.empty"),
        ({"AND": []}, "filters.empty"),
        ({"OR": []}, "filters.empty"),
        ({"NOT": []}, "filters.empty"),
        ({"AND": [{}]}, "filters.empty"),
        ({"AND": {"k": 1}}, "filters.type"),
        ({"OR": ["k"]}, "filters.type"),
        ({"NOT": "x"}, "filters.type"),
        ({"$and": [{"k": 1}]}, "filters.type"),
        ({"k": {"in": "abc"}}, "filters.type"),
        ({"k": {"nin": None}}, "filters.type"),
        ({"k": {"eq": [1]}}, "filters.type"),
        ({"k": {"eq": {"a": 1}}}, "filters.type"),
        ({"k": [["nested"]]}, "filters.type"),
        ({"k": b"bytes"}, "filters.type"),
        ({"k": {"gt": None}}, "filters.type"),
        ({"k": {"gt": True}}, "filters.type"),
        ({"k": {"gt": [1]}}, "filters.type"),
        ({"k": {"contains": None}}, "filters.type"),
        ({"k": {"contains": NOON}}, "filters.type"),
        ({"k": {"icontains": 3}}, "filters.type"),
        ({"k": {"exists": "true"}}, "filters.type"),
        ({"k": {"exists": 1}}, "filters.type"),
        ({"k": float("nan")}, "filters.value"),
        ({"k": {"lt": float("inf")}}, "filters.value"),
        ({"k": 2**63}, "filters.value"),
        ({"k": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}, "filters.value"),
        ({"created_at": "*"}, "filters.value"),
        ({"role": "*"}, "filters.value"),
        ({"created_at": "yesterday"}, "filters.value"),
        ({"created_at": "2024-02-30"}, "filters.value"),
        ({"created_at": 1714564800}, "filters.value"),
        ({"created_at": None}, "filters.value"),
        ({"updated_at": {"in": ["2024-05-01", "never"]}}, "filters.value"),
        ({"expires_at": {"contains": "2024-05-01"}}, "filters.operator"),
        ({"role": 3}, "filters.type"),
        ({"role": {"gt": "a"}}, "filters.type"),
        (nest(9), "filters.depth"),
        ({"AND": [{"k": 1}] * 200}, "filters.size"),
        ({"k": list(range(1001))}, "filters.size"),
        ({"AND": [{"k": list(range(501))}] * 2}, "filters.size"),
    ],
)
def test_refusals(tree: object, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        filters.parse(tree)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_limits_are_inclusive() -> None:
    assert matches(nest(8), {"a": 1})
    assert matches({"AND": [{"a": 1}] * 199}, {"a": 1})
    assert matches({"a": list(range(1000))}, {"a": 1})
    assert matches({"k" * 4096: "v" * 4096}, {"k" * 4096: "v" * 4096})


@pytest.mark.parametrize(
    "key",
    [
        "user_id",
        "agent_id",
        "app_id",
        "run_id",
        "subject_id",
        "tenant",
        "tenant_id",
        "principal",
        "principal_id",
        "USER_ID",
        "User-Id",
        "userId",
        " user id ",
        "user\u200b_id",
        "\ufeffuser_id",
        "us\u00ader_id",
        "ｕｓｅｒ＿ｉｄ",
        "𝐮𝐬𝐞𝐫_𝐢𝐝",
        "user_іd",
        "usеr_id",
        "ΤENANT",
        "ten\u0430nt",
    ],
)
@pytest.mark.parametrize("wrap", ["plain", "nested", "operator", "wildcard"])
def test_scope_is_never_a_filter(key: str, wrap: str) -> None:
    trees: dict[str, dict[str, object]] = {
        "plain": {key: "x"},
        "nested": {"AND": [{"a": 1}, {"NOT": [{"OR": [{key: {"in": ["x"]}}]}]}]},
        "operator": {"metadata": {key: "x"}},
        "wildcard": {key: "*"},
    }
    with pytest.raises(InvalidInputError) as caught:
        filters.parse(trees[wrap])
    assert caught.value.code == "filters.scope"


@pytest.mark.parametrize("key", ["user", "users_id_count", "runner", "identity", "tenancy", "ид", "x" * 300])
def test_ordinary_keys_are_not_scope(key: str) -> None:
    assert not filters.names_scope(key)
    assert matches({key: 1}, {key: 1})


def test_errors_and_reprs_are_silent() -> None:
    canary = "canary@example.org"
    for tree in (
        {"k": {canary: 1}},
        {canary: {"gt": None}},
        {"created_at": canary},
        {"k": [canary, [canary]]},
    ):
        with pytest.raises(InvalidInputError) as caught:
            filters.parse(tree)
        assert canary not in f"{caught.value} {caught.value!r} {caught.value.args}"
    parsed = filters.parse({canary: canary, "OR": [{"k": canary}]})
    assert canary not in repr(parsed)


def test_unreadable_stored_times_do_not_match() -> None:
    tree = {"created_at": {"gte": "2024-01-01"}}
    overflow = datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))
    unreadable: tuple[object, ...] = ("soon", "2024-13-01", "0001-01-01T00:00+14:00", 7, [], overflow)
    for stored in unreadable:
        assert not matches(tree, {"created_at": stored})
    assert matches(tree, {"created_at": datetime.max.replace(tzinfo=UTC)})


def test_canonical_ignores_order_and_keeps_meaning() -> None:
    def canonical(tree: dict[str, object]) -> bytes:
        parsed = filters.parse(tree)
        assert parsed is not None
        return parsed.canonical()

    assert canonical({"a": 1, "b": ["x", "y"]}) == canonical({"b": ["y", "x", "y"], "a": {"eq": 1}})
    assert canonical({"AND": [{"a": 1}, {"b": 2}]}) == canonical({"a": 1, "b": 2})
    assert canonical({"OR": [{"a": 1}, {"b": 2}]}) == canonical({"OR": [{"b": 2}, {"a": 1}]})
    assert canonical({"created_at": "2024-05-01T12:00:00Z"}) == canonical({"created_at": NOON})
    distinct: list[dict[str, object]] = [
        {"a": 1},
        {"a": True},
        {"a": "1"},
        {"a": "True"},
        {"a": None},
        {"a": "None"},
        {"a": 1.5},
        {"a": {"ne": 1}},
        {"a": {"gt": 1}},
        {"a": {"gte": 1}},
        {"a": "*"},
        {"a": {"exists": False}},
        {"b": 1},
        {"a": 1, "b": 1},
        {"OR": [{"a": 1}, {"b": 1}]},
        {"NOT": [{"a": 1}]},
        {"NOT": [{"a": 1}, {"b": 1}]},
        {"NOT": [{"a": 1, "b": 1}]},
        {"a": NOON},
        {"a": NOON.isoformat()},
        {"a": {"contains": "x"}},
        {"a": {"icontains": "x"}},
        {'a"': 1},
        {"a": ['x","y']},
        {"a": ["x", "y"]},
        {"a": []},
    ]
    assert len({canonical(tree) for tree in distinct}) == len(distinct)


def test_map_values_adds_stored_alternatives() -> None:
    def translate(value: str) -> tuple[str, ...]:
        return ("[EMAIL_ADDRESS:k7q2m9]", "[EMAIL_ADDRESS:zz]") if value == "a@b.org" else ()

    def mapped(tree: Mapping[str, object], view: Mapping[str, object]) -> bool:
        parsed = filters.parse(tree)
        assert parsed is not None
        return parsed.map_values(translate).matches(view)

    stored = {"mail": "[EMAIL_ADDRESS:k7q2m9]", "list": ["[EMAIL_ADDRESS:zz]"], "plain": "diet"}
    assert mapped({"mail": "a@b.org"}, stored)
    assert mapped({"mail": "a@b.org"}, {"mail": "a@b.org"})
    assert mapped({"mail": ["other", "a@b.org"]}, stored)
    assert not mapped({"mail": {"ne": "a@b.org"}}, stored)
    assert not mapped({"mail": {"nin": ["a@b.org"]}}, stored)
    assert mapped({"mail": {"nin": ["other"]}}, stored)
    assert mapped({"list": {"contains": "a@b.org"}}, stored)
    assert mapped({"mail": {"icontains": "a@b.org"}}, stored)
    assert mapped({"OR": [{"NOT": [{"mail": "x"}]}, {"mail": "a@b.org"}]}, stored)
    assert mapped({"plain": "diet"}, stored)
    assert mapped({"mail": "*"}, stored)
    assert not mapped({"mail": {"gt": "a@b.org"}}, {"mail": "[EMAIL_ADDRESS:k7q2m9]"})
    assert not mapped({"role": "a@b.org"}, {"role": "[EMAIL_ADDRESS:k7q2m9]"})
