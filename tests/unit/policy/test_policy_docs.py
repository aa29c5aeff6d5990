"""The reference page names what there is: files, keys, actions, operators, codes, and the baseline's choices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from vault.policy import model
from vault.policy.decide import ACTIONS, OPERATORS, Request
from vault.policy.pack import load

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"`([^`\s]+)`", PAGE))


def section(title: str) -> str:
    return PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize(
    ("title", "kinds"),
    [
        ("pack.yaml", [model.PackFile, model.Change]),
        ("taxonomy.yaml", [model.TaxonomyFile, model.DataClassEntry]),
        ("detection.yaml", [model.DetectionFile, model.WaiverEntry]),
        ("purposes.yaml", [model.PurposesFile, model.Purpose]),
        ("access.yaml", [model.AccessFile, model.Role, model.AccessRule]),
        ("retention.yaml", [model.RetentionFile, model.RetentionRule]),
        ("rights.yaml", [model.RightsFile, model.ErasureEntry, model.ApprovalsEntry, model.Ground]),
        ("telemetry.yaml", [model.TelemetryFile]),
        (
            "tests/*.yaml",
            [
                model.TestsFile,
                model.TextCase,
                model.RequestCase,
                model.OperatorCase,
                model.RightsCase,
                model.GroundCase,
                model.NumberCase,
            ],
        ),
    ],
)
def test_every_key_of_every_file_is_documented(title: str, kinds: list[type[BaseModel]]) -> None:
    documented = set(re.findall(r"`([a-z_]+)`", section(title)))
    assert documented >= {key for kind in kinds for key in kind.model_fields}


def test_actions_and_operators_are_documented() -> None:
    assert set(ACTIONS) <= set(re.findall(r"`([a-z_.]+)`", section("access.yaml")))
    rows = re.findall(
        r"^\| `([a-z]+)` \|", section("detection.yaml").partition("Operators,")[2], re.MULTILINE
    )
    assert tuple(rows) == OPERATORS


def test_every_error_code_is_documented() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "vault" / "policy").glob("*.py"))
    raised = set(re.findall(r'"(policy\.[a-z]+)"', sources)) - set(ACTIONS)
    documented = set(re.findall(r"^\| `(policy\.[a-z]+)` \|", PAGE, re.MULTILINE))
    assert raised == documented


def test_what_the_page_says_of_the_baseline_is_so() -> None:
    policy = load("baseline")
    for row in re.findall(
        r"^\|.*\|$", PAGE.partition("## What `baseline` does")[2].partition("###")[0], re.MULTILINE
    ):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        for entity in re.findall(r"`([A-Z][A-Z0-9_]+)`", row):
            assert cells[2].startswith(policy.operator_for(entity)), entity
    detected = {e for c in policy.classes.values() for e in c.entities if policy.operator_for(e) != "token"}
    assert detected <= WORDS
    assert set(policy.classes) | set(policy.roles) | set(policy.purposes) <= WORDS
    assert policy.required_classes <= WORDS
    assert f"{policy.retention['audit'].min_days} days" in PAGE
    assert f"within {policy.rights.erasure.roll_within_hours} hours" in PAGE
    letters = {f"gdpr.17.1.{letter}" for letter in "abcdef"}
    assert letters <= set(policy.rights.grounds)
    assert {*policy.rights.grounds} - letters == set(
        re.findall(
            r"^\| `([a-z]+\.[a-z0-9.]+)` \| [a-z]",
            PAGE.partition("| ground |")[2].partition("###")[0],
            re.MULTILINE,
        )
    )


def test_the_example_in_the_page_is_true() -> None:
    policy = load("baseline")
    assert policy.decide(Request("memory.search", "service", ("app",))).permit
    assert policy.reveal_classes(("staff",), "service") == (
        policy.classes["name"].entities | policy.classes["contact"].entities
    )
