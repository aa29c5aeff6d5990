"""Packs that extend others: nowhere weaker, and whatever contradicts is refused by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import packs
import pytest

from vault.errors import PolicyInvalidError
from vault.policy.decide import Approvals, Erasure, Policy, Request
from vault.policy.pack import load
from vault.policy.rights import UNSET


def refused(folder: Path) -> PolicyInvalidError:
    with pytest.raises(PolicyInvalidError) as caught:
        load(folder)
    return caught.value


def extended(tmp_path: Path, **files: Any) -> Policy:
    packs.write(tmp_path, packs.root())
    return load(packs.write(tmp_path, packs.child(**files)))


def test_an_empty_child_is_its_parent(tmp_path: Path) -> None:
    policy = extended(tmp_path)
    parent = load(tmp_path / "small")
    assert policy.packs == ("child", "small")
    assert policy.digest != parent.digest
    for name in (
        "permits",
        "forbids",
        "threshold",
        "default_operator",
        "required_classes",
        "not_covered",
        "strict",
        "on_failure",
    ):
        assert getattr(policy, name) == getattr(parent, name)
    assert policy.rights == parent.rights
    for name in ("operators", "purposes", "roles", "classes", "controls", "retention", "floors"):
        assert dict(getattr(policy, name)) == dict(getattr(parent, name))


def test_a_child_tightens(tmp_path: Path) -> None:
    policy = extended(
        tmp_path,
        taxonomy={"classes": {"device": {"title": "Devices", "sensitivity": 2, "entities": ["IMEI"]}}},
        detection={
            "threshold": 0.3,
            "default_operator": "token",
            "required": ["PASSWORD", "IMEI"],
            "operators": {"EMAIL_ADDRESS": "drop", "DATE_TIME": "generalise", "PHONE_NUMBER": "block"},
        },
        purposes={"purposes": {"audit": {"title": "Audit"}}},
        access={"roles": {"clerk": {"title": "Clerk"}}, "rules": [packs.forbid("no-delete", roles=["app"])]},
        retention={
            "rules": [
                {"id": "less", "record": "memory", "max_days": 30, "why": "w"},
                {"id": "more", "record": "audit", "min_days": 2000, "why": "w"},
                {"id": "new", "record": "history", "max_days": 10, "why": "w"},
                {"id": "idle", "record": "memory", "max_days": 20, "trigger": "updated", "why": "w"},
            ]
        },
    )
    assert policy.threshold == 0.3
    assert policy.default_operator == policy.operator_for("IMEI") == "token"
    assert policy.operators["EMAIL_ADDRESS"] == "drop"
    assert policy.operators["DATE_TIME"] == "generalise"
    assert policy.operators["PASSWORD"] == "drop"
    assert policy.required_classes == {"EMAIL_ADDRESS", "PASSWORD", "IMEI"}
    assert "audit" in policy.purposes
    assert [r.id for r in policy.forbids] == ["no-secrets", "no-delete"]
    assert policy.retention["memory"].max_days == 30
    assert policy.retention["memory"].max_rule == "child/less"
    assert policy.retention["audit"].min_days == 2000
    assert policy.retention["history"].max_days == 10
    assert (policy.retention["memory"].idle_days, policy.retention["memory"].idle_rule) == (20, "child/idle")


GUARDED = {"strict": True, "on_failure": "refuse", "floors": {"EMAIL_ADDRESS": 0.9}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"strict": False}, "strict of pack child"),
        ({"on_failure": "redact-field"}, "on_failure of pack child"),
        ({"floors": {"EMAIL_ADDRESS": 0.89}}, "floors.EMAIL_ADDRESS of pack child"),
        ({"operators": {"DATE_TIME": "shift"}}, "operators.DATE_TIME of pack child"),
    ],
)
def test_a_child_loosens_no_guard(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    files = packs.root()
    files["detection.yaml"] |= GUARDED
    files["detection.yaml"]["operators"]["DATE_TIME"] = "generalise"
    packs.write(tmp_path, files)
    error = refused(packs.write(tmp_path, packs.child(detection=content)))
    assert error.code == "policy.relaxed"
    assert words in str(error)


def test_a_child_raises_floors_and_turns_guards_on(tmp_path: Path) -> None:
    files = packs.root()
    files["detection.yaml"] |= {"on_failure": "redact-field", "floors": {"EMAIL_ADDRESS": 0.9}}
    packs.write(tmp_path, files)
    plain = load(packs.write(tmp_path, packs.child("plain")))
    assert (plain.on_failure, plain.strict, dict(plain.floors)) == (
        "redact-field",
        False,
        {"EMAIL_ADDRESS": 0.9},
    )
    guard = {"strict": True, "on_failure": "refuse", "floors": {"EMAIL_ADDRESS": 0.95, "PASSWORD": 1}}
    tight = load(packs.write(tmp_path, packs.child("tight", detection=guard)))
    assert (tight.on_failure, tight.strict) == ("refuse", True)
    assert dict(tight.floors) == {"EMAIL_ADDRESS": 0.95, "PASSWORD": 1.0}
    both = load(packs.write(tmp_path, packs.child("both", extends=("plain", "tight"))))
    assert (both.on_failure, both.strict, dict(both.floors)) == ("refuse", True, dict(tight.floors))


@pytest.mark.parametrize(
    ("stem", "content", "words"),
    [
        ("access", {"rules": [packs.permit()]}, ["rules[0]", "new"]),
        ("detection", {"threshold": 0.6}, ["threshold", "child", "small"]),
        ("detection", {"default_operator": "generalise"}, ["default_operator", "child", "small"]),
        ("detection", {"operators": {"EMAIL_ADDRESS": "mask"}}, ["EMAIL_ADDRESS", "child", "small"]),
        ("detection", {"operators": {"PHONE_NUMBER": "keep"}}, ["PHONE_NUMBER", "child", "small"]),
        (
            "retention",
            {"rules": [{"id": "longer", "record": "memory", "max_days": 1001, "why": "w"}]},
            ["longer", "small/facts"],
        ),
        (
            "retention",
            {
                "rules": [
                    {"id": "idle", "record": "memory", "max_days": 1001, "trigger": "updated", "why": "w"}
                ]
            },
            ["idle", "small/facts"],
        ),
        (
            "retention",
            {"rules": [{"id": "shorter", "record": "audit", "min_days": 364, "why": "w"}]},
            ["shorter", "small/log"],
        ),
    ],
)
def test_a_child_that_relaxes_is_refused(
    tmp_path: Path, stem: str, content: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        extended(tmp_path, **{stem: content})
    assert caught.value.code == "policy.relaxed"
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("stem", "content"),
    [
        ("access", {"rules": [packs.forbid("app-all")]}),
        ("access", {"roles": {"app": {"title": "Someone else"}}}),
        ("purposes", {"purposes": {"care": {"title": "Selling"}}}),
        ("taxonomy", {"classes": {"contact": {"title": "Contacts", "sensitivity": 2, "entities": ["IMEI"]}}}),
        ("taxonomy", {"classes": {"mine": {"title": "Mine", "sensitivity": 0, "entities": ["PASSWORD"]}}}),
        ("retention", {"rules": [{"id": "cut", "record": "memory", "min_days": 1001, "why": "w"}]}),
    ],
)
def test_a_child_that_redefines_or_contradicts_is_refused(
    tmp_path: Path, stem: str, content: dict[str, Any]
) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        extended(tmp_path, **{stem: content})
    assert caught.value.code == "policy.conflict"


def second_root() -> packs.Files:
    files = packs.root()
    files["pack.yaml"]["id"] = "other"
    files["detection.yaml"] = {
        "threshold": 0.2,
        "default_operator": "drop",
        "operators": {"EMAIL_ADDRESS": "mask", "PHONE_NUMBER": "token"},
    }
    files["access.yaml"]["rules"] = [
        packs.permit(id="other-app", actions=["memory.add", "memory.get"], purposes=["service"]),
        packs.permit(id="other-reveal", actions=["memory.reveal"], roles=["nurse"], classes=["PHONE_NUMBER"]),
    ]
    files["retention.yaml"]["rules"] = [{"id": "b", "record": "memory", "max_days": 500, "why": "w"}]
    return files


def test_several_parents_hold_together(tmp_path: Path) -> None:
    packs.write(tmp_path, packs.root())
    packs.write(tmp_path, second_root())
    policy = load(packs.write(tmp_path, packs.child(extends=("small", "other"))))
    assert policy.threshold == 0.2
    assert policy.default_operator == "drop"
    assert dict(policy.operators) == {
        "EMAIL_ADDRESS": "token",
        "PHONE_NUMBER": "token",
        "DATE_TIME": "drop",
        "PASSWORD": "drop",
    }
    assert policy.retention["memory"].max_days == 500
    assert policy.decide(Request("memory.add", "service", ("app",))).rule == "app-all+other-app"
    assert not policy.decide(Request("memory.delete", "service", ("app",))).permit
    assert policy.reveal_classes(("nurse",), "care") == {"PHONE_NUMBER"}
    assert policy.reveal_classes(("nurse",), "service") == frozenset()


def test_a_shared_ancestor_counts_once(tmp_path: Path) -> None:
    packs.write(tmp_path, packs.root())
    packs.write(tmp_path, packs.child("left", access={"rules": [packs.forbid("l")]}))
    packs.write(tmp_path, packs.child("right", access={"rules": [packs.forbid("r", roles=["app"])]}))
    policy = load(packs.write(tmp_path, packs.child("both", extends=("left", "right"))))
    assert len(policy.permits) == 1
    assert [r.id for r in policy.forbids] == ["no-secrets", "l", "r"]
    assert policy.packs == ("both", "left", "small", "right")


def test_two_packs_with_one_rule_name_are_both_named(tmp_path: Path) -> None:
    packs.write(tmp_path, packs.root())
    packs.write(tmp_path, packs.child("left", access={"rules": [packs.forbid("same")]}))
    packs.write(tmp_path, packs.child("right", access={"rules": [packs.forbid("same", roles=["app"])]}))
    error = refused(packs.write(tmp_path, packs.child("both", extends=("left", "right"))))
    assert error.code == "policy.conflict"
    assert "left" in str(error)
    assert "right" in str(error)


def test_extends_ends_somewhere(tmp_path: Path) -> None:
    packs.write(tmp_path, packs.child("one", extends=("two",)))
    packs.write(tmp_path, packs.child("two", extends=("one",)))
    assert refused(tmp_path / "one").code == "policy.extends"
    assert refused(packs.write(tmp_path, packs.child("self", extends=("self",)))).code == "policy.extends"
    packs.write(tmp_path, packs.root())
    assert (
        refused(packs.write(tmp_path, packs.child("twice", extends=("small", "small")))).code
        == "policy.extends"
    )
    parent = "small"
    for number in range(8):
        packs.write(tmp_path, packs.child(f"level{number}", extends=(parent,)))
        parent = f"level{number}"
    assert load(tmp_path / "level6").name == "level6"
    assert refused(tmp_path / "level7").code == "policy.extends"


def test_parents_are_found_by_name_only(tmp_path: Path) -> None:
    assert refused(packs.write(tmp_path, packs.child(extends=("nosuch",)))).code == "policy.missing"
    renamed = packs.write(tmp_path, packs.root())
    renamed.rename(tmp_path / "alias")
    assert refused(packs.write(tmp_path, packs.child(extends=("alias",)))).code == "policy.extends"
    shadow = copy.deepcopy(packs.ROOT)
    shadow["pack.yaml"]["id"] = "baseline"
    packs.write(tmp_path, shadow)
    policy = load(packs.write(tmp_path, packs.child("mine", extends=("baseline",))))
    assert "rights-request" in policy.purposes


def idle(days: int, record: str = "memory") -> dict[str, Any]:
    return {"id": f"idle-{days}", "record": record, "max_days": days, "trigger": "updated", "why": "w"}


def test_the_two_triggers_tighten_apart(tmp_path: Path) -> None:
    files = packs.root(retention={"rules": [idle(100), idle(50, "history")]})
    packs.write(tmp_path, files)
    created = {"id": "old", "record": "memory", "max_days": 400, "trigger": "created", "why": "w"}
    policy = load(packs.write(tmp_path, packs.child(retention={"rules": [created, idle(90)]})))
    memory = policy.retention["memory"]
    assert (memory.max_days, memory.max_rule, memory.idle_days, memory.idle_rule) == (
        400,
        "child/old",
        90,
        "child/idle-90",
    )
    assert policy.retention["history"].idle_days == 50
    error = refused(packs.write(tmp_path, packs.child("lax", retention={"rules": [idle(101)]})))
    assert (error.code, "small/idle-100" in str(error)) == ("policy.relaxed", True)
    keep = {"id": "keep", "record": "history", "min_days": 51, "why": "w"}
    error = refused(packs.write(tmp_path, packs.child("torn", retention={"rules": [keep]})))
    assert error.code == "policy.conflict"
    assert "torn/keep" in str(error)
    assert "small/idle-50" in str(error)


# --- rights ---


def rights(erasure: dict[str, int] | None = None, **sections: Any) -> dict[str, Any]:
    return {"rights": {**({"erasure": erasure} if erasure is not None else {}), **sections}}


def test_a_child_asks_for_more_approvals_shorter_times_and_fewer_grounds(tmp_path: Path) -> None:
    policy = extended(
        tmp_path,
        **rights(
            {"approvals": 3, "approval_hours": 1, "roll_within_hours": 0},
            tenant_erasure={"approvals": 2},
            hold_release={"approvals": 1},
            grounds={"gdpr.17.1.b": {}},
        ),
    )
    assert policy.rights.erasure == Erasure(approvals=3, approval_hours=1, roll_within_hours=0)
    assert (policy.rights.tenant_erasure, policy.rights.hold_release) == (Approvals(2), Approvals(1))
    assert dict(policy.rights.grounds) == {"gdpr.17.1.b": "Withdrawn"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (rights({"approvals": 0}), "erasure.approvals of pack child is lower than that of small"),
        (rights({"approval_hours": 73}), "erasure.approval_hours of pack child is higher"),
        (rights({"roll_within_hours": 13}), "erasure.roll_within_hours of pack child is higher"),
        (rights(tenant_erasure={"approvals": 0}), "tenant_erasure.approvals of pack child is lower"),
        (rights(grounds={"gdpr.17.1.c": {"title": "New"}}), "grounds.gdpr.17.1.c of pack child"),
    ],
)
def test_a_child_relaxes_no_right(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        extended(tmp_path, **content)
    assert caught.value.code == "policy.relaxed"
    assert words in str(caught.value)


def test_a_child_redefines_no_ground(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        extended(tmp_path, **rights(grounds={"gdpr.17.1.a": {"title": "Whatever we like"}}))
    assert caught.value.code == "policy.conflict"
    assert "grounds.gdpr.17.1.a" in str(caught.value)
    same = extended(tmp_path / "same", **rights(grounds={"gdpr.17.1.a": {"title": "No longer needed"}}))
    assert list(same.rights.grounds) == ["gdpr.17.1.a"]


def test_a_root_pack_titles_its_grounds_and_may_have_none(tmp_path: Path) -> None:
    untitled = packs.root(rights={"grounds": {"own.reason": {}}})
    assert refused(packs.write(tmp_path, untitled)).code == "policy.rule"
    silent = packs.root(rights=None, tests={})
    assert load(packs.write(tmp_path / "silent", silent)).rights == UNSET


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("erasure", "approvals", 4),
        ("erasure", "approvals", -1),
        ("erasure", "approvals", True),
        ("erasure", "approvals", "1"),
        ("erasure", "approval_hours", 0),
        ("erasure", "approval_hours", 721),
        ("erasure", "roll_within_hours", 25),
        ("erasure", "roll_within_hours", 1.5),
        ("tenant_erasure", "approvals", 4),
        ("tenant_erasure", "roll_within_hours", 1),
        ("hold_release", "approvals", [1]),
        ("grounds", "no-dot", {"title": "t"}),
        ("grounds", "gdpr.17.1.a", "No longer needed"),
    ],
)
def test_rights_out_of_bounds_are_refused(tmp_path: Path, section: str, key: str, value: Any) -> None:
    files = packs.root()
    files["rights.yaml"][section][key] = value
    error = refused(packs.write(tmp_path, files))
    assert error.code == "policy.schema"
    assert str(error).startswith(f"rights.yaml: {section}.")


def test_several_parents_leave_the_strictest_rights(tmp_path: Path) -> None:
    packs.write(tmp_path, packs.root())
    other = second_root()
    other["rights.yaml"] = {
        "erasure": {"approvals": 0, "approval_hours": 24, "roll_within_hours": 24},
        "tenant_erasure": {"approvals": 3},
        "grounds": {"gdpr.17.1.b": {"title": "Withdrawn"}, "own.reason": {"title": "Own"}},
    }
    other["tests/access.yaml"] = {}
    packs.write(tmp_path, other)
    both = load(packs.write(tmp_path, packs.child(extends=("small", "other"))))
    assert both.rights.erasure == Erasure(approvals=1, approval_hours=24, roll_within_hours=12)
    assert both.rights.tenant_erasure == Approvals(3)
    assert dict(both.rights.grounds) == {"gdpr.17.1.b": "Withdrawn"}
    other["rights.yaml"]["grounds"]["gdpr.17.1.b"]["title"] = "Something else"
    packs.write(tmp_path, other)
    error = refused(packs.write(tmp_path, packs.child("torn", extends=("small", "other"))))
    assert error.code == "policy.conflict"
    assert "small and other" in str(error)


def test_a_child_lowers_how_many_people_are_searched_at_once(tmp_path: Path) -> None:
    files = packs.root()
    assert load(packs.write(tmp_path / "silent", packs.root())).people_at_once == 100
    files["access.yaml"]["people_at_once"] = 20
    packs.write(tmp_path, files)
    ten = load(packs.write(tmp_path, packs.child("ten", access={"people_at_once": 10})))
    plain = load(packs.write(tmp_path, packs.child("plain", access={})))
    both = load(packs.write(tmp_path, packs.child("both", extends=("plain", "ten"))))
    assert (ten.people_at_once, plain.people_at_once, both.people_at_once) == (10, 20, 10)
    error = refused(packs.write(tmp_path, packs.child("more", access={"people_at_once": 21})))
    assert (error.code, "people_at_once of pack more" in str(error)) == ("policy.relaxed", True)


@pytest.mark.parametrize("number", [0, 10_001, "100", 1.5])
def test_how_many_people_is_a_whole_number_within_bounds(tmp_path: Path, number: Any) -> None:
    files = packs.root()
    files["access.yaml"]["people_at_once"] = number
    assert refused(packs.write(tmp_path, files)).code == "policy.schema"
