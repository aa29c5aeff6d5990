"""The figures of `benchmarks.detection` as the tables of docs/detection.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, Final

from vault.redaction.evaluation import measured
from vault.redaction.evaluation.coverage import TABLES, rows

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "detection.md"
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"
LATE: Final = "more than 25 s"

# Figures that others published for configurations that need downloaded models (presidio-research notebooks, on its
# synth_dataset_v2); nothing here ran them.
PUBLISHED: Final = (
    ("Presidio, default with a large spaCy model", "spans, IoU 0.9", "0.68", "0.60", "0.62"),
    ("Presidio, transformer configuration", "spans, IoU 0.7", "0.87", "0.84", "0.85"),
)

Report = dict[str, Any]


def write(page: str) -> None:
    """Put the tables between the markers of docs/detection.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise SystemExit(f"{PAGE.name} lacks the markers")
    PAGE.write_text(f"{before}{BEGIN}\n\n{page}\n{END}{after}", encoding="utf-8")


def render(document: Report, entities: Set[str]) -> str:
    """Every part that was measured, as Markdown."""
    lines = [*_where(document)]
    parts: dict[str, Callable[[Any], Iterator[str]]] = {
        "quality": _quality,
        "ordinary": _ordinary,
        "evasions": _evasions,
        "speed": _speed,
        "hostile": _hostile,
        "load": _load,
    }
    for name, part in parts.items():
        if document.get(name):
            lines += ["", *part(document[name])]
    if "quality" in document:
        lines += ["", *_published(), "", *_classes(), "", *_coverage(entities)]
    return "\n".join(lines) + "\n"


def _where(document: Report) -> Iterator[str]:
    machine = document["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    yield (
        f"Detector `{document['detector']}`. Python {machine['python']}, {machine['processor']}, one thread; "
        f"{packages}."
    )


