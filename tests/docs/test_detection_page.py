"""docs/detection.md against what it reports: figures come from commands, formats and options from the program."""

from __future__ import annotations

from pathlib import Path

from vault.redaction.evaluation import measured
from vault.redaction.evaluation.coverage import TABLES
from vault.redaction.evaluation.formats import READERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "detection.md"


def tables() -> str:
    """What stands between the markers."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- measured: begin -->")
    found, marker, _ = rest.partition("<!-- measured: end -->")
    assert marker
    return found


def test_every_format_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [form for form in READERS if f"\n| `{form}` |" not in text] == []


def test_the_figures_by_class_are_the_measured_ones() -> None:
    """Where this fails: `python -m benchmarks.detection --markdown`."""
    found, said = measured(), tables()
    assert found is not None
    assert f"`{found.version}`" in said
    for name, figures in found.classes.items():
        recall = "-" if figures.recall is None else f"{figures.recall:.3f}"
        assert f"| `{name}` | {figures.samples} | {recall} |" in said, name


def test_the_coverage_tables_are_all_there() -> None:
    assert [
        table.title for table in TABLES.values() if f"### Coverage: {table.title}\n" not in tables()
    ] == []
