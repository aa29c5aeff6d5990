"""The scorer on cases small enough to count by hand, and the measured figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vault.errors import ConfigError
from vault.redaction.evaluation import figures, run
from vault.redaction.evaluation.coverage import TABLES, rows
from vault.redaction.evaluation.formats import read
from vault.redaction.evaluation.labels import ANYTHING, accepts, group
from vault.redaction.evaluation.samples import DataSet, Sample, Span
from vault.redaction.evaluation.score import Scorer, f_measure, ratio
from vault.types import Finding

Spans = Sequence[tuple[str, str]]


def place(text: str, value: str) -> tuple[int, int]:
    start = text.index(value)
    return start, start + len(value)


def score(text: str, marked: Spans, found: Spans, form: str = "jsonl", **given: Any) -> dict[str, Any]:
    """The report of one text; values are named, not their offsets."""
    sample = Sample(text, tuple(Span(*place(text, value), label) for value, label in marked), 1)
    scorer = Scorer(DataSet(form, [sample], **given))
    scorer.add(sample, findings(text, found))
    return scorer.report()


def findings(text: str, found: Spans) -> list[Finding]:
    return [Finding(entity, *place(text, value), 0.9, "test") for value, entity in found]


def test_a_perfect_answer_scores_one_everywhere() -> None:
    both = [("Ann Lee", "PERSON"), ("ann@x.org", "EMAIL_ADDRESS")]
    report = score("Ann Lee has ann@x.org.", both, both)
    for measures in (report["character"], report["entity"]["strict"], report["entity"]["iou70"]):
        assert {measures[name] for name in ("precision", "recall", "f1", "f2")} == {1.0}
    assert report["entity"]["cover_recall"] == 1.0
    assert report["types"]["PERSON"]["findings"] == 1


def test_silence_scores_no_recall_and_has_no_precision() -> None:
    report = score("Ann Lee", [("Ann Lee", "PERSON")], [])
    character = report["character"]
    assert (character["precision"], character["recall"], character["f2"]) == (None, 0.0, None)
    assert report["types"]["PERSON"]["strict"]["f1"] is None


def test_part_of_a_name_overlaps_but_neither_covers_nor_matches() -> None:
    report = score("so Ann Lee", [("Ann Lee", "PERSON")], [("Ann", "PERSON")])
    entity = report["entity"]
    assert (entity["overlap"]["recall"], entity["strict"]["recall"]) == (1.0, 0.0)
    assert (entity["cover_recall"], entity["iou70"]["recall"]) == (0.0, 0.0)
    assert {name: report["character"][name] for name in ("precision", "recall", "f1", "f2")} == {
        "precision": 1.0, "recall": 0.5, "f1": 0.6667, "f2": 0.5556,
    }  # fmt: skip


def test_another_type_covers_but_does_not_overlap_in_type() -> None:
    report = score("so Ann Lee", [("Ann Lee", "PERSON")], [("Ann Lee", "ORGANIZATION")])
    entity = report["entity"]
    assert (entity["touched_recall"], entity["cover_recall"]) == (1.0, 1.0)
    assert (entity["overlap"]["recall"], entity["overlap"]["precision"]) == (0.0, 0.0)
    assert (entity["iou70"]["recall"], entity["iou70_any_type"]["recall"]) == (0.0, 1.0)
    assert report["labels"]["PERSON"]["found_recall"] == 0.0
    assert report["character"]["f2"] == 1.0


def test_white_space_and_outer_punctuation_need_not_be_masked() -> None:
    report = score(
        "call (212) 555!", [("(212) 555!", "PHONE")], [("212", "PHONE_NUMBER"), ("555", "PHONE_NUMBER")]
    )
    assert report["entity"]["cover_recall"] == 0.0  # the inner bracket stays
    report = score(
        "call +212 555!", [("+212 555!", "PHONE")], [("212", "PHONE_NUMBER"), ("555", "PHONE_NUMBER")]
    )
    assert report["entity"]["cover_recall"] == 1.0


def test_a_title_before_a_name_need_not_be_masked() -> None:
    for marked, cover in (("Mr. Lee", 1.0), ("Dr Lee", 1.0), ("Drew Lee", 0.0), ("Mr", 0.0)):
        report = score(f"so {marked} Lee", [(marked, "PERSON")], [("Lee", "PERSON")])
        assert report["entity"]["cover_recall"] == cover, marked


def test_neighbours_of_one_address_count_as_one_for_iou() -> None:
    text = "at 12 Elm St, Salem 01970 now"
    parts = [("12 Elm St", "STREET_ADDRESS"), ("Salem", "LOCATION"), ("01970", "ZIP_CODE")]
    report = score(text, [("12 Elm St, Salem 01970", "ADDRESS")], parts)
    assert report["entity"]["iou70"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "f2": 1.0}
    assert report["entity"]["strict"]["recall"] == 0.0


def test_only_marked_classes_count_where_not_everything_is_marked() -> None:
    text = "Ann has ann@x.org"
    found = [("Ann", "PERSON"), ("ann@x.org", "EMAIL_ADDRESS")]
    assert score(text, [("Ann", "PER")], found, "conll", classes=frozenset({"PERSON"}))["findings"] == 1
    assert score(text, [("Ann", "PER")], found, "conll")["character"]["precision"] == round(3 / 12, 4)


def test_titles_and_neutral_stretches_are_neither_right_nor_wrong() -> None:
    text = "Mr. Lee"
    for found in ([("Lee", "PERSON")], [("Lee", "PERSON"), ("Mr.", "PERSON")], [("Mr. Lee", "PERSON")]):
        report = score(text, [("Mr.", "TITLE"), ("Lee", "PERSON")], found)
        assert report["character"]["precision"] == 1.0, found
        assert report["entities"] == 1


def test_a_tag_counts_only_where_its_class_is_marked() -> None:
    found = [("Ann", "PERSON"), ("is ill", "SENSITIVE_HEALTH")]
    assert score("Ann is ill", [("Ann", "PERSON")], found)["character"]["precision"] == 1.0
    marked = [("Ann", "PERSON"), ("is ill", "SENSITIVE_HEALTH")]
    assert score("Ann is ill", marked, found)["types"]["SENSITIVE_HEALTH"]["findings"] == 1


def test_classes_with_one_token_label_stand_for_each_other() -> None:
    assert accepts("US_DRIVER_LICENSE") >= {"US_DRIVER_LICENSE", "UK_DRIVING_LICENCE"}
    assert "US_SSN" not in accepts("US_ITIN")


def test_texts_without_anything_marked_are_counted_apart() -> None:
    scorer = Scorer(DataSet("jsonl"))
    for text, found in (("tea", []), ("order 77", [("77", "AGE")])):
        scorer.add(Sample(text, (), 1), findings(text, found))
    assert scorer.report()["ordinary"] == {"texts": 2, "wrongly_masked": 1, "rate": 0.5}
    assert [(one.sample, one.label) for one in scorer.extras] == [(1, "AGE")]


def test_the_interval_is_wide_for_few_texts_and_narrow_for_many() -> None:
    def interval(texts: int) -> list[float]:
        samples = [Sample("Ann", (Span(0, 3, "PERSON"),), number) for number in range(texts)]
        scorer = Scorer(DataSet("jsonl", samples))
        for number, sample in enumerate(samples):
            scorer.add(sample, findings("Ann", [("Ann", "PERSON")] if number % 2 else []))
        found: list[float] = scorer.report()["character"]["recall_95"]
        return found

    few, many = interval(10), interval(1000)
    assert few == interval(10)  # the same every time
    assert few[0] <= many[0] < 0.5 < many[1] <= few[1]
    assert few[1] - few[0] > 0.3 > 0.1 > many[1] - many[0]


def test_misses_are_places() -> None:
    scorer = Scorer(DataSet("jsonl"))
    scorer.add(Sample("so Ann Lee", (Span(3, 10, "PERSON"),), 7), findings("so Ann Lee", [("Ann", "PERSON")]))
    (miss,) = scorer.misses
    assert (miss.sample, miss.line, miss.start, miss.end, miss.label, miss.masked) == (
        0,
        7,
        3,
        10,
        "PERSON",
        3,
    )


# --- labels ---


@pytest.mark.parametrize(
    ("label", "form", "name", "entity"),
    [
        ("PER", "conll", "PERSON", "PERSON"),
        ("corporation", "conll", "ORGANIZATION", "ORGANIZATION"),
        ("GPE", "presidio", "LOCATION", "ZIP_CODE"),
        ("STREET_ADDRESS", "presidio", "LOCATION", "STREET_ADDRESS"),
        ("GEO", "asq", "PLACE_OR_ORG", "ORGANIZATION"),
        ("DATETIME", "tab", "DATE", "DATE_OF_BIRTH"),
        ("HPBN", "asq", "HEALTH_PLAN", "US_HEALTH_INSURANCE_MEMBER_ID"),
        ("VIN", "jsonl", "VIN", "VIN"),
    ],
)
def test_labels_of_others_stand_for_classes(label: str, form: str, name: str, entity: str) -> None:
    assert group(label, form) == name
    assert entity in accepts(name)


def test_a_label_nobody_knows_is_found_by_anything() -> None:
    assert accepts(group("Employee ID!", "jsonl")) == ANYTHING
    report = score("no 7714", [("7714", "EMPLOYEE_NO")], [("7714", "MRN")])
    assert report["types"]["EMPLOYEE_NO"]["overlap_recall"] == 1.0
    assert report["types"]["EMPLOYEE_NO"]["overlap"]["precision"] is None


# --- TAB ---


def tab(found: Spans, kinds: tuple[str, str] = ("DIRECT", "DIRECT")) -> dict[str, Any]:
    text = "Mr Ann Lee sued. Lee lives in the city of Oslo."
    spans = (
        Span(0, 10, "PERSON", "e1", kinds[0]),
        Span(17, 20, "PERSON", "e1", kinds[1]),
        Span(30, 46, "LOC", "e2", "QUASI"),
    )
    scorer = Scorer(DataSet("tab"))
    found_at = [
        Finding(kind, at, at + len(value), 0.9, "test")
        for value, kind in found
        for at in range(len(text))
        if text.startswith(value, at)
    ]
    scorer.add(Sample(text, spans, 1), found_at)
    report: dict[str, Any] = scorer.report()["tab"]
    return report


def test_an_entity_is_protected_only_if_all_its_mentions_are() -> None:
    assert tab([("Ann Lee", "PERSON")])["direct_recall"] == 0.0
    assert tab([("Ann Lee", "PERSON"), ("Lee", "PERSON")])["direct_recall"] == 1.0
    assert tab([("Ann Lee", "PERSON")], ("DIRECT", "NO_MASK"))["direct_recall"] == 1.0


def test_titles_and_function_words_need_no_mask_but_names_do() -> None:
    report = tab([("city", "LOCATION"), ("Oslo", "LOCATION")])
    assert (report["quasi_recall"], report["quasi_entities"]) == (1.0, 1)
    assert tab([("Oslo", "LOCATION")])["quasi_recall"] == 0.0


def test_token_precision_counts_masked_words_in_marked_mentions() -> None:
    report = tab([("Ann Lee", "PERSON"), ("sued", "PERSON"), ("Oslo", "LOCATION")])
    assert report["token_precision"] == 0.75


# --- measures, runs, figures ---


def test_measures_are_undefined_rather_than_zero_where_nothing_is_there() -> None:
    assert ratio(0, 0) is None
    assert f_measure(None, 1.0, 2) is None
    assert f_measure(0.0, 0.0, 2) == 0.0
    assert f_measure(0.5, 1.0, 2) == 0.8333


class Shouting:
    """Finds words in capitals; says whether it was asked in batches."""

    entities = frozenset({"PERSON"})
    version = "shouting-1"

    def __init__(self) -> None:
        self.batches = 0

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        return (
            [] if "PERSON" in keep else findings(text, [(w, "PERSON") for w in text.split() if w.isupper()])
        )

    def batch(self, texts: Sequence[str]) -> list[list[Finding]]:
        self.batches += 1
        return [self.detect(text) for text in texts]


def test_a_run_batches_watches_and_keeps() -> None:
    rows_ = "\n".join(json.dumps({"text": "so ANN", "spans": [[3, 6, "PERSON"]]}) for _ in range(130))
    data, detector, seen = read(rows_.encode(), "jsonl"), Shouting(), list[tuple[int, int | None]]()
    _, report = run.evaluate(data, detector, watch=lambda done, total: seen.append((done, total)))
    assert (report["detector"], report["character"]["f2"], detector.batches) == ("shouting-1", 1.0, 3)
    assert seen == [(64, 130), (128, 130), (130, 130)]
    _, report = run.evaluate(data, detector, keep=frozenset({"PERSON"}))
    assert report["findings"] == 0


CLASSES = {"PERSON": {"samples": 3, "recall": 0.5, "precision": 1.0, "character_recall": 0.6}}
RECORD = {"version": "d-1", "model": None, "classes": CLASSES}
FIGURES = figures.render("00", [RECORD])


def test_figures_are_read_and_frozen() -> None:
    (read_back,) = figures.parse(FIGURES)
    assert (read_back.version, read_back.recall("PERSON"), read_back.samples("PERSON")) == ("d-1", 0.5, 3)
    assert (read_back.recall("VIN"), read_back.samples("VIN"), read_back.precision("PERSON")) == (
        None,
        0,
        1.0,
    )
    with pytest.raises(AttributeError):
        read_back.version = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        read_back.classes["VIN"] = read_back.classes["PERSON"]  # type: ignore[index]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", figures.render("00", [{**RECORD, "classes": {"A": {}}}])]
)
def test_broken_figures_are_refused(data: bytes) -> None:
    with pytest.raises(ConfigError) as refused:
        figures.parse(data)
    assert refused.value.code == "detection.measured"


def test_figures_are_found_by_version_and_folder(tmp_path: Path) -> None:
    (tmp_path / figures.FILE).write_bytes(FIGURES)
    found = figures.measured("d-1", tmp_path)
    assert found is not None
    assert found.recall("PERSON") == 0.5
    assert figures.measured("d-1") is None
    assert figures.measured("d-2", tmp_path) is None
    (tmp_path / figures.FILE).write_bytes(b"{")
    with pytest.raises(ConfigError):
        figures.measured("d-1", tmp_path)


def test_coverage_says_what_is_missing() -> None:
    (found,) = figures.parse(FIGURES)
    by_id = {row["id"]: row for row in rows("hipaa", {"PERSON"}, found)}
    assert by_id["A"]["classes"] == [{"class": "PERSON", "samples": 3, "recall": 0.5, "precision": 1.0}]
    assert (by_id["G"]["covered"], by_id["Q"]["covered"]) == (False, False)
    assert by_id["Q"]["note"]
    assert len(by_id) == 18
    assert {len(TABLES[name].rows) for name in ("pci", "gdpr9")} == {7, 8}