def _table(head: Sequence[str], body: Sequence[Sequence[object]], *, words: bool = False) -> Iterator[str]:
    """A table; all but its first column are numbers unless it is of `words`."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(["---", *["---" if words else "---:"] * (len(head) - 1)]) + "|"
    for row in body:
        yield "| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |"


def _n(value: float | None, places: int = 3) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _quality(found: dict[str, dict[str, Report]]) -> Iterator[str]:
    yield "### Quality, beside Presidio's predefined recognisers"
    yield ""
    body: list[tuple[object, ...]] = []
    for data, systems in found.items():
        for at, (system, report) in enumerate(systems.items()):
            character, entity = report["character"], report["entity"]
            body.append((
                data if at == 0 else "", system, _n(character["precision"]), _n(character["recall"]),
                _n(character["f2"]), _n(entity["iou70"]["f2"]), _n(entity["cover_recall"]),
            ))  # fmt: skip
    yield from _table(("data", "detector", "characters P", "R", "F2", "IoU 0.7 F2", "wholly masked"), body)
    yield ""
    yield "Names, places, organisations: share touched by a finding of the type, and strict F1."
    yield ""
    ours = {data: next(iter(systems.values())) for data, systems in found.items()}
    body = []
    for data, report in ours.items():
        cells: list[object] = [data]
        for group in ("PERSON", "LOCATION", "ORGANIZATION"):
            row = report["types"].get(group)
            cells += [_n(row["overlap_recall"]), _n(row["strict"]["f1"])] if row else ["", ""]
        body.append((*cells, _n(report["entity"]["strict"]["f1"])))
    yield from _table(("data", "PERSON R", "F1", "LOCATION R", "F1", "ORGANIZATION R", "F1", "all F1"), body)
    tab = next((report["tab"] for report in ours.values() if "tab" in report), None)
    if tab is not None:
        yield ""
        yield (
            f"TAB: of direct identifiers {_n(tab['direct_recall'])} and of quasi-identifiers "
            f"{_n(tab['quasi_recall'])} have all their mentions masked; token precision {_n(tab['token_precision'])}."
        )
    yield ""
    yield "Texts in which nothing is marked, and how many of them had any finding:"
    yield ""
    body = [
        (
            data,
            report["ordinary"]["texts"],
            report["ordinary"]["wrongly_masked"],
            _n(report["ordinary"]["rate"]),
        )
        for data, report in ours.items()
        if report["ordinary"]["texts"]
    ]
    yield from _table(("data", "texts", "with a finding", "share"), body)


def _ordinary(found: dict[str, dict[str, int]]) -> Iterator[str]:
    yield "### Ordinary facts with numbers"
    yield ""
    yield "Facts of `tests/unit/redaction/ordinary.py` hold nothing personal; changed: by the pack `baseline`."
    yield ""
    body = [
        (name, row["texts"], row["with a finding"], row["changed"], _n(row["changed"] / row["texts"]))
        for name, row in found.items()
    ]
    yield from _table(("detector", "facts", "with a finding", "changed", "share"), body)


def _evasions(found: dict[str, dict[str, int]]) -> Iterator[str]:
    yield "### Values that hide"
    yield ""
    yield "Probes of `tests/adversarial/evasions`, and how many were wholly masked."
    yield ""
    names = list(next(iter(found.values())))
    body = [(family, *(counts[name] for name in names)) for family, counts in found.items()]
    body.append(("all", *(sum(counts[name] for counts in found.values()) for name in names)))
    yield from _table(("family", *names), body)


def _speed(found: dict[str, Report]) -> Iterator[str]:
    yield "### Speed"
    yield ""
    yield "Processor time of one thread, both in turns on the same texts."
    yield ""
    body: list[tuple[object, ...]] = []
    for data, figures in found.items():
        for name, single in figures["single"].items():
            ours = name == "memvault"
            body.append((
                data, name, f"{single['per_s']:.0f}", f"{figures['batch'][name]:.0f}", _n(single["p50_ms"], 2),
                _n(single["p99_ms"], 2), single["p99_to_p50"],
                figures["single_ratio"]["median"] if ours else 1, figures["batch_ratio"]["median"] if ours else "",
            ))  # fmt: skip
    head = ("texts", "detector", "one by one, /s", "batches, /s", "p50 ms", "p99 ms", "p99/p50",
            "times Presidio", "in batches")  # fmt: skip
    yield from _table(head, body)


def _hostile(found: dict[str, Report]) -> Iterator[str]:
    yield "### Hostile texts of 64 Ki characters"
    yield ""
    yield "Processor time; a linear detector takes twice its time for 32 Ki."
    yield ""
    body = []
    for family, by_system in found.items():
        cells: list[object] = [f"`{family}`" if " " not in family.strip() else family]
        for name in ("ours", "presidio"):
            times = by_system[name]
            cells.append(f"{times[0]:.2f} s" if times else LATE)
        ours = by_system["ours"]
        cells.append(f"{ours[0] / max(ours[1], 1e-3):.1f}" if len(ours) == 2 else "")
        body.append(cells)
    yield from _table(("text", "memvault", "Presidio", "memvault, times its 32 Ki"), body)


def _load(found: dict[str, float]) -> Iterator[str]:
    yield (
        f"From nothing imported to the first answer: memvault {found['ours']:.2f} s, "
        f"Presidio {found['presidio']:.2f} s."
    )


def _published() -> Iterator[str]:
    yield "### Published figures of configurations with downloaded models"
    yield ""
    yield "Not measured here: from the notebooks of presidio-research, on its synth_dataset_v2, all types."
    yield ""
    yield from _table(("configuration", "measure", "P", "R", "F2"), PUBLISHED)


def _classes() -> Iterator[str]:
    figures = measured()
    yield "### By class, on the shipped samples"
    yield ""
    if figures is None:
        yield "Not measured."
        return
    body = [
        (f"`{name}`", one.samples, _n(one.recall), _n(one.precision), _n(one.character_recall))
        for name, one in sorted(figures.classes.items())
    ]
    yield from _table(("class", "samples", "recall", "precision", "characters"), body)


def _coverage(entities: Set[str]) -> Iterator[str]:
    figures = measured()
    for name, table in TABLES.items():
        yield f"### Coverage: {table.title}"
        yield ""
        body = []
        for row in rows(name, entities, figures):
            classes = ", ".join(f"`{one['class']}` {_n(one['recall'])}" for one in row["classes"])
            body.append((row["id"], row["what"], classes or "**not covered**", row["note"]))
        yield from _table(("", "what", "classes and their recall", "note"), body, words=True)
        yield ""
