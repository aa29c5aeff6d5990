"""Every shipped pack: lints clean, keeps its own promises, and is covered by the detector that ships."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vault.policy.coverage import check_coverage
from vault.policy.decide import ACTIONS, OPERATORS, REVEAL, Request
from vault.policy.locate import names, shipped
from vault.policy.pack import load, read
from vault.policy.tools import lint, run_tests
from vault.redaction import operators
from vault.redaction.detect import BuiltinDetector

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def detector() -> BuiltinDetector:
    return BuiltinDetector()


def test_the_packs_of_the_checkout_are_shipped() -> None:
    assert "baseline" in names()
    assert set(names()) == {path.parent.name for path in (ROOT / "policies").glob("*/pack.yaml")}


@pytest.mark.parametrize("name", names())
def test_it_lints_clean(name: str) -> None:
    assert lint(name) == []


@pytest.mark.parametrize("name", names())
def test_it_keeps_its_promises(name: str, detector: BuiltinDetector) -> None:
    results = run_tests(name, lambda text: {finding.entity for finding in detector.detect(text)})
    assert results
    assert [result for result in results if result.status != "passed"] == []


@pytest.mark.parametrize("name", names())
def test_the_shipped_detector_covers_it(name: str, detector: BuiltinDetector) -> None:
    policy = load(name)
    check_coverage(policy, detector.entities)
    known = {entity for data_class in policy.classes.values() for entity in data_class.entities}
    assert detector.entities <= known, "an entity class without a data class can never be revealed"


@pytest.mark.parametrize("name", names())
def test_it_says_what_it_is_not(name: str) -> None:
    pack, policy = read(name)
    assert shipped(name).name == pack.name == name
    assert "not a certification" in policy.disclaimer
    assert len(policy.not_covered) >= 3


@pytest.mark.parametrize("name", names())
def test_no_rule_text_promises_anonymity(name: str) -> None:
    for path in shipped(name).rglob("*.yaml"):
        assert not re.search(
            r"anonymi[sz]e|de-?identified data", path.read_text(encoding="utf-8"), re.IGNORECASE
        )


@pytest.mark.parametrize("name", names())
def test_secrets_and_card_authentication_are_never_shown(name: str) -> None:
    policy = load(name)
    never = policy.classes["secret"].entities | policy.classes["card-authentication"].entities
    for purpose in policy.purposes:
        assert not policy.reveal_classes(tuple(policy.roles), purpose) & never
    assert all(policy.operator_for(e) == "drop" for e in policy.classes["card-authentication"].entities)


def test_policy_and_redaction_know_the_same_operators() -> None:
    assert set(OPERATORS) == set(operators.OPERATORS)


def test_the_baseline_app_may_do_everything_but_reveal_export_and_erase() -> None:
    policy = load("baseline")
    may = {action for action in ACTIONS if policy.decide(Request(action, "service", ("app",))).permit}
    memory = {action for action in ACTIONS if action.startswith("memory.")}
    assert may == memory - {REVEAL, "memory.expire", "memory.rescan"}
    assert policy.reveal_classes(("app",), "service") == frozenset()


def test_no_baseline_role_both_reads_memories_and_runs_the_vault() -> None:
    policy = load("baseline")
    for role in policy.roles:
        may = {
            action
            for action in ACTIONS
            for purpose in policy.purposes
            if policy.decide(Request(action, purpose, (role,))).permit
        }
        reads = may & {"memory.search", "memory.get", "memory.list", "memory.reveal"}
        runs = {
            action for action in may if action.startswith(("tenant.", "keys.rot", "keys.back", "policy."))
        }
        assert not (reads and runs), role
