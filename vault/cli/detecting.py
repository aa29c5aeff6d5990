"""`detect eval | text | coverage | measure`: what the detector finds, and how well; no vault is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vault.cli import output, parsing
from vault.cli.verbs import Call, Function, verb
from vault.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.policy.decide import Policy
    from vault.redaction.evaluation.samples import DataSet
    from vault.redaction.evaluation.score import Miss, Scorer
    from vault.redaction.interface import Detector
    from vault.types import Finding

PANEL: Final = "Running a vault"
BASELINE: Final = "baseline"
MOST_DATA_BYTES: Final = 1 << 28  # of a file given with --data
PROVEN: Final = 0.99  # vault.redaction.patterns.PROVEN, without importing the rules for it

PackOption = Annotated[
    str | None,
    typer.Option(
        "--pack",
        metavar="PACK",
        show_default=False,
        help="Leave out what this pack keeps, and what is under its threshold; a shipped pack, or a folder.",
    ),
]
ContentOption = Annotated[
    bool, typer.Option("--show-content", help="Print the values too. They may be somebody's personal data.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Detection: try it, measure it, see what it covers.")
    verbs: dict[str, Function] = {"text": explain, "eval": evaluate, "coverage": coverage, "measure": measure}
    for name, function in verbs.items():
        verb(group, name)(function)
    app.add_typer(group, name="detect", rich_help_panel=PANEL)


def _chosen(call: Call, pack: str | None) -> tuple[Detector, Policy | None]:
    """The detector: the built-in one, or what the vault given with --vault is configured with; and the pack."""
    from vault import compose
    from vault.cli.policies import pack_place
    from vault.policy.pack import load
    from vault.redaction.interface import DEFAULT_THRESHOLD

    configured = call.config.detection if call.asked.vault is not None else None
    policy = load(pack_place(call, pack)) if configured is not None or pack is not None else None
    detector = compose.detector(
        configured.detectors if configured is not None else ("builtin",),
        policy.threshold if policy is not None else DEFAULT_THRESHOLD,
        strict=policy.strict if policy is not None else False,
        folder=call.folder if configured is not None else None,
        recognisers=configured.recognisers if configured is not None else (),
    )
    return detector, policy


def _kept(policy: Policy | None, detector: Detector) -> frozenset[str]:
    if policy is None:
        return frozenset()
    return frozenset(entity for entity in detector.entities if policy.operator_for(entity) == "keep")


# --- text ---


def explain(
    call: Call,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", show_default=False, help="The text; default: standard input."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Read the text from a file.")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option("--context", metavar="KEY", help="The key the text stands under, as in patient.ssn."),
    ] = None,
    pack: PackOption = None,
    show_content: ContentOption = False,
) -> None:
    """Show what the detector finds in a text, and why; nothing is stored."""
    from vault.policy.pack import load

    content = parsing.text(text, file)
    if not content:
        raise InvalidInputError("text.empty", "the text is empty")
    detector, policy = _chosen(call, pack)
    applied = policy or load(BASELINE)
    found = detector.detect(content, context=context)
    rows = []
    for one in found:
        row: dict[str, Any] = {
            "class": one.entity, "start": one.start, "end": one.end, "score": round(one.score, 3),
            "recogniser": one.recogniser, "why": _why(detector, content, one),
            "operator": applied.operator_for(one.entity),
        }  # fmt: skip
        if show_content:
            row["value"] = content[one.start : one.end]
        rows.append(row)
    document = {"detector": detector.version, "pack": applied.name, "findings": rows}
    call.out.show(document, lambda screen: _explained(screen, content, rows, applied.name))


def _why(detector: Detector, content: str, one: Finding) -> str:
    """Tells apart what is found by its own form from what only the text around it, or its key, gives away."""
    if one.recogniser.partition(".")[0] == "names":
        return "the names model reads it so in this sentence"
    alone = any(
        again.entity == one.entity and again.recogniser == one.recogniser
        for again in detector.detect(content[one.start : one.end])
    )
    if alone and one.score >= PROVEN:
        return "its own form, which a checksum or an exact pattern proves"
    return "its own form" if alone else "its form, with the words around it or the key it stands under"


def _explained(screen: Console, content: str, rows: list[dict[str, Any]], pack: str) -> None:
    from rich.text import Text

    shown = Text()
    position = 0
    for row in rows:
        shown.append(output.safe(content[position : row["start"]]))
        style = "bold yellow" if row["operator"] != "keep" else "cyan"
        shown.append(output.safe(content[row["start"] : row["end"]]), style)
        shown.append(f"[{row['class']}]", "dim")
        position = row["end"]
    shown.append(output.safe(content[position:]))
    screen.print(shown, soft_wrap=True)
    screen.print()
    if not rows:
        output.line(screen, "nothing found")
        return
    table = output.table("class", "at", "score", "recogniser", f"{pack} does", "why", right=("score",))
    for row in rows:
        table.add_row(*output.cells(
            row["class"], f"{row['start']}-{row['end']}", f"{row['score']:.2f}", row["recogniser"], row["operator"],
            row["why"],
        ))  # fmt: skip
    screen.print(table)


# --- eval ---


def evaluate(
    call: Call,
    data: Annotated[
        Path, typer.Option("--data", metavar="FILE", help="Annotated texts; UTF-8, may be gzip.")
    ],
    form: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="presidio, tab, asq, conll or jsonl."),
    ],
    pack: PackOption = None,
    misses: Annotated[
        int,
        typer.Option(
            "--misses",
            min=0,
            metavar="N",
            help="List up to N marked values that are not wholly masked, and N findings where nothing is marked.",
        ),
    ] = 0,
    show_content: ContentOption = False,
) -> None:
    """Measure the detector on annotated texts: precision, recall and F2, by entity, by character and by type."""
    from vault.redaction.evaluation import formats, run

    found = formats.read(parsing.read_file(data, MOST_DATA_BYTES, "--data"), form)
    detector, policy = _chosen(call, pack)
    with call.out.progress("detecting", len(found.samples)) as watch:
        scorer, report = run.evaluate(found, detector, keep=_kept(policy, detector), watch=watch)
    document: dict[str, Any] = {"format": form, "pack": policy.name if policy is not None else None, **report}
    if misses:
        for name, listed in (("misses", scorer.misses), ("extras", scorer.extras)):
            document[name] = [_miss(found, one, show_content) for one in _spread(listed, misses)]
    call.out.show(document, lambda screen: _evaluation(screen, document, scorer))


def _spread(found: Sequence[Miss], most: int) -> list[Miss]:
    """At most so many, evenly over the whole list: the first ones of a file are often alike."""
    step = max(1, -(-len(found) // most))
    return list(found[::step])


def _miss(data: DataSet, one: Miss, show_content: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        "sample": one.sample, "line": one.line, "start": one.start, "end": one.end, "label": one.label,
        "masked_characters": one.masked,
    }  # fmt: skip
    if show_content:
        content = data.samples[one.sample].text
        said["value"] = content[one.start : one.end]
        said["around"] = content[max(0, one.start - 40) : one.end + 40]
    return said


def _evaluation(screen: Console, document: dict[str, Any], scorer: Scorer) -> None:
    character, entity = document["character"], document["entity"]
    output.facts(
        screen,
        {
            "detector": document["detector"],
            "texts": f"{document['texts']}, marked {document['entities']}, found {document['findings']}",
            "characters": _prf(character),
            "95 % interval": f"precision {_interval(character['precision_95'])}, "
            f"recall {_interval(character['recall_95'])}",
            "strict": _prf(entity["strict"]),
            "overlap": _prf(entity["overlap"]),
            "IoU 0.7": _prf(entity["iou70"]),
            "wholly masked": _share(entity["cover_recall"]),
            "speed": f"{document['speed']['texts_per_s']} texts/s, {document['speed']['words_per_s']} words/s",
        },
    )
    if "tab" in document:
        tab = document["tab"]
        output.facts(screen, {
            "direct": f"{_share(tab['direct_recall'])} of {tab['direct_entities']} entities",
            "quasi": f"{_share(tab['quasi_recall'])} of {tab['quasi_entities']} entities",
            "tokens": f"precision {_share(tab['token_precision'])}, recall {_share(tab['token_recall'])}",
        })  # fmt: skip
    ordinary = document["ordinary"]
    if ordinary["texts"]:
        output.line(screen, f"texts without anything marked: {ordinary['texts']}, "
                            f"{ordinary['wrongly_masked']} with a finding ({_share(ordinary['rate'])})")  # fmt: skip
    for reason, count in document["skipped"].items():
        output.line(screen, (f"left out: {reason}: {count}", "yellow"))
    screen.print()
    columns = ("marked", "found", "P", "R", "F1", "overlap R", "masked", "characters")
    table = output.table("type", *columns, right=columns)
    for name, row in document["types"].items():
        strict = row["strict"]
        table.add_row(*output.cells(
            name, row["entities"], row["findings"], _share(strict["precision"]), _share(strict["recall"]),
            _share(strict["f1"]), _share(row["overlap_recall"]), _share(row["cover_recall"]),
            _share(row["character_recall"]),
        ))  # fmt: skip
    screen.print(table)
    for name in ("misses", "extras"):
        if document.get(name):
            _listed(screen, name, document[name], len(getattr(scorer, name)))


def _listed(screen: Console, name: str, rows: list[dict[str, Any]], total: int) -> None:
    title = "not wholly masked" if name == "misses" else "found where nothing is marked"
    screen.print()
    output.line(screen, (f"{title}: {total}", "bold"))
    for row in rows:
        place = f"line {row['line']}  {row['start']}-{row['end']}  {row['label']}"
        output.line(screen, place, (f"  {row['value']}" if "value" in row else "", "cyan"))


def _prf(values: dict[str, float | None]) -> str:
    names = ("precision", "recall", "f1", "f2")
    return ", ".join(f"{name} {_share(values[name])}" for name in names)


def _interval(bounds: list[float] | None) -> str:
    return "-" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


# --- coverage and measure ---


def coverage(call: Call) -> None:
    """Show which classes of HIPAA, PCI DSS and GDPR Art. 9 are looked for, and how well they were found."""
    from vault.redaction.evaluation import measured
    from vault.redaction.evaluation.coverage import TABLES, rows

    detector, _ = _chosen(call, None)
    figures = measured(detector.version, call.folder if call.asked.vault is not None else None)
    document: dict[str, Any] = {
        "detector": detector.version,
        "measured_with": figures.version if figures is not None else None,
        "tables": {name: rows(name, detector.entities, figures) for name in TABLES},
    }
    call.out.show(document, lambda screen: _coverage(screen, document))


def _coverage(screen: Console, document: dict[str, Any]) -> None:
    from vault.redaction.evaluation.coverage import TABLES

    for name, rows in document["tables"].items():
        output.line(screen, (TABLES[name].title, "bold"))
        columns = ("samples", "recall", "precision")
        table = output.table("", "what", "classes", *columns, right=columns)
        for row in rows:
            if not row["covered"]:
                table.add_row(
                    *output.cells(row["id"], row["what"], f"not covered: {row['note']}", "", "", "")
                )
                continue
            for at, one in enumerate(row["classes"]):
                lead = (row["id"], row["what"]) if at == 0 else ("", "")
                figures = (one["samples"] or "-", _share(one["recall"]), _share(one["precision"]))
                table.add_row(*output.cells(*lead, one["class"], *figures))
            if row["note"]:
                table.add_row(*output.cells("", f"({row['note']})", "", "", "", ""))
        screen.print(table)
        screen.print()
    if document["measured_with"] is None:
        output.line(screen, ("this detector was not measured: memvault detect measure", "yellow"))


def measure(
    call: Call,
    pack: PackOption = None,
    most: Annotated[
        int, typer.Option("--most", min=0, metavar="N", help="Take N samples, evenly spread; 0: all.")
    ] = 0,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Keep the figures in the folder given with --vault, for its pack's floors."
        ),
    ] = False,
) -> None:
    """Measure the detector on the samples that are shipped with it: our own generator's, and probes."""
    from vault.redaction.evaluation import figures, run, shipped

    if write and (call.asked.vault is None or most):
        raise InvalidInputError("write.part", "--write needs --vault, and all samples")
    detector, policy = _chosen(call, pack)
    found = shipped.samples(most)
    kept = (
        frozenset[str]() if write else _kept(policy, detector)
    )  # a floor is about what is found, not what is kept
    with call.out.progress("detecting", len(found.samples)) as watch:
        scorer, report = run.evaluate(found, detector, keep=kept, watch=watch)
    document = {"format": found.form, "pack": policy.name if policy is not None else None, **report}
    if write:
        from vault.files import write_private

        records = [run.record(report, shipped.model_version())]
        write_private(call.folder / figures.FILE, figures.render(shipped.digest(), records))
    call.out.show(document, lambda screen: _evaluation(screen, document, scorer))
