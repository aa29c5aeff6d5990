"""The gate: no start without a detector that finds what the pack relies on, as surely as the pack asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import packs
import pytest

from vault.errors import ConfigError, PolicyInvalidError
from vault.policy.coverage import LONGEST_WAIVER, Measured, check_coverage
from vault.policy.decide import Policy
from vault.policy.pack import load

TODAY = date(2026, 3, 1)
FOUND = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER"})


@dataclass
class Figures:
    version: str = "d-1"
    recalls: dict[str, float] = field(default_factory=dict)

    def recall(self, entity: str) -> float | None:
        return self.recalls.get(entity)

    def samples(self, entity: str) -> int:
        return 100 if entity in self.recalls else 0


def waiver(entity: str = "PHONE_NUMBER", expires: date = TODAY) -> dict[str, Any]:
    return {
        "entity": entity,
        "reason": "a new form",
        "expires": expires.isoformat(),
        "approved_by": "the DPO",
    }


def policy(tmp_path: Path, **detection: Any) -> Policy:
    files = packs.root()
    files["detection.yaml"] |= detection
    return load(packs.write(tmp_path, files))


def refused(given: Policy, found: frozenset[str] = FOUND, **measured: Any) -> str:
    with pytest.raises(PolicyInvalidError) as caught:
        check_coverage(given, found, today=TODAY, **measured)
    assert isinstance(caught.value, ConfigError)
    return str(caught.value)


def test_a_required_class_needs_a_detector(tmp_path: Path) -> None:
    given = policy(tmp_path)
    check_coverage(given, FOUND)
    assert "requires a detector for: EMAIL_ADDRESS [policy.coverage]" in refused(given, frozenset({"URL"}))


def test_without_floors_nothing_has_to_be_measured(tmp_path: Path) -> None:
    check_coverage(policy(tmp_path), FOUND, version="d-1", measured=None, today=TODAY)


def test_a_class_with_a_floor_needs_a_detector_too(tmp_path: Path) -> None:
    given = policy(tmp_path, floors={"PHONE_NUMBER": 0.9})
    assert "[policy.coverage]" in refused(given, frozenset({"EMAIL_ADDRESS"}))


@pytest.mark.parametrize("measured", [None, Figures(version="d-0", recalls={"PHONE_NUMBER": 1.0})])
def test_another_detector_than_the_measured_one_has_to_be_measured(
    tmp_path: Path, measured: Measured | None
) -> None:
    said = refused(policy(tmp_path, floors={"PHONE_NUMBER": 0.9}), version="d-1", measured=measured)
    assert "memvault detect measure" in said
    assert "[policy.measure]" in said


def test_a_floor_is_met_or_the_class_is_named_with_its_figures(tmp_path: Path) -> None:
    given = policy(tmp_path, floors={"PHONE_NUMBER": 0.9, "EMAIL_ADDRESS": 0.99})
    recalls = {"PHONE_NUMBER": 0.9, "EMAIL_ADDRESS": 0.99}
    check_coverage(given, FOUND, version="d-1", measured=Figures(recalls=recalls), today=TODAY)
    said = refused(given, version="d-1", measured=Figures(recalls={**recalls, "PHONE_NUMBER": 0.8999}))
    assert "PHONE_NUMBER (0.900 of 100 samples, floor 0.9) [policy.recall]" in said
    assert "EMAIL_ADDRESS" not in said


def test_a_class_without_samples_is_under_every_floor(tmp_path: Path) -> None:
    given = policy(tmp_path, floors={"PHONE_NUMBER": 0.1})
    assert "PHONE_NUMBER (no samples, floor 0.1)" in refused(given, version="d-1", measured=Figures())


@pytest.mark.parametrize("days", [0, 1, LONGEST_WAIVER.days])
def test_a_waiver_excepts_its_class_until_the_end_of_its_day(tmp_path: Path, days: int) -> None:
    detection = {"required": ["PHONE_NUMBER"], "floors": {"PHONE_NUMBER": 0.9}}
    given = policy(tmp_path, **detection, waivers=[waiver(expires=TODAY + timedelta(days=days))])
    check_coverage(given, frozenset({"EMAIL_ADDRESS"}), today=TODAY)
    check_coverage(given, FOUND, version="d-1", measured=Figures(recalls={"PHONE_NUMBER": 0.1}), today=TODAY)


@pytest.mark.parametrize("days", [-1, -400, LONGEST_WAIVER.days + 1])
def test_a_waiver_expires_and_lasts_a_year_at_most(tmp_path: Path, days: int) -> None:
    given = policy(
        tmp_path, required=["PHONE_NUMBER"], waivers=[waiver(expires=TODAY + timedelta(days=days))]
    )
    assert "PHONE_NUMBER [policy.coverage]" in refused(given, frozenset({"EMAIL_ADDRESS"}))


def test_a_waiver_excepts_no_other_class(tmp_path: Path) -> None:
    given = policy(tmp_path, required=["EMAIL_ADDRESS", "PHONE_NUMBER"], waivers=[waiver()])
    assert "EMAIL_ADDRESS [policy.coverage]" in refused(given, frozenset())


def test_a_waiver_of_an_extended_pack_is_not_inherited(tmp_path: Path) -> None:
    parent = policy(tmp_path, floors={"PHONE_NUMBER": 0.9}, waivers=[waiver()])
    child = load(packs.write(tmp_path, packs.child()))
    assert child.floors == parent.floors
    assert child.waivers == ()
    check_coverage(parent, FOUND, today=TODAY)
    assert "[policy.measure]" in refused(child)
    signed = load(packs.write(tmp_path, packs.child("signed", detection={"waivers": [waiver()]})))
    check_coverage(signed, FOUND, today=TODAY)


def test_the_real_day_counts_where_none_is_given(tmp_path: Path) -> None:
    given = policy(tmp_path, required=["PHONE_NUMBER"], waivers=[waiver(expires=date(2020, 1, 1))])
    with pytest.raises(PolicyInvalidError):
        check_coverage(given, frozenset())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"floors": {"NOSUCH": 0.5}}, "policy.unknown"),
        ({"waivers": [waiver("NOSUCH")]}, "policy.unknown"),
        ({"waivers": [waiver(), waiver()]}, "policy.rule"),
        ({"floors": {"PHONE_NUMBER": 1.01}}, "policy.schema"),
        ({"floors": {"PHONE_NUMBER": 0}}, "policy.schema"),
        ({"waivers": [{**waiver(), "expires": "soon"}]}, "policy.schema"),
        ({"waivers": [{**waiver(), "approved_by": ""}]}, "policy.schema"),
        ({"waivers": [{k: v for k, v in waiver().items() if k != "reason"}]}, "policy.schema"),
        ({"on_failure": "ignore"}, "policy.schema"),
        ({"strict": "yes"}, "policy.schema"),
    ],
)
def test_what_does_not_hold_together_is_refused(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        policy(tmp_path, **change)
    assert caught.value.code == code


def test_a_root_that_says_nothing_refuses_and_is_not_strict(tmp_path: Path) -> None:
    given = policy(tmp_path)
    assert (given.on_failure, given.strict, dict(given.floors), given.waivers) == ("refuse", False, {}, ())
