"""What redaction costs retrieval: LoCoMo through a whole vault, `python -m benchmarks.redaction_cost`.

Recall@10 and MRR@10 as in benchmarks.locomo, over turns and facts, with nothing redacted, with the baseline pack, and
with the baseline pack but one class of data left as it is: the difference is what that class costs.

The data (CC BY-NC 4.0) is read from MEMVAULT_SHARED/data/eval and is not part of this repository.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.locomo import TOP, Row, conversations, facts, questions, turns
from vault import Principal, Session, Vault
from vault.flows.context import Stages
from vault.redaction.detect import BuiltinDetector
from vault.redaction.interface import OneByOne
from vault.types import Finding

MOST_CLASSES: Final = 4  # the classes found most often are measured alone


class Nothing(OneByOne):
    """A detector that finds nothing."""

    entities: frozenset[str] = frozenset()
    version = "nothing"

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        return []


@dataclass(slots=True)
class Figures:
    """Sums over questions, and what was redacted."""

    recalls: list[float] = field(default_factory=list)
    reciprocal: list[float] = field(default_factory=list)
    redacted: Counter[str] = field(default_factory=Counter)

    @property
    def recall(self) -> float:
        return sum(self.recalls) / len(self.recalls)

    @property
    def mrr(self) -> float:
        return sum(self.reciprocal) / len(self.reciprocal)


def measure(
    data: Sequence[dict[str, Any]], kind: str, *, off: bool, kept: str | None, dated: bool = False
) -> Figures:
    """All conversations, each the memories of one user of a fresh vault; `dated`: each stored when it was said."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with Vault.init(place / "vault", key_folder=place / "keys", keystore_backup="none") as vault:
            stages = vault._opened()
            stages.detector = Nothing() if off else BuiltinDetector(threshold=stages.policy.threshold)
            if kept is not None:
                stages.policy = replace(stages.policy, operators={**stages.policy.operators, kept: "keep"})
            session = vault.session(Principal("benchmark", "locomo", ("app",)), purpose="service")
            for number, conversation in enumerate(data):
                rows = list(turns(conversation) if kind == "turns" else facts(conversation))
                added = _add(session, stages, f"user-{number}", rows, figures, dated=dated)
                _ask(session, f"user-{number}", added, conversation, figures)
    return figures


def _add(
    session: Session, stages: Stages, user: str, rows: Sequence[Row], figures: Figures, *, dated: bool
) -> dict[str, frozenset[str]]:
    """Memory id to the turns it stands for."""
    said: dict[str, frozenset[str]] = {}
    now = stages.now
    for row in rows:
        if dated and row.on is not None:
            stages.now = lambda at=row.on: at
        added = session.add(row.text, user_id=user)
        said[added.memories[0].id] = row.turns
        figures.redacted.update(added.redacted)
    stages.now = now
    return said


def _ask(
    session: Session,
    user: str,
    said: dict[str, frozenset[str]],
    conversation: dict[str, Any],
    figures: Figures,
) -> None:
    for question in questions(conversation):
        found = [said[hit.memory.id] for hit in session.search(question.text, user_id=user, limit=TOP)]
        share = len(question.evidence & frozenset().union(*found)) / len(question.evidence)
        first = next((rank for rank, hit in enumerate(found, 1) if hit & question.evidence), None)
        figures.recalls.append(share)
        figures.reciprocal.append(1.0 / first if first else 0.0)


def report(data: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """One row for each way to redact; `loss` is against nothing redacted."""
    off = measure(data, kind, off=True, kept=None)
    on = measure(data, kind, off=False, kept=None)
    ways = [("nothing redacted", off), ("baseline", on)]
    for entity, _ in on.redacted.most_common(MOST_CLASSES):
        ways.append((f"baseline, {entity} kept", measure(data, kind, off=False, kept=entity)))
    return [
        {
            "kind": kind,
            "way": way,
            "questions": len(got.recalls),
            "recall_at_10": round(got.recall, 4),
            "mrr_at_10": round(got.mrr, 4),
            "loss": round(off.recall - got.recall, 4),
            "redacted": dict(got.redacted.most_common(6)),
        }
        for way, got in ways
    ]


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [f"{'':6} {'':34} {'recall@10':>9} {'MRR@10':>7} {'loss':>7}  redacted"]
    for row in rows:
        redacted = ", ".join(f"{count} {entity}" for entity, count in row["redacted"].items())
        numbers = f"{row['recall_at_10']:9.3f} {row['mrr_at_10']:7.3f} {row['loss']:7.3f}"
        lines.append(f"{row['kind']:6} {row['way']:34} {numbers}  {redacted}")
    return "\n".join(lines)


def main() -> int:
    """Print a table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description="What redaction costs retrieval on LoCoMo conversations.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--first", type=int, default=5, metavar="N", help="only the first N conversations")
    options = parser.parse_args()
    data = conversations(Path(os.environ.get("MEMVAULT_SHARED", "../shared")))
    if data is None:
        return 1
    rows = [row for kind in ("turns", "facts") for row in report(data[: options.first], kind)]
    print(json.dumps(rows, indent=2) if options.json else as_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
