"""Lint, test, diff and explain: what an author is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import packs
import pytest

from vault.errors import PolicyInvalidError
from vault.policy.decide import Request
from vault.policy.pack import load
from vault.policy.tools import diff, explain, lint, run_tests


def mail_only(text: str) -> set[str]:
    return {"EMAIL_ADDRESS"} if "@" in text else set()


WAIVER = {"entity": "EMAIL_ADDRESS", "reason": "new", "expires": "2026-12-31", "approved_by": "the DPO"}


# --- lint ---


def test_a_clean_pack_lints_clean(tmp_path: Path) -> None:
    files = packs.root()
    files["access.yaml"]["rules"][1]["classes"] = ["contact"]
    assert lint(packs.write(tmp_path, files)) == []


def test_a_pack_that_does_not_load_is_one_error(tmp_path: Path) -> None:
    problems = lint(packs.write(tmp_path, packs.root(access=None)))
    assert problems == ["error: access.yaml: needed by a pack that extends none"]


def doubtful(files: packs.Files, path: str, value: Any) -> packs.Files:
    name, *steps = path.split("/")
    target: Any = files[f"{name}.yaml" if name != "tests" else "tests/access.yaml"]
    for step in steps[:-1]:
        target = target[int(step) if step.isdigit() else step]
    target[steps[-1]] = value
    return files


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("pack/not_covered", [], "not_covered is empty"),
        ("pack/changes", [], "changes has no entry"),
        ("pack/controls", {"gdpr.5.1.b": "x", "gdpr.9.1": "y"}, "controls.gdpr.9.1: nothing refers"),
        ("access/rules/0/controls", [], "rule app-all: names no control"),
        ("access/rules/0/actions", ["keys.*"], "rule app-all: no test reaches it"),
        ("access/rules/1/classes", ["secret", "contact"], "rule nurse-reveal: reveals class secret"),
        ("access/roles/clerk", {"title": "Clerk"}, "role clerk: no rule names it"),
        ("purposes/purposes/audit", {"title": "Audit"}, "purpose audit: no rule names it"),
        ("detection/operators/EMAIL_ADDRESS", "keep", "EMAIL_ADDRESS is required and kept"),
        ("detection/operators/PHONE_NUMBER", "keep", "PHONE_NUMBER of class contact is kept"),
        ("detection/required", ["EMAIL_ADDRESS", "PASSWORD"], "PASSWORD is required and no test text"),
        ("tests/requests", [], "no case expects a denial"),
        ("rights/grounds", {}, "there is no ground"),
        ("rights/erasure", {"approvals": 1}, "rights.yaml: erasure: does not say why"),
        ("rights/hold_release", {}, "rights.yaml: hold_release: does not say why"),
        ("detection/floors", {"DATE_TIME": 0.5}, "DATE_TIME has a recall floor and is kept"),
        (
            "detection/waivers",
            [WAIVER],
            "waiver of EMAIL_ADDRESS, approved by the DPO, until 2026-12-31: new",
        ),
        ("detection/waivers", [{**WAIVER, "entity": "PASSWORD"}], "PASSWORD: nothing requires that class"),
    ],
)
def test_doubts_are_warnings(tmp_path: Path, path: str, value: Any, words: str) -> None:
    problems = lint(packs.write(tmp_path, doubtful(packs.root(), path, value)))
    assert any(problem.startswith("warning: ") and words in problem for problem in problems)


@pytest.mark.parametrize(
    ("fields", "dead"),
    [
        ({"actions": ["*"]}, True),
        ({"actions": ["memory.*"], "roles": ["app"], "purposes": ["service"]}, True),
        ({"actions": ["memory.*"], "roles": ["nurse"]}, False),
        ({"actions": ["memory.*"], "purposes": ["care"]}, False),
        ({"actions": ["memory.add"]}, False),
    ],
)
def test_a_permit_that_never_permits_is_named(tmp_path: Path, fields: dict[str, Any], dead: bool) -> None:
    files = packs.root()
    files["access.yaml"]["rules"].append(packs.forbid("stop", **fields))
    problems = "\n".join(lint(packs.write(tmp_path, files)))
    assert ("rule app-all: never permits, rule stop forbids all of it" in problems) is dead


def test_failing_tests_are_errors(tmp_path: Path) -> None:
    files = packs.root()
    files["tests/access.yaml"]["requests"][0]["expect"] = "deny"
    problems = lint(packs.write(tmp_path, files))
    assert "error: tests/access.yaml: adds: expected deny, got permit by rule app-all" in problems


# --- test ---


def test_the_packs_own_tests_run(tmp_path: Path) -> None:
    folder = packs.write(tmp_path, packs.root())
    results = run_tests(folder, mail_only)
    assert {(r.file, r.status) for r in results} == {("tests/access.yaml", "passed")}
    assert [r.case for r in results] == ["adds", "calls", "stranger", "mail", "two-look", "withdrawn", "mail"]
    assert [r.status for r in run_tests(folder)].count("skipped") == 1


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        ("tests/requests/0/rule", "nurse-reveal", "expected rule nurse-reveal, got rule app-all"),
        ("tests/requests/1/masks", ["contact"], "expected to stay tokens: EMAIL_ADDRESS, PHONE_NUMBER"),
        ("tests/requests/1/reveals", ["EMAIL_ADDRESS"], "revealed classes differ in: PHONE_NUMBER"),
        ("tests/requests/1/reveals", [], "revealed classes differ in: EMAIL_ADDRESS, PHONE_NUMBER"),
        ("tests/requests/2/expect", "permit", "expected permit, got deny by rule default-deny"),
        ("tests/operators/0/operator", "drop", "EMAIL_ADDRESS: expected drop, got token"),
        ("tests/rights/0/expect", 2, "expected 2, got 1"),
        ("tests/grounds/0/expect", "unknown", "gdpr.17.1.b is known"),
        ("tests/grounds/0/ground", "gdpr.17.1.c", "gdpr.17.1.c is unknown"),
        ("tests/texts/0/expect", ["EMAIL_ADDRESS", "PHONE_NUMBER"], "not found: PHONE_NUMBER"),
        ("tests/texts/0/absent", ["EMAIL_ADDRESS"], "found, and should not be: EMAIL_ADDRESS"),
    ],
)
def test_a_broken_promise_fails(tmp_path: Path, path: str, value: Any, detail: str) -> None:
    results = run_tests(packs.write(tmp_path, doubtful(packs.root(), path, value)), mail_only)
    assert [r.detail for r in results if r.status == "failed"] == [detail]


def test_a_pack_that_does_not_load_has_no_results(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalidError):
        run_tests(packs.write(tmp_path, packs.root(access=None)))


# --- diff ---


def test_equal_packs_do_not_differ(tmp_path: Path) -> None:
    policy = load(packs.write(tmp_path, packs.root()))
    assert diff(policy, policy) == []


def test_a_diff_says_what_changes_for_whom(tmp_path: Path) -> None:
    old = load(packs.write(tmp_path / "old", packs.root()))
    files = packs.root()
    files["purposes.yaml"]["purposes"]["audit"] = {"title": "Audit"}
    files["access.yaml"]["roles"]["clerk"] = {"title": "Clerk"}
    files["access.yaml"]["rules"][0]["actions"] = ["memory.get"]
    files["access.yaml"]["rules"][1]["classes"] = ["EMAIL_ADDRESS"]
    files["access.yaml"]["rules"].append(
        packs.permit(actions=["audit.show"], roles=["clerk"], purposes=["audit"])
    )
    files["detection.yaml"] = {
        "threshold": 0.25,
        "default_operator": "token",
        "required": ["PASSWORD"],
        "operators": {"EMAIL_ADDRESS": "mask", "DATE_TIME": "keep", "PASSWORD": "drop"},
    }
    files["retention.yaml"]["rules"] = [{"id": "log", "record": "audit", "min_days": 2192, "why": "w"}]
    lines = diff(old, load(packs.write(tmp_path / "new", files)))
    for line in (
        "purpose audit is new",
        "role clerk is new",
        "role app for purpose service may no longer memory.add",
        "role nurse for purpose care no longer sees PHONE_NUMBER",
        "role clerk for purpose audit may now audit.show",
        "the detection threshold goes from 0.5 to 0.25",
        "entity classes without an operator: mask becomes token (stricter)",
        "EMAIL_ADDRESS: token becomes mask (weaker)",
        "PASSWORD now needs a detector",
        "EMAIL_ADDRESS no longer needs a detector",
        "audit is kept at least 2192 days instead of 365 days",
        "memory is kept at most no set time instead of 1000 days",
    ):
        assert line in lines
    assert "role app for purpose service may no longer memory.get" not in lines


def test_a_diff_reads_both_ways(tmp_path: Path) -> None:
    old = load(packs.write(tmp_path / "old", packs.root()))
    files = packs.root()
    files["access.yaml"]["rules"].pop(1)
    files["access.yaml"]["rules"][0]["purposes"] = ["care"]
    del files["purposes.yaml"]["purposes"]["service"]
    files["tests/access.yaml"] = {}
    new = load(packs.write(tmp_path / "new", files))
    assert "purpose service is gone" in diff(old, new)
    assert "purpose service is new" in diff(new, old)
    assert "role nurse for purpose care now sees EMAIL_ADDRESS, PHONE_NUMBER" in diff(new, old)
    assert "role nurse for purpose care may no longer memory.reveal" in diff(old, new)


def test_a_diff_says_what_becomes_of_the_gate(tmp_path: Path) -> None:
    old = load(packs.write(tmp_path / "old", packs.root()))
    files = packs.root()
    files["detection.yaml"] |= {
        "strict": True,
        "on_failure": "redact-field",
        "floors": {"EMAIL_ADDRESS": 0.9},
        "waivers": [WAIVER],
    }
    new = load(packs.write(tmp_path / "new", files))
    assert diff(old, new) == [
        "detection is now strict",
        "a text that cannot be examined: refuse becomes redact-field",
        "the recall floor of EMAIL_ADDRESS goes from 0 to 0.9",
        "EMAIL_ADDRESS is waived until 2026-12-31 (by the DPO): new",
    ]
    assert diff(new, old)[-1] == "the waiver of EMAIL_ADDRESS until 2026-12-31 is gone"
    assert "waived: EMAIL_ADDRESS until 2026-12-31, by the DPO" in explain(
        new, Request("memory.add", "service", ("app",))
    )


def test_a_diff_says_what_becomes_of_the_rights(tmp_path: Path) -> None:
    old = load(packs.write(tmp_path / "old", packs.root()))
    files = packs.root(
        rights={
            "erasure": {"approvals": 0, "approval_hours": 24, "roll_within_hours": 0},
            "tenant_erasure": {"approvals": 2},
            "hold_release": {"approvals": 1},
            "grounds": {"gdpr.17.1.b": {"title": "Changed"}, "own.reason": {"title": "Own"}},
        },
    )
    new = load(packs.write(tmp_path / "new", files))
    assert diff(old, new) == [
        "an erasure needs 0 approvals instead of 1",
        "erasing a tenant needs 2 approvals instead of 1",
        "releasing a hold needs 1 approvals instead of 0",
        "an approval counts for 24 hours instead of 72",
        "backups stop opening within 0 hours of an erasure instead of 12",
        "an erasure may now name own.reason",
        "an erasure may no longer name gdpr.17.1.a",
        "gdpr.17.1.b now means: Changed",
    ]


# --- explain ---


def test_explain_a_permit(tmp_path: Path) -> None:
    policy = load(packs.write(tmp_path, packs.root()))
    wanted = frozenset({"EMAIL_ADDRESS", "PASSWORD"})
    text = explain(policy, Request("memory.reveal", "care", ("nurse",), wanted))
    assert text.splitlines() == [
        "permit: a rule permits memory.reveal",
        "rule nurse-reveal of pack small: It calls.",
        "  purpose limitation",
        "shown: EMAIL_ADDRESS",
        "stay tokens: PASSWORD",
        f"policy small 1.0.0, digest {policy.digest}",
    ]


def test_explain_a_denial_says_who_could(tmp_path: Path) -> None:
    policy = load(packs.write(tmp_path, packs.root()))
    assert "permitted to: app for service" in explain(policy, Request("memory.add", "care", ("app",)))
    assert "permitted to: nobody" in explain(policy, Request("keys.rotate", "care", ("app",)))
    strict = packs.root()
    strict["access.yaml"]["rules"].append(packs.forbid("stop", why="Not on Sundays."))
    text = explain(load(packs.write(tmp_path / "b", strict)), Request("memory.delete", "service", ("app",)))
    assert "deny: a rule forbids memory.delete" in text
    assert "rule stop of pack small: Not on Sundays." in text


def test_explain_says_what_an_erasure_waits_for(tmp_path: Path) -> None:
    files = packs.root()
    files["access.yaml"]["rules"].append(
        packs.permit(actions=["subject.erase", "tenant.erase", "hold.release", "hold.list"])
    )
    policy = load(packs.write(tmp_path, files))
    person = explain(policy, Request("subject.erase", "care", ("app",))).splitlines()
    assert "runs once approved by another principal within 72 hours" in person
    assert "backups open no more within 12 hours" in person
    assert "grounds: gdpr.17.1.a, gdpr.17.1.b" in person
    assert "approved by" not in explain(policy, Request("hold.release", "care", ("app",)))
    files["rights.yaml"] = {"tenant_erasure": {"approvals": 2}, "erasure": {"roll_within_hours": 0}}
    files["tests/access.yaml"] = {}
    tenant = explain(
        load(packs.write(tmp_path / "two", files)), Request("tenant.erase", "care", ("app",))
    ).splitlines()
    assert "runs once approved by 2 other principals within 72 hours" in tenant
    assert "backups open no more as soon as it has run" in tenant
    assert "grounds: none, so that nothing is erased by request" in tenant
    assert "grounds" not in explain(policy, Request("subject.erase", "service", ("app",)))


def test_how_many_people_are_searched_at_once_is_tested_told_and_compared(tmp_path: Path) -> None:
    files = packs.root()
    files["access.yaml"]["people_at_once"] = 7
    rule = packs.permit(actions=["subject.search"], roles=["nurse"], purposes=["care"])
    files["access.yaml"]["rules"].append(rule)
    files["tests/access.yaml"]["numbers"] = [
        {"id": "seven", "key": "people_at_once", "expect": 7},
        {"id": "eight", "key": "people_at_once", "expect": 8},
    ]
    folder = packs.write(tmp_path / "new", files)
    results = {one.case: (one.status, one.detail) for one in run_tests(folder)}
    assert (results["seven"], results["eight"]) == (("passed", ""), ("failed", "expected 8, got 7"))
    policy = load(folder)
    told = explain(policy, Request("subject.search", "care", ("nurse",)))
    assert "looks into the memories of at most 7 people at once" in told
    old = load(packs.write(tmp_path / "old", packs.root()))
    assert "one search looks into 7 people at most instead of 100" in diff(old, policy)
