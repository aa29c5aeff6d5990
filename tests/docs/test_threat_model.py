"""The threat model: every guarantee names tests that exist and run, every adversary of the plan has its section."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from test_documented import page, rows, sections

ROOT = Path(__file__).resolve().parents[2]
MODEL = page("threat-model.md")
GUARANTEES = tuple(f"G{number}" for number in range(1, 11))
CHAPTERS = (
    "Terms", "Assets", "Actors", "Trust boundaries", "Assumptions", "Guarantees", "Adversaries",
    "What each component's compromise surrenders", "Known limits",
)  # fmt: skip
ADVERSARIES = (
    "Disk thief", "Backup thief", "Database reader", "Vector-store host", "Other tenant",
    "Malicious operator without keys", "Malicious operator with keys", "Curious LLM provider", "Log reader",
    "Telemetry receiver", "Memory poisoner", "Network",
)  # fmt: skip
LIMITS = ("Python memory", "Detection misses", "Qdrant", "Side channels", "The host")


def chapter(name: str) -> str:
    return sections(MODEL, 2)[name]


@cache
def functions(path: Path) -> dict[str, str]:
    """Every test function of a file, and the source of its decorators."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: " ".join(ast.unparse(one) for one in node.decorator_list)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def named(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/.-]+\.py)::(\w+)`", text)


def test_the_chapters_are_there() -> None:
    assert [name for name in CHAPTERS if name not in sections(MODEL, 2)] == []


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_every_guarantee_names_tests_that_exist(guarantee: str) -> None:
    found = {heading.split()[0]: body for heading, body in sections(chapter("Guarantees"), 3).items()}
    promise, marker, proof = found[guarantee].partition("Proved by:")
    assert marker
    assert len(promise.split()) > 10
    assert named(proof), "a guarantee without a test is a wish"
    listed = [line for line in proof.splitlines() if line.startswith("- ")]
    assert len(listed) == len(named(proof)), "a line that names no test as `path::name`"


def test_no_guarantee_is_left_out() -> None:
    headings = [heading.split()[0] for heading in sections(chapter("Guarantees"), 3)]
    assert headings == list(GUARANTEES)


def test_every_named_test_exists_and_runs_in_the_suite() -> None:
    missing = [
        f"{path}::{name}"
        for path, name in named(MODEL)
        if not (ROOT / path).is_file() or name not in functions(ROOT / path)
    ]
    assert missing == []
    asleep = [f"{p}::{n}" for p, n in named(MODEL) if re.search(r"soak|mark\.skip\b", functions(ROOT / p)[n])]
    assert asleep == [], "what proves a guarantee is run by `make test`"


def test_every_test_is_named_with_its_function() -> None:
    assert re.findall(r"`tests/[\w/.-]+`", MODEL) == []


@pytest.mark.parametrize("name", ADVERSARIES)
def test_every_adversary_could_and_could_not(name: str) -> None:
    text = sections(chapter("Adversaries"), 3)[name]
    assert "**Could**" in text
    assert "**Could not**" in text


@pytest.mark.parametrize("name", LIMITS)
def test_the_limits_are_said(name: str) -> None:
    assert f"- **{name}" in chapter("Known limits")


def test_the_figures_of_the_limits_are_the_measured_ones() -> None:
    """Where this fails, detection was measured again: take the figures of docs/detection.md over."""
    quality = sections(page("docs/detection.md"), 3)["Quality, beside Presidio's predefined recognisers"]
    measured = {row[0]: row[-1] for row in rows(quality) if len(row) > 2 and row[1] == "memvault"}
    limits = " ".join(chapter("Known limits").split())
    for data, said in (
        ("shipped samples", "on the shipped samples"),
        ("presidio-research, generated_large", "on presidio-research's large set"),
        ("TAB, 21 judgments", "on 21 judgments of TAB"),
        ("PII-synthetic, nano", "on PII-synthetic"),
        ("WNUT 17 dev", "on WNUT 17"),
        ("Broad Twitter Corpus dev", "on the Broad Twitter Corpus"),
    ):
        assert re.search(rf"{re.escape(measured[data])} {re.escape(said)}", limits), data
    hidden = next(row for row in rows(page("docs/detection.md")) if row[0] == "all" and len(row) == 4)
    assert int(hidden[1]) - int(hidden[2]) == 1
    assert f"Of {hidden[1]} values that hide by their form, one got through" in limits


def test_the_figures_of_the_vector_store_are_the_measured_ones() -> None:
    text = " ".join(sections(chapter("Adversaries"), 3)["Vector-store host"].split())
    found = {
        row[1].split()[0]: row[3]
        for row in rows(page("docs/qdrant.md"))
        if row[0] == "turn solved" and row[2] == "the missing word of a sentence"
    }
    assert found["10"] == "8.0%"
    assert "with ten known texts 8 %" in text
    assert found["100"] == "88.0%"
    assert "with a hundred 88 %" in text


def test_what_every_component_surrenders_is_said() -> None:
    table = [row[0] for row in rows(chapter("What each component's compromise surrenders"))[1:]]
    assert len(table) == len(set(table)) >= 15
