"""Every shipped pack: lints clean, keeps its own promises, and is covered by the detector that ships."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from vault.policy.coverage import check_coverage
from vault.policy.decide import ACTIONS, OPERATORS, REVEAL, Request
from vault.policy.locate import names, shipped
from vault.policy.pack import load, read
from vault.policy.tools import lint, run_tests
from vault.redaction import operators
from vault.redaction.detect import BuiltinDetector
from vault.redaction.evaluation.figures import measured
from vault.redaction.taxonomy import LABELS

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
    check_coverage(replace(policy, floors={}), detector.entities)
    known = {entity for data_class in policy.classes.values() for entity in data_class.entities}
    assert detector.entities <= known, "an entity class without a data class can never be revealed"


@pytest.mark.parametrize("name", names())
def test_the_measured_detector_reaches_every_floor(name: str, detector: BuiltinDetector) -> None:
    """By the shipped figures; that they are those of this detector is what tools/measure_detector.py checks."""
    figures = measured()
    assert figures is not None
    check_coverage(load(name), detector.entities, version=figures.version, measured=figures)


@pytest.mark.parametrize("name", [name for name in names() if name != "baseline"])
def test_a_stricter_pack_has_floors_for_what_it_requires_and_refuses_what_cannot_be_read(name: str) -> None:
    policy = load(name)
    own, _ = read(name)
    assert own.detection is not None
    unmeasured = {"ORGANIZATION", "SOCIAL_HANDLE"}  # too weak for a floor; without samples
    assert set(own.detection.required) - unmeasured == set(policy.floors)
    assert policy.on_failure == "refuse"
    assert policy.waivers == ()


def test_every_class_a_detector_may_report_has_a_place_and_an_operator() -> None:
    """Listed in baseline, or under its default: a token, as docs/policy.md says of what is not listed."""
    policy = load("baseline")
    grouped = {entity for data_class in policy.classes.values() for entity in data_class.entities}
    assert set(LABELS) <= grouped, "an entity class without a data class can never be revealed"
    assert policy.default_operator == "token"
    for data_class in policy.classes.values():
        if data_class.sensitivity < 2 or data_class.kept:
            assert data_class.entities <= set(policy.operators), "what is harmless is kept by name"


def test_the_stricter_packs_hold_together(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    others = ", ".join(name for name in names() if name != "baseline")
    manifest = (
        "id: all\nversion: 1.0.0\ntitle: All\nmin_engine: 0.2.0\ndisclaimer: An aid, not a certification.\n"
    )
    (folder / "pack.yaml").write_text(f"{manifest}extends: [{others}]\n")
    policy = load(folder)
    assert policy.operator_for("DATE_TIME") == "generalise"
    assert policy.operator_for("SENSITIVE_RELIGION") == "token"
    assert policy.operator_for("PASSWORD") == "drop"
    assert policy.retention["memory"].max_days == 365
    assert not policy.decide(Request(REVEAL, "service", ("staff",))).permit
    assert policy.decide(Request("memory.add", "service", ("app",))).permit


MADE_UP = {  # the identifiers of Safe Harbor that are text, with what must be gone, and what may stay
    "A": ("My patient Margaret Ellison called.", "Ellison", "patient"),
    "B": ("Deliver to 742 Evergreen Terrace.", "742 Evergreen", "Deliver"),
    "C date": ("Admitted on 03/14/2021.", "03/14", "2021"),
    "C age": ("She is 93 years old.", "93", "90+"),
    "C age that stays": ("She is 47 years old.", "\x00", "47"),
    "D": ("Call (212) 555-0123 after five.", "555", "after five"),
    "F": ("Write to nurse@hospital.local.", "hospital", "Write"),
    "G": ("Her social security number is 536-90-4399.", "4399", "Her"),
    "H": ("MRN 483920 was merged.", "483920", "merged"),
    "J": ("Bank account number 945456787654.", "7654", "number"),
    "L": ("He drives a car with VIN 1M8GDM9AXKP042788.", "042788", "drives"),
    "M": ("The pump reports as 00:1A:2B:3C:4D:5E.", "4D:5E", "pump"),
    "N": ("See https://portal.example.org/patients/7.", "portal", "See"),
    "O": ("He logged in from 203.0.113.42.", "203.0", "logged in"),
    "R": ("The device is 550e8400-e29b-41d4-a716-446655440000.", "550e8400", "device"),
}


@pytest.mark.parametrize("letter", MADE_UP)
def test_what_safe_harbor_takes_out_is_out(letter: str, detector: BuiltinDetector) -> None:
    policy = load("hipaa-safe-harbor")
    text, gone, stays = MADE_UP[letter]
    keep = frozenset(entity for entity, operator in policy.operators.items() if operator == "keep")
    parts = operators.plan(text, detector.detect(text, keep=keep), policy.operators, policy.default_operator)
    stored = "".join(part if isinstance(part, str) else part.replacement or "[*]" for part in parts)
    assert gone not in stored
    assert stays in stored


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
